# SPDX-License-Identifier: Apache-2.0
"""`cleanroom serve`: the app at a port of this machine."""

import re
import shutil
import signal
import urllib.request

from harness import APP, REDIS, TOP, LiveTest, wait_until

YAML = f"services: [redis]\nredis: {{image: '{REDIS}'}}\n"


class Serve(LiveTest):
    def serve(self, *args, says="serves at", **options):
        process = self.start("serve", *args, **options)
        process.wait_for_output(says)
        url = re.search(r"http://localhost:(\d+)/", process.output()[0])
        return process, int(url[1])

    @staticmethod
    def get(port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return answer.read().decode()

    def test_until_ctrl_c(self):
        process, port = self.serve("--environment", "TESTAPP_DEPLOY=put /storage/word deployed", APP,
                                   yaml=YAML)
        self.assertEqual(self.get(port), f"localhost:{port} deployed\n")
        self.assertEqual(self.get(port), f"localhost:{port} deployed\n")
        process.signal(signal.SIGINT)
        result = process.wait()
        self.assert_exit(result, 0)
        self.assertEqual(result.red(), [])
        self.assert_nothing_left_now(result)
        with self.assertRaises(OSError):
            self.get(port)

    def test_two_side_by_side(self):
        one, first = self.serve(APP)
        two, second = self.serve(APP)
        self.assertNotEqual(first, second)
        self.assertEqual([self.get(first)[:15], self.get(second)[:15]],
                         [f"localhost:{first}", f"localhost:{second}"])
        for process in (one, two):
            process.signal(signal.SIGINT)
            self.assert_exit(process.wait(), 0)

    def test_its_own_end(self):
        result = self.run_cleanroom("serve", "--environment", "TESTAPP_SERVE=say bye; exit 9", APP)
        self.assert_exit(result, 9)
        self.assert_says(result, "bye", r"exit code 9")

    def test_a_failed_deploy(self):
        result = self.run_cleanroom("serve", "--environment", "TESTAPP_DEPLOY=exit 3", APP)
        self.assert_exit(result, 1)
        self.assertNotIn("serves at", result.out)

    def test_a_program(self):
        app = self.directory / "testapp"
        shutil.copy(TOP / "tests/images/app/entrypoint", app)
        app.chmod(0o755)
        process, port = self.serve("--environment", "TESTAPP_SERVE=serve_http $PORT", app,
                                   says="to be served at")
        wait_until(lambda: self.answers(port), 30, "it answers")
        process.signal(signal.SIGINT)
        self.assert_exit(process.wait(), 0)

    def answers(self, port):
        try:
            return self.get(port).startswith(f"localhost:{port}")
        except OSError:
            return False

    def test_a_port_that_is_none(self):
        result = self.run_cleanroom("serve", "--port", "99999", APP)
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "--port", "1 to 65535")
