# SPDX-License-Identifier: Apache-2.0
"""What a live test needs: a way to run cleanroom, and what must hold after.

The program comes from $CLEANROOM. $CLEANROOM_ENGINE says on what: `embedded`, or `docker` at
$DOCKER_HOST; views.py looks at each with eyes of its own. $LIVE_USER ("NAME UID HOME RUNTIME-DIR",
see ci/rootless) is the ordinary user as whom root lets the program run. Nothing is skipped here: an
engine or an image that is not there is a failure.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

import views
from views import wait_until

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CLEANROOM = os.environ.get("CLEANROOM") or str(TOP / "build/release/cleanroom")
USER = views.User.from_environment()
if USER:
    CLEANROOM = f"{USER.home}/bin/cleanroom"
SCHEMA = TOP / "tests/data/junit-10.xsd"
SUREFIRE_SCHEMA = TOP / "tests/data/surefire-test-report.xsd"
SANITIZED = b"__asan_init" in pathlib.Path(CLEANROOM).read_bytes()

APP = "cleanroom-test/app:latest"
APP_USER = "cleanroom-test/app:user"
POSTGRES = "cleanroom-test/postgres:15"
POSTGRES_SEEDED = "cleanroom-test/postgres-seeded:15"
REDIS = "cleanroom-test/redis:7"
MEMCACHED = "cleanroom-test/memcached:1.6"
RABBITMQ = "cleanroom-test/rabbitmq:3"
EXITS_AT_ONCE = "cleanroom-test/exits-at-once:latest"
NEVER_READY = "cleanroom-test/never-ready:latest"
WRONG_PROTOCOL = "cleanroom-test/wrong-protocol:latest"

# How long the janitor and the engine may take to remove what a killed run left.
SWEEP = 10.0


def on(*kinds):
    """A test, or a class of them, that is only of these engines: "docker", "podman", "embedded" (as
    root), "rootless". On others it is not there."""
    def mark(thing):
        thing.engines = kinds
        return thing
    return mark


class Result:
    """How a run of cleanroom ended and what it left in its results directory."""

    def __init__(self, code, out, err, seconds, results, pid=None):
        self.code, self.out, self.err, self.seconds, self.results = code, out, err, seconds, results
        self.pid = pid

    def text(self, name):
        return (self.results / name).read_bytes().decode(errors="replace")

    def log(self, shard, name="app.log"):
        return self.text(f"shard-{shard}/{name}")

    @property
    def run_json(self):
        return json.loads(self.text("run.json"))

    @property
    def suites(self):
        return list(ElementTree.parse(self.results / "junit.xml").getroot().iter("testsuite"))

    @property
    def cases(self):
        """[(suite name, case name, 'passed' | 'failure' | 'error' | 'skipped', text)]"""
        rows = []
        for suite in self.suites:
            for case in suite.iter("testcase"):
                bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
                text = "".join((child.get("message") or "") + (child.text or "") for child in bad)
                kind = bad[0].tag if bad else "passed"
                rows.append((suite.get("name"), case.get("name"), kind, text))
        return rows

    def red(self):
        return [row for row in self.cases if row[2] in ("failure", "error")]

    def __str__(self):
        return f"exit {self.code} after {self.seconds:.1f} s\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}"


class Process:
    """A running cleanroom."""

    def __init__(self, argv, directory, environment, results, user=USER):
        self.results = results
        self.begun = time.monotonic()
        # Files, not pipes: a pipe nobody reads would stop the program under test.
        self.out = open(directory / "stdout", "w+b")
        self.err = open(directory / "stderr", "w+b")
        self.popen = subprocess.Popen(
            argv, cwd=directory, env=environment, stdin=subprocess.DEVNULL,
            stdout=self.out, stderr=self.err, start_new_session=True, **(user.popen() if user else {}))
        self.pid = self.popen.pid

    def output(self):
        text = []
        for stream in (self.out, self.err):
            stream.seek(0)
            text.append(stream.read().decode(errors="replace"))
        return text

    def wait(self, seconds=120):
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"cleanroom did not end within {seconds} s\n" +
                                 "\n---\n".join(self.output())) from None
        out, err = self.output()
        self.out.close()
        self.err.close()
        return Result(code, out, err, time.monotonic() - self.begun, self.results,
                      self.pid)

    def wait_for_output(self, text, seconds=60):
        def there():
            if self.popen.poll() is not None:
                raise AssertionError(f"ended without saying '{text}':\n" + "\n---\n".join(self.output()))
            return text in self.output()[0]
        wait_until(there, seconds, f"'{text}' on standard output:\n" + "\n---\n".join(self.output()))

    def signal(self, number):
        os.kill(self.pid, number)

    @property
    def run(self):
        """Its id, as soon as it has one."""
        return json.loads((self.results / "run.json").read_text())["run"]

    def peak_rss(self):
        """Bytes, as long as the process is there."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


