# SPDX-License-Identifier: Apache-2.0
"""Whole runs on a dockerd that is reached by TCP and TLS alone, with no path in common."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request

import tls
import views
from harness import APP, CLEANROOM, MEMCACHED, POSTGRES, REDIS, TOP, LiveTest, on, wait_until
from test_inside import DEPLOY, SERVICES, TEST
from test_shell import PROMPT, Terminal

IMAGES = (APP, POSTGRES, REDIS, MEMCACHED)


CLONE_NEWNET = 0x40000000


class Network:
    """A network namespace for this process and all it begins: a dockerd without a bridge removes the
    machine's, that of another one."""

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.check(self.libc.unshare(CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    @staticmethod
    def check(result):
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def leave(self):
        self.check(self.libc.setns(self.home, CLONE_NEWNET))
        os.close(self.home)


class Daemon:
    """One of its own, with nothing of the machine's other one."""

    def __init__(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="cleanroom-dockerd-"))
        self.daemon = None
        tls.make_certificates(self.place)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.view = views.Docker(f"unix://{self.place}/docker.sock")  # for the tests' own eyes

    def start(self):
        place = self.place
        with open(place / "log", "wb") as log:
            self.daemon = subprocess.Popen(
                ["dockerd", "--host", self.host, "--host", self.view.host, "--tlsverify",
                 "--tlscacert", place / "ca.pem", "--tlscert", place / "server.pem",
                 "--tlskey", place / "server.key", "--data-root", place / "data",
                 "--exec-root", place / "exec", "--pidfile", place / "pid", "--bridge", "none",
                 "--iptables=false", "--ip6tables=false", "--ip-masq=false"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(self.answers, 60, lambda: (place / "log").read_text()[-2000:])

    def answers(self):
        try:
            return self.view.kind() == "docker"
        except OSError:
            return False

    def load(self, client):
        saved = subprocess.Popen([*client, "save", *IMAGES], stdout=subprocess.PIPE)
        subprocess.run(["docker", "--host", self.view.host, "load"], stdin=saved.stdout, check=True,
                       stdout=subprocess.DEVNULL)
        saved.stdout.close()
        assert saved.wait() == 0

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()
        shutil.rmtree(self.place)


@on("docker")
class Remote(LiveTest):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(Network().leave)
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.stop)
        cls.daemon.start()
        cls.daemon.load(["docker", "--host", cls.engine.host])
        cls.engine = cls.daemon.view

    def environment(self, extra=None):
        there = {"DOCKER_HOST": self.daemon.host, **tls.environment(self.daemon.place / "good")}
        return super().environment({**there, **(extra or {})})

    def test_main_job(self):
        result = self.run_cleanroom("--shards", 2, APP, yaml=SERVICES, deploy=DEPLOY, test=TEST, seconds=300)
        self.assert_exit(result, 0)
        self.assert_says(result, "on docker ")
        self.assertIn(self.daemon.host, result.run_json["engine"])
        self.assert_valid_junit(result)
        self.assertLessEqual({"case 1", "case 2", "deploy"}, {row[1] for row in result.cases})
        self.assert_nothing_left_now(result)

    def running(self):
        process = self.start("--shards", 2, APP, yaml=SERVICES, test="say running; hang")
        process.wait_for_output("[1] running", 120)
        process.wait_for_output("[2] running", 120)
        return process

    def test_ctrl_c(self):
        process = self.running()
        process.signal(signal.SIGINT)
        result = process.wait()
        self.assert_exit(result, 130)
        self.assert_nothing_left_now(result)

    def test_kill_9(self):
        process = self.running()
        process.popen.kill()
        process.wait()
        self.assert_nothing_left()

    def test_a_shell_at_a_terminal(self):
        terminal = Terminal(self, APP)
        terminal.greet()
        terminal.run("stty size", "30 100\r")
        terminal.run('exec 9<>/dev/tcp/${REDIS_HOSTS/://}; echo PING >&9; read -u 9 x; echo "$x"', r"\+PONG")
        terminal.type("cat\n")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        terminal.type("exit 7\n")
        self.assertEqual(terminal.wait(), 7, terminal.seen)
        self.assertTrue(terminal.is_as_before())

    def test_a_shell_whose_input_ends(self):
        """TLS has no half of a connection that could be closed; all that was said is heard."""
        directory = self.make_directory("piped")
        (directory / "forklift.yaml").write_text("services: []\n")
        done = subprocess.run([CLEANROOM, "shell", APP, "test", "say begun; cat; say over; exit 3"],
                              input=b"x" * 300000 + b"end\n", cwd=directory, capture_output=True,
                              env=self.environment(), timeout=120, check=False)
        self.assertEqual((done.returncode, done.stdout), (3, b"begun\n" + b"x" * 300000 + b"end\nover\n"),
                         done.stderr)

    def test_serve(self):
        """Its ports lead here: that is tried."""
        process = self.start("serve", APP)
        process.wait_for_output("serves at http://localhost:")
        port = process.output()[0].partition("serves at http://localhost:")[2].partition("/")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            self.assertTrue(answer.read().startswith(b"localhost:"))
        process.signal(signal.SIGINT)
        self.assert_exit(process.wait(), 0)

    def test_a_program(self):
        app = self.directory / "testapp"
        shutil.copy(TOP / "tests/images/app/entrypoint", app)
        app.chmod(0o755)
        result = self.run_cleanroom("--shards", 2, app, yaml=f"services: [redis]\nredis: {{image: '{REDIS}'}}\n",
                                    test='[ "$(redis_here PING)" = +PONG ] && ack')
        self.assert_exit(result, 0)
        self.assert_nothing_left_now(result)
