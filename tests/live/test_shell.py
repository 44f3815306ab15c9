# SPDX-License-Identifier: Apache-2.0
"""`cleanroom shell`: somebody at a terminal, and a pipe."""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

import harness
from harness import APP, REDIS, LiveTest, wait_until

SERVICES = f"""\
services: [redis]
redis: {{image: "{REDIS}"}}
"""
PROMPT = "in-here> "


class Terminal:
    """`cleanroom shell ARGS` at a terminal of its own, of 30 lines and 100 columns."""

    def __init__(self, test, *args, env=None):
        directory = test.give(pathlib.Path(tempfile.mkdtemp(prefix="terminal-", dir=test.directory)))
        (directory / "forklift.yaml").write_text(SERVICES)
        self.master, slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        self.before = termios.tcgetattr(slave)
        self.resize(30, 100)
        user = harness.USER.popen() if harness.USER else {}
        self.popen = subprocess.Popen(
            [harness.CLEANROOM, "shell", *map(str, args)], cwd=directory,
            env=test.environment({"TERM": "dumb", **(env or {})}), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **user)
        test.addCleanup(test.stop, self)
        self.slave = slave
        test.addCleanup(os.close, slave)
        self.seen = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, seconds=60):
        """Reads until the pattern is there, and forgets all up to its end."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no '{pattern}' within {seconds} s: {self.seen!r}")
            self.seen += os.read(self.master, 4096).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found

    def run(self, command, pattern):
        """What the command, typed at the prompt, says."""
        self.type(command + "\n")
        found = self.expect(r"\n" + pattern)
        self.expect(PROMPT)
        return found

    def greet(self):
        """The shell's own prompt may be any."""
        self.expect(r"[#$] $", 60)
        self.type(f"PS1='{PROMPT[:4]}''{PROMPT[4:]}'\n")
        self.expect(r"\n" + PROMPT)

    def wait(self, seconds=60):
        """The exit code, once all it says was read."""
        end = time.monotonic() + seconds
        while self.popen.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 4096).decode(errors="replace")
        return self.popen.wait(1)

    def is_as_before(self):
        return termios.tcgetattr(self.slave)[:4] == self.before[:4]