class LiveTest(unittest.TestCase):
    """Runs cleanroom in a directory of its own, and holds that each test leaves nothing behind."""

    engine = views.open_view(CLEANROOM, USER)
    maxDiff = None

    def setUp(self):
        self.directory = self.give(pathlib.Path(tempfile.mkdtemp(prefix="cleanroom-live-")))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.before = self.engine.ours()
        self.processes_before = set(self.own_processes())
        self.addCleanup(self.assert_nothing_left)
        self.runs = 0

    # --- running

    @staticmethod
    def give(path):
        """The path, now of the user as whom the program runs."""
        if USER:
            os.chown(path, USER.uid, USER.uid)
        return path

    def make_directory(self, name):
        path = self.directory / name
        path.mkdir()
        return self.give(path)

    def environment(self, extra=None):
        """A small one, so that no test depends on who runs it."""
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR", "LANG")
                 if name in os.environ}
        clean.update(self.engine.environment())
        clean["CI"] = "true"
        clean["ASAN_OPTIONS"] = "quarantine_size_mb=1:detect_leaks=1"
        clean["UBSAN_OPTIONS"] = "print_stacktrace=1"
        clean.update(extra or {})
        return {name: value for name, value in clean.items() if value is not None}

    def image(self, *words, stdin=None, code=0, env=None):
        """`cleanroom image WORDS`: what it says."""
        done = subprocess.run([CLEANROOM, "image", *map(str, words)], input=stdin, capture_output=True,
                              env=self.environment(env), cwd=self.directory, check=False,
                              **(USER.popen() if USER else {}))
        text = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        return text

    def start(self, *args, yaml="services: []\n", test=None, deploy=None, env=None, results=None,
              within=None):
        """Starts `cleanroom ARGS` where a forklift.yaml says `yaml`; test and deploy are what the
        test image's phases do (tests/images/app/entrypoint). within: words before the program's, as
        root, who becomes the user after them."""
        self.runs += 1
        directory = self.make_directory(f"run-{self.runs}")
        if yaml is not None:
            (directory / "forklift.yaml").write_text(yaml)
        argv = [CLEANROOM]
        if test is not None:
            argv += ["--environment", f"TESTAPP_TEST={test}"]
        if deploy is not None:
            argv += ["--deploy", "--environment", f"TESTAPP_DEPLOY={deploy}"]
        if results is not None:
            argv += ["--results", str(results)]
        where = directory / (results or "cleanroom-results")
        argv += [str(word) for word in args]
        if within:
            argv = list(within) + (USER.become() if USER else []) + argv
        process = Process(argv, directory, self.environment(env), where, None if within else USER)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()

    def run_cleanroom(self, *args, seconds=120, **options):
        return self.start(*args, **options).wait(seconds)

    # --- what must hold

    def assert_exit(self, result, code):
        self.assertEqual(result.code, code, f"\n{result}")
        self.assertNotIn("AddressSanitizer", result.err)
        self.assertNotIn("LeakSanitizer", result.err)
        self.assertNotIn("runtime error", result.err)

    def assert_says(self, result, *patterns):
        """Each pattern in what the user sees."""
        seen = result.out + result.err
        for pattern in patterns:
            self.assertRegex(seen, pattern, f"\n{result}")

    def assert_one_sentence(self, result, *words):
        """A failure that is not a test's is told in one line on standard error."""
        lines = [line for line in result.err.splitlines() if line.startswith("cleanroom: ")]
        self.assertEqual(len(lines), 1, f"\n{result}")
        for word in words:
            self.assertIn(word, lines[0], f"\n{result}")

    def assert_valid_junit(self, result, schema=SCHEMA):
        check = subprocess.run(
            ["xmllint", "--noout", "--schema", schema, result.results / "junit.xml"],
            capture_output=True, text=True, check=False)
        self.assertEqual(check.returncode, 0, check.stderr)
        for suite in result.suites:
            cases = list(suite.iter("testcase"))
            self.assertTrue(cases, f"suite '{suite.get('name')}' has no case")
            self.assertEqual(int(suite.get("tests")), len(cases))
            names = [(case.get("classname"), case.get("name")) for case in cases]
            self.assertEqual(len(names), len(set(names)), f"names twice: {sorted(names)}")

    def assert_red_case(self, result, name, *words):
        """Some case whose name contains `name` is red and its text holds the words."""
        self.assert_valid_junit(result)
        hits = [row for row in result.red() if name in row[1]]
        self.assertTrue(hits, f"no red case '{name}' among {result.cases}\n{result}")
        for word in words:
            self.assertTrue(any(word in row[3] for row in hits), f"'{word}' is not in {hits}")

    def assert_not_green(self, process):
        """What a killed run leaves as its report does not look like success, unless it was one: the
        moment may have come when all tests were over and told."""
        report = process.results / "junit.xml"
        if not report.exists() or process.popen.returncode == 0:
            return
        result = Result(None, "", "", 0, process.results)
        if not result.red():
            for suite in result.suites:
                names = [case.get("name") for case in suite.iter("testcase")]
                self.assertIn("test", names, f"green, and yet nothing was tested: {report.read_text()}")

    def left(self):
        """What is there of ours that was not there before the test."""
        objects = self.engine.ours() - self.before
        processes = set(self.own_processes()) - self.processes_before
        return objects | {f"process {pid}" for pid in processes}

    def assert_nothing_left(self):
        """Nothing of ours in the engine and no process of ours, now or soon."""
        wait_until(lambda: not self.left(), SWEEP, lambda: f"nothing is left of {self.left()}")

    def assert_nothing_left_now(self, result):
        """A run that ended by itself has left nothing, without any waiting."""
        self.assertEqual(self.engine.ours(result.run_json["run"]), set(), f"\n{result}")

    # --- processes

    @staticmethod
    def own_processes():
        """Pids that run our binary: cleanroom and its janitors."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(entry / "exe").removesuffix(" (deleted)") == os.path.realpath(CLEANROOM):
                    yield int(entry.name)
            except OSError:
                continue

    def janitors(self):
        """The processes of our binary that are not ones we started directly."""
        found = []
        for pid in set(self.own_processes()) - self.processes_before:
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b" __janitor " in title:
                found.append(pid)
        return found

    @staticmethod
    def signal(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def kill(self, pid):
        self.signal(pid, signal.SIGKILL)
