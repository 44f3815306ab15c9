# SPDX-License-Identifier: Apache-2.0
"""Apps that are programs of this machine, among services in containers."""

import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile

from harness import MEMCACHED, POSTGRES, REDIS, SWEEP, TOP, LiveTest, wait_until

SERVICES = f"""services: [postgres, redis, memcache]
postgres: {{image: '{POSTGRES}'}}
redis: {{image: '{REDIS}'}}
memcache: {{image: '{MEMCACHED}'}}
"""
MOSQUITTO = "cleanroom-test/mosquitto:2"
ME = "$CLEANROOM_SHARD_NUMBER"


class Direct(LiveTest):
    def setUp(self):
        super().setUp()
        self.app = self.directory / "testapp"
        shutil.copy(TOP / "tests/images/app/entrypoint", self.app)
        self.app.chmod(0o755)
        # A word that nobody else's process has in its command line.
        self.mark = f"cleanroom-mark-{os.getpid()}-{self.id()}"
        self.addCleanup(self.assert_nobody)

    def go(self, *args, code=0, **options):
        result = self.run_cleanroom(*args, self.app, **options)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
        self.assert_no_scratch(result.run_json["run"])
        return result

    @staticmethod
    def assert_no_scratch(run):
        wait_until(lambda: not pathlib.Path(tempfile.gettempdir(), f"cleanroom-{run}").exists(), SWEEP,
                   "the run's directory is gone")

    def marked(self):
        """Processes that carry the mark, but for cleanroom itself, which has it in an option."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(self.mark.encode()):
                found.append(entry.name)
        return found

    def assert_nobody(self):
        wait_until(lambda: not self.marked(), SWEEP, lambda: f"nobody is left of {self.marked()}")

    def test_four_shards_side_by_side(self):
        """Each finds its own services, at the usual ports of an address of its own."""
        result = self.go("--shards", 4, yaml=SERVICES, test=f"""
            redis_here SET me {ME}; elapse 1; redis_here GET me
            [ "$(redis_here DBSIZE)" = :1 ] || fail "not alone"
            say "at ${{REDIS_HOSTS}} $MEMCACHE_HOSTS"
            reach "${{REDIS_HOSTS%:*}}" 5432; reach "${{REDIS_HOSTS%:*}}" 11211
            ack; junit "case {ME}" """)
        places = set()
        for shard in range(1, 5):
            log = result.log(shard)
            host = re.search(r"^at (127\.\d+\.\d+\.\d+):6379 \1:11211$", log, re.MULTILINE)
            self.assertTrue(host, log)
            places.add(host[1])
            self.assertNotEqual(host[1].split(".")[1], "0")
            self.assertIn(f"case {shard}", [case[1] for case in result.cases])
        self.assertEqual(len(places), 4)

    def test_environment_and_place(self):
        """The caller's directory, a small environment, directories of its own."""
        result = self.go(test='print_env; pwd; store_at() { put "$1/word" x; }; '
                              'store_at "$CLEANROOM_STORAGE"; store_at "$CLEANROOM_STATIC"; '
                              'store_at "$TEST_TMPDIR"; store_at "$TEST_UNDECLARED_OUTPUTS_DIR"',
                         env={"SECRET_OF_MINE": "1", "TEST_SHARD_INDEX": "7", "LC_ALL": "C"})
        log = result.log(1)
        self.assertNotIn("SECRET_OF_MINE", log)
        self.assertIn("TEST_SHARD_INDEX=0\n", log)
        self.assertIn("LC_ALL=C\n", log)
        self.assertIn("ENVIRONMENT=dev_local\n", log)
        self.assertIn(f"\n{self.directory / 'run-1'}\n", log)
        self.assertEqual(result.text("shard-1/outputs/word"), "x")

    def test_deploy_comes_first(self):
        result = self.go("--shards", 2, deploy='put "$CLEANROOM_STORAGE/word" here',
                         test='got "$CLEANROOM_STORAGE/word" here')
        self.assertIn("deploy", [case[1] for case in result.cases])

    def test_exit_codes(self):
        result = self.go(test="exit 7", code=1)
        self.assert_red_case(result, "test", "exit code 7")
        result = self.go(test="die KILL", code=1)
        self.assert_red_case(result, "test", "SIGKILL")

    def test_what_it_forked_dies_with_it(self):
        """Daemons too, that have left its session and closed its output."""
        result = self.go(test=f"""for i in 1 2 3; do
            setsid bash -c 'exec -a {self.mark} sleep 1000' < /dev/null > /dev/null 2>&1 &
            (setsid bash -c 'bash -c "exec -a {self.mark} sleep 1000" & exec -a {self.mark} sleep 1000' &)
            done; leave_child; elapse 0.5
            count=$(pgrep -fc '^{self.mark}'); [ "$count" = 9 ] || fail "$count of 9 are there" """)
        self.assertEqual(self.marked(), [], f"\n{result}")
        self.assertLess(result.seconds, 20)

    def test_deadline(self):
        result = self.go("--test-timeout", "1s", test=f"bash -c 'exec -a {self.mark} sleep 1000'", code=124)
        self.assert_says(result, "test did not end within 1.00s")

    def test_ctrl_c(self):
        process = self.start(self.app, test=f"(setsid bash -c 'exec -a {self.mark} sleep 1000' &); say up; hang")
        process.wait_for_output("hanging")
        process.signal(2)
        self.assert_exit(process.wait(), 130)

    def test_kill_9(self):
        process = self.start("--shards", 2, self.app, yaml=SERVICES,
                             test=f"(setsid bash -c 'exec -a {self.mark} sleep 1000' &); say up; deaf")
        process.wait_for_output("[1] deaf")
        process.wait_for_output("[2] deaf")
        run = process.run
        self.assertEqual(len(self.marked()), 2)
        self.kill(process.pid)
        process.popen.wait()
        self.assert_nobody()
        self.assert_nothing_left()
        self.assert_no_scratch(run)

    def supervisors(self):
        """Lower ones first."""
        found = [int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*")
                 if (entry / "comm").exists() and (entry / "comm").read_text() == "cleanroom-local\n"]
        ours = [pid for pid in found if pid in set(self.own_processes()) - self.processes_before]
        return sorted(ours, key=lambda pid: self.parent(pid) not in ours)

    @staticmethod
    def parent(pid):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def test_supervisors_are_killed(self):
        """One of them, the other, and both: what the program forked dies all the same."""
        for whom in (slice(0, 1), slice(1, 2), slice(0, 2)):
            with self.subTest(whom):
                process = self.start(self.app, test=f"(setsid bash -c 'exec -a {self.mark} sleep 1000' &); hang")
                process.wait_for_output("hanging")
                wait_until(self.marked, 30, "its daemon is there")
                two = self.supervisors()
                self.assertEqual(len(two), 2)
                self.assertEqual(self.parent(two[0]), two[1])
                for pid in two:
                    os.kill(pid, signal.SIGSTOP)
                for pid in two[whom]:
                    self.kill(pid)
                for pid in two:
                    self.signal(pid, signal.SIGCONT)
                result = process.wait(30)
                self.assert_exit(result, 1)
                self.assert_red_case(result, "test", "SIGKILL")
                self.assert_nobody()
                self.assert_no_scratch(result.run_json["run"])

    def test_all_of_ours_are_killed(self):
        """But for the janitor, which knows whom the run has told where its directory is."""
        process = self.start(self.app, test=f"(setsid bash -c 'exec -a {self.mark} sleep 1000' &); hang")
        process.wait_for_output("hanging")
        wait_until(self.marked, 30, "its daemon is there")
        run, all_of_us = process.run, [process.pid, *self.supervisors()]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in all_of_us:
                self.signal(pid, number)
        process.popen.wait()
        self.assert_nobody()
        self.assert_nothing_left()
        self.assert_no_scratch(run)

    def test_sinks(self):
        """At their usual ports, or where everybody may listen."""
        yaml = "services: [email, syslog, proxy]\n"
        result = self.go("--shards", 2, yaml=yaml, test=f"""
            printf '%s' "word {ME}" > "/dev/$SYSLOG_PROTO/$SYSLOG_SERVER/$SYSLOG_PORT"
            exec 8<> "/dev/tcp/$EMAIL_HOST/$EMAIL_PORT"
            printf 'HELO app\\r\\nMAIL FROM:<a@x>\\r\\nRCPT TO:<b@y>\\r\\nDATA\\r\\nSubject: %s\\r\\n\\r\\n.\\r\\nQUIT\\r\\n' {ME} >&8
            grep -q '250 kept as' <&8 || fail "not kept" """)
        for shard in (1, 2):
            self.assertIn(f"word {shard}", result.text(f"shard-{shard}/syslog.log"))
            self.assertIn(f"Subject: {shard}", result.text(f"shard-{shard}/mail/001.eml"))

    def test_who_listens_on_loopback_alone(self):
        """What serves nobody but its own pod can be reached all the same."""
        yaml = f"services: [mosquitto]\nmosquitto: {{image: '{MOSQUITTO}'}}\n"
        self.go(yaml=yaml, test='place=${MQTT_URL#mqtt://}; '
                                'exec 8<> "/dev/tcp/${place%:*}/${place#*:}"; '
                                r"printf '\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a' >&8; "
                                '[ "$(head -c 1 <&8 | od -An -tx1 | tr -d " ")" = 20 ] || fail "no CONNACK"')

    def test_a_port_is_taken(self):
        """Whoever listens at every address is in the way; one sentence says so."""
        with socket.create_server(("0.0.0.0", 0)) as server:
            port = server.getsockname()[1]
            yaml = f"services: [redis]\nredis: {{image: '{REDIS}', port: {port}}}\n"
            result = self.run_cleanroom(self.app, yaml=yaml)
            self.assertIn(result.code, (2, 3), f"\n{result}")
            self.assert_one_sentence(result, str(port))

    def test_what_is_no_program(self):
        self.app.chmod(0o644)
        result = self.run_cleanroom(self.app)
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "is not executable", "chmod +x")
        result = self.run_cleanroom("--driver", "direct", "python3")
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "no slash")