class Interactive(LiveTest):
    def test_a_terminal(self):
        terminal = Terminal(self, APP)
        terminal.greet()
        self.assertFalse(terminal.is_as_before())
        terminal.run("stty size", "30 100\r")
        terminal.run("tty", r"/dev/(pts/\d+|console)\r")
        terminal.run("echo $TERM", "dumb\r")
        terminal.resize(41, 132)
        wait_until(lambda: terminal.run("stty size", r"(\d+ \d+)\r")[1] == "41 132", 30,
                   "the size follows")
        terminal.type("exit 7\n")
        self.assertEqual(terminal.wait(), 7, terminal.seen)
        self.assertTrue(terminal.is_as_before())

    def test_keys_are_for_who_is_inside(self):
        terminal = Terminal(self, APP)
        terminal.greet()
        terminal.type("sh -c 'echo begun; exec sleep 1000'\n")
        terminal.expect("\nbegun\r")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        terminal.run("echo $?", "130\r")
        # One that forks nothing: a dash whose vfork is stopped half way never stops itself.
        terminal.type("bash -c 'trap \"echo again\" CONT; echo begun; while :; do read -t 1; done'\n")
        terminal.expect("\nbegun\r")
        terminal.type("\x1a")
        terminal.expect("Stopped +bash")
        terminal.expect(PROMPT)
        terminal.run("jobs", r"\[1\]\+ +Stopped")
        terminal.type("fg\n")
        terminal.expect("\nagain\r")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        terminal.type("sh -c 'echo begun; exec sleep 1000'\n")
        terminal.expect("\nbegun\r")
        terminal.type("\x1c")
        terminal.expect("Quit")
        terminal.expect(PROMPT)
        terminal.type("\x04")
        self.assertEqual(terminal.wait(), 131, terminal.seen)
        self.assertTrue(terminal.is_as_before())

    def test_services_answer(self):
        terminal = Terminal(self, "--shards", 3, "--shard", 2, APP)
        terminal.greet()
        terminal.run("echo $CLEANROOM_SHARD", "2/3\r")
        terminal.run('exec 9<>/dev/tcp/${REDIS_HOSTS/://}; echo PING >&9; read -u 9 x; echo "$x"', r"\+PONG")
        terminal.run("touch /storage/x && echo wrote", "wrote\r")
        terminal.type("exit\n")
        self.assertEqual(terminal.wait(), 0, terminal.seen)

    def test_told_to_end(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                terminal = Terminal(self, APP)
                terminal.greet()
                os.kill(terminal.popen.pid, number)
                self.assertEqual(terminal.wait(), 128 + number, terminal.seen)
                self.assertTrue(terminal.is_as_before())
                self.assert_nothing_left()

    def test_killed(self):
        place = self.make_directory("tmp")
        terminal = Terminal(self, APP, env={"TMPDIR": str(place)})
        terminal.greet()
        self.assertEqual(len(list(place.iterdir())), 1, "what a shell writes is somewhere")
        os.kill(terminal.popen.pid, signal.SIGKILL)
        terminal.wait()
        wait_until(terminal.is_as_before, 30, "the terminal is as it was")
        self.assert_nothing_left()
        self.assertEqual(list(place.iterdir()), [])


class Shell(LiveTest):
    def shell(self, *args, said=b"", yaml="services: []\n"):
        directory = self.make_directory(f"piped-{time.monotonic_ns()}")
        (directory / "forklift.yaml").write_text(yaml)
        user = harness.USER.popen() if harness.USER else {}
        return subprocess.run([harness.CLEANROOM, "shell", *map(str, args)], input=said, cwd=directory,
                              capture_output=True, env=self.environment(), timeout=120, check=False, **user)


class Piped(Shell):
    def test_a_script(self):
        done = self.shell(APP, said=b"echo out; echo err >&2; tty; exit 5\n")
        self.assertEqual((done.returncode, done.stdout), (5, b"out\nnot a tty\n"), done.stderr)
        self.assertIn(b"err\n", done.stderr)

    def test_words_go_to_the_entry_point(self):
        done = self.shell(APP, "test", "say begun; cat; exit 3", said=b"x" * 300000 + b"end")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(done.stdout, b"begun\n" + b"x" * 300000 + b"end")

    def test_nobody_reads(self):
        done = self.shell(APP, "test", "exec 0<&-; say closed", said=b"x" * 3000000)
        self.assertEqual((done.returncode, done.stdout), (0, b"closed\n"), done.stderr)

    def test_no_report(self):
        done = self.shell(APP, "test", "junit one; exit 1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual([p.name for p in self.directory.rglob("*")if p.is_file()], ["forklift.yaml"])

    def test_refused(self):
        for args, words in (((APP, ), None), (("--shard", 2, APP), b"--shard '2'"),
                            (("--shard", "x", APP), b"--shard 'x'")):
            done = self.shell(*args)
            self.assertEqual(done.returncode, 2 if words else 0, done.stderr)
            self.assertIn(words or b"", done.stderr)

    def test_a_service_that_does_not_come(self):
        done = self.shell(APP, yaml=f"services: [redis]\nredis: {{image: '{harness.EXITS_AT_ONCE}'}}\n")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"service 'redis'", done.stderr)


class Kept(Shell):
    """--keep: worlds that outlive their run, until they are named."""

    test = "say tested; put /storage/word $CLEANROOM_SHARD_NUMBER; [ $CLEANROOM_SHARD_NUMBER = 1 ]"

    def keep(self, *args, code=1, **options):
        result = self.run_cleanroom("--shards", 3, "--keep", "failed", *args, APP, yaml=SERVICES,
                                    test=self.test, **options)
        self.assert_exit(result, code)
        run = result.run_json["run"]
        self.addCleanup(self.run_cleanroom, "recycle", run)
        return run, result

    def recycle(self, run):
        self.assert_exit(self.run_cleanroom("recycle", run), 0)
        self.assert_nothing_left()

    def test_failed(self):
        run, result = self.keep()
        self.assert_says(result, f"cleanroom shell --run {run} --shard 2", f"cleanroom recycle {run}")
        self.assert_valid_junit(result)
        self.assertNotIn("--shard 1", result.out)
        for number in (2, 3):
            done = self.shell("--run", run, "--shard", number, said=b"""
                echo $CLEANROOM_SHARD; cat /storage/word; exec 9<>/dev/tcp/${REDIS_HOSTS/://}
                echo PING >&9; read -u 9 answer; echo "$answer"; exit 9
            """)
            self.assertEqual((done.returncode, done.stdout.split()),
                             (9, [f"{number}/3".encode(), str(number).encode() + b"+PONG"]), done)
        self.assertEqual(self.shell("--run", run, "--shard", 1).returncode, 2)
        self.assertEqual(self.shell("--run", run).returncode, 2)  # which one?
        said = self.run_cleanroom("recycle")
        self.assert_says(said, f"run {run} is going on")
        self.assertEqual(self.shell("--run", run, "--shard", 2, "test", "exit 4").returncode, 4)
        self.recycle(run)
        self.assertEqual(self.shell("--run", run, "--shard", 2).returncode, 2)

    def test_at_a_terminal(self):
        run, _ = self.keep()
        terminal = Terminal(self, "--run", run, "--shard", 3)
        terminal.greet()
        terminal.run("stty size", "30 100\r")
        terminal.resize(41, 132)
        wait_until(lambda: terminal.run("stty size", r"(\d+ \d+)\r")[1] == "41 132", 30, "the size follows")
        self.assertIn(b"one at a time", self.shell("--run", run, "--shard", 3).stderr)
        terminal.type("exit 7\n")
        self.assertEqual(terminal.wait(), 7, terminal.seen)
        self.assertTrue(terminal.is_as_before())
        killed = Terminal(self, "--run", run, "--shard", 3)
        killed.greet()
        os.kill(killed.popen.pid, signal.SIGKILL)
        killed.wait()
        wait_until(killed.is_as_before, 30, "the terminal is as it was")
        wait_until(lambda: self.shell("--run", run, "--shard", 3).returncode == 0, 30, "room for the next")
        gone = Terminal(self, "--run", run, "--shard", 2)
        gone.greet()
        self.recycle(run)
        code = gone.wait()
        if self.engine.kind() != "podman":  # which says 0 of what it has removed by force
            self.assertNotEqual(code, 0)
        self.assertTrue(gone.is_as_before())

    def test_nothing_to_keep(self):
        self.test = "say fine"
        self.keep(code=0)
        self.assert_nothing_left()

    def test_always(self):
        self.test = "say fine"
        run, _ = self.keep("--keep", "always", code=0)
        self.assertEqual(self.shell("--run", run, "--shard", 1).returncode, 0)
        self.recycle(run)

    def who_keep(self):
        return set(self.own_processes()) - self.processes_before

    def test_who_keeps_is_killed(self):
        self.keep()
        for pid in self.who_keep() - set(self.janitors()):
            self.kill(pid)
        self.assert_nothing_left()

    def test_ci_servers_do_not_know_who_keeps(self):
        """Jenkins kills what has the job's variables in its environment, or is of its session."""
        cookie = f"durable-{os.getpid()}"
        run, result = self.keep(env={"BUILD_ID": cookie, "JENKINS_NODE_COOKIE": cookie})
        self.assertGreaterEqual(len(self.who_keep()), 2)
        for pid in self.who_keep():
            self.assertNotIn(cookie.encode(), pathlib.Path(f"/proc/{pid}/environ").read_bytes())
            self.assertNotEqual(os.getsid(pid), result.pid)
        self.assertEqual(self.shell("--run", run, "--shard", 2, "test", "exit 6").returncode, 6)
        self.recycle(run)

    def test_no_program_is_kept(self):
        for args in (("--keep", "failed"), ("shell", ), ("--keep", "always", "serve")):
            result = self.run_cleanroom(*args, "/bin/true")
            self.assert_exit(result, 2)
            self.assert_one_sentence(result, "'/bin/true' is a program of this machine: there is no container")

    def test_signals_while_it_runs(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number):
                process = self.start("--keep", "failed", APP, test="hang")
                process.wait_for_output("hanging")
                process.signal(number)
                code = process.wait().code
                self.assertEqual(code, -9 if number == signal.SIGKILL else 128 + number)
                self.assert_nothing_left()
