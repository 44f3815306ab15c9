# SPDX-License-Identifier: Apache-2.0
"""cleanroom in a container of the engine that it uses, as in a CI job: it has nothing of the machine
but the engine's socket. And in containers that have not even that."""

import pathlib
import subprocess
import tempfile
import urllib.request

import harness
from harness import APP, MEMCACHED, POSTGRES, REDIS, TOP, LiveTest, Process, on, wait_until

INSIDE = "cleanroom-test/inside:latest"
SOCKET = "/var/run/docker.sock"
SERVICES = f"""\
services: [postgres, redis, memcache]
postgres: {{image: "{POSTGRES}"}}
redis: {{image: "{REDIS}"}}
memcache: {{image: "{MEMCACHED}"}}
"""
# Each phase looks at what the other and the services have.
DEPLOY = "put /storage/word deployed"
TEST = """
    got /storage/word deployed; [ "$(redis_here PING)" = +PONG ] || fail "no redis"
    reach 127.0.0.1 5432; reach 127.0.0.1 11211; ack; junit "case $CLEANROOM_SHARD_NUMBER"
"""
MAIN_JOB = ("--shards", 2, "--deploy", "--environment", f"TESTAPP_DEPLOY={DEPLOY}", APP)


class Job(Process):
    """A container that runs cleanroom; what it left is fetched when it has ended."""

    def __init__(self, test, name):
        self.test, self.name = test, name
        directory = pathlib.Path(tempfile.mkdtemp(prefix="job-", dir=test.directory))
        super().__init__([*test.client, "start", "--attach", name], directory, test.environment(),
                         directory / "cleanroom-results")

    def kill(self, number="KILL"):
        self.test.docker("kill", "--signal", number, self.name)

    def wait(self, seconds=120):
        result = super().wait(seconds)
        subprocess.run([*self.test.client, "cp", f"{self.name}:/work/cleanroom-results",
                        str(self.results.parent)], capture_output=True, check=False)
        return result


@on("docker", "podman")
class Inside(LiveTest):
    count = 0

    def setUp(self):
        super().setUp()
        self.client = ["docker", "--host", self.engine.host]

    def docker(self, *words, check=True):
        done = subprocess.run([*self.client, *map(str, words)], capture_output=True, text=True, check=False)
        self.assertTrue(done.returncode == 0 or not check, f"docker {words}: {done.stderr}")
        return done.stdout

    def job(self, *words, yaml="services: []\n", options=(), socket=True, files=()):
        """Begins `cleanroom WORDS` in a container of its own; files are brought to /work."""
        Inside.count += 1
        name = f"cleanroom-inside-{self.directory.name[-8:]}-{Inside.count}"
        mounted = ["--volume", f"{self.engine.path}:{SOCKET}"] if socket else []
        self.docker("create", "--name", name, "--env", "CI=true", *mounted, *options, INSIDE, *words)
        self.addCleanup(self.docker, "rm", "--force", "--volumes", name, check=False)
        self.docker("cp", harness.CLEANROOM, f"{name}:/usr/local/bin/cleanroom")
        (self.directory / "forklift.yaml").write_text(yaml)
        for file in (self.directory / "forklift.yaml", *files):
            self.docker("cp", file, f"{name}:/work/")
        process = Job(self, name)
        self.addCleanup(self.stop, process)
        return process

    def go(self, *words, code=0, **options):
        result = self.job(*words, **options).wait(300)
        self.assert_exit(result, code)
        return result

    def main_job(self, test=TEST, **options):
        return self.job("--environment", f"TESTAPP_TEST={test}", *MAIN_JOB, yaml=SERVICES, **options)

    def check_main_job(self, result):
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        self.assertEqual(result.red(), [])
        self.assertLessEqual({"case 1", "case 2", "deploy"}, {row[1] for row in result.cases})

    def program(self):
        path = self.directory / "testapp"
        path.write_bytes((TOP / "tests/images/app/entrypoint").read_bytes())
        path.chmod(0o755)
        return path


class Socket(Inside):
    def test_main_job(self):
        result = self.main_job().wait(300)
        self.check_main_job(result)
        self.assert_says(result, f"on {self.engine.kind()} .*: embedded cannot run here")
        self.assert_nothing_left_now(result)

    def running(self, test="say running; hang", **options):
        process = self.main_job(test=test, **options)
        process.wait_for_output("[1] running", 120)
        process.wait_for_output("[2] running", 120)
        return process

    def killed(self):
        """The janitor dies with its container."""
        process = self.running()
        process.kill()
        self.assertEqual(process.wait().code, 137)
        self.assertGreater(len(self.left()), 5)
        return process

    def test_ctrl_c_twice(self):
        """Who has no patience leaves the rest to the janitor, which must not end with the container."""
        process = self.running(test="say running; deaf")
        for _ in range(2):
            process.kill("INT")
            wait_until(lambda: "SIGINT" in process.output()[0], 30, "it has heard")
        self.assertEqual(process.wait().code, 130)
        self.assertEqual(self.left(), set())

    def test_killed_and_recycled_from_outside(self):
        self.killed()
        self.assert_exit(self.run_cleanroom("recycle"), 0)
        self.assertEqual(self.left(), set())

    def test_killed_and_recycled_from_another_container(self):
        process = self.killed()
        self.docker("rm", process.name)
        self.go("recycle")
        self.assertEqual(self.left(), set())

    def paused(self, name):
        self.docker("pause", name)
        said = self.run_cleanroom("recycle")
        self.docker("unpause", name)
        return said

    def test_a_living_run_is_left_alone(self):
        """Of another container, even one of the same name."""
        named = {"options": ("--hostname", "ci")}
        process = self.running(**named)
        objects = self.left()
        for recycle in (lambda: self.go("recycle", **named), lambda: self.run_cleanroom("recycle"),
                        lambda: self.paused(process.name)):
            said = recycle()
            self.assert_exit(said, 0)
            self.assert_says(said, "belongs to the container [0-9a-f]{12}, which runs", "0 objects removed")
        self.assertEqual(objects - self.left(), set())
        process.kill("TERM")
        result = process.wait()
        self.assert_exit(result, 143)
        self.assert_nothing_left_now(result)

    def test_a_run_of_the_machine_is_left_alone(self):
        process = self.start(APP, test="say running; hang")
        process.wait_for_output("running")
        objects = self.left()
        said = self.go("recycle")
        self.assert_says(said, "belongs to another machine or container", "0 objects removed")
        self.assertEqual({name for name in objects if not name.startswith("process")} - self.left(), set())
        process.signal(15)
        self.assert_exit(process.wait(), 143)

    def check_out_of_reach(self, *words, **options):
        result = self.go(*words, code=3, **options)
        self.assert_one_sentence(result, "do not lead here", "--network host")
        self.assert_nothing_left_now(result)

    def test_ports_that_do_not_lead_here(self):
        """The engine publishes them in its own network."""
        self.check_out_of_reach("serve", APP)
        self.check_out_of_reach("./testapp", files=[self.program()],
                                yaml=f"services: [redis]\nredis: {{image: '{REDIS}'}}\n")

    def test_served_in_the_engines_network(self):
        process = self.job("serve", APP, options=("--network", "host"))
        process.wait_for_output("serves at http://localhost:", 120)
        port = process.output()[0].partition("serves at http://localhost:")[2].partition("/")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            self.assertTrue(answer.read().startswith(b"localhost:"))
        process.kill("INT")
        result = process.wait()
        self.assert_exit(result, 0)
        self.assert_nothing_left_now(result)

    def test_a_program_in_the_engines_network(self):
        result = self.go(
            "--shards", 2, "--environment", 'TESTAPP_TEST=[ "$(redis_here PING)" = +PONG ] && ack',
            "./testapp", files=[self.program()], options=("--network", "host"),
            yaml=f"services: [redis]\nredis: {{image: '{REDIS}'}}\n")
        self.assert_nothing_left_now(result)


class Alone(Inside):
    """No socket: what an ordinary container lets the embedded engine do, and what a privileged one."""

    def test_the_doctor(self):
        said = self.go("doctor", socket=False, code=3)
        self.assert_says(said, r"\n  no .*\n +-> .*", "docker engine:\n  no ", "auto takes none: the embedded engine")
        said = self.go("doctor")
        self.assert_says(said, f"auto takes: {self.engine.kind()} .*: embedded cannot run here")

    def test_half_a_privilege(self):
        """What the doctor finds is what a run meets."""
        for options in (("--cap-add", "SYS_ADMIN"), ("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"),
                        ("--security-opt", "seccomp=unconfined"), ("--user", "1000")):
            with self.subTest(options):
                said = self.job("doctor", socket=False, options=options).wait()
                result = self.embedded(options, "--services", "", APP, images=[APP]).wait()
                self.assert_exit(result, 0 if said.code == 0 else 3)
                if said.code == 0:
                    self.assert_says(said, "auto takes: embedded")
                    continue
                self.assert_says(said, "\n  no  .*\n +-> ", "auto takes none: the embedded engine cannot run here")
                self.assert_one_sentence(result, "the embedded engine cannot run here")

    def test_no_engine_at_all(self):
        for engine in ("auto", "embedded"):
            result = self.go("--engine", engine, APP, socket=False, code=3)
            self.assert_one_sentence(result, "the embedded engine cannot run here")
            self.assertRegex(result.err, "--privileged|unmask=ALL|uidmap|usermod")

    @staticmethod
    def privileges():
        """--privileged but for what this machine lacks itself, whose engine then cannot give it."""
        status = pathlib.Path("/proc/self/status").read_text()
        last = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
        lacking = ~int(status.partition("CapEff:")[2].split()[0], 16) & (1 << last + 1) - 1
        names = subprocess.run(["capsh", f"--decode={lacking:x}"], capture_output=True, text=True,
                               check=True).stdout.strip().partition("=")[2].split(",")
        if not any(names):
            return ["--privileged"]
        return ["--cap-add", "ALL", *(word for name in names for word in ("--cap-drop", name.upper())),
                "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
                "--security-opt", "systempaths=unconfined"]

    def embedded(self, options, *words, images, **others):
        """A job of the embedded engine, whose images are brought to it."""
        archive = self.directory / "images.tar"
        self.docker("save", "--output", archive, *images)
        script = self.directory / "job"
        script.write_text('#!/bin/sh\n[ -w . ] || cd /tmp\ncleanroom image load /work/images.tar 2> /dev/null\n'
                          'exec cleanroom --engine embedded "$@"\n')
        script.chmod(0o755)
        return self.job(*words, socket=False, options=(*options, "--entrypoint", "/work/job"),
                        files=[archive, script], **others)

    @on("docker")
    def test_privileged(self):
        said = self.go("doctor", socket=False, options=self.privileges())
        self.assert_says(said, "auto takes: embedded")
        self.assertNotIn("\n  no  OCI", said.out)
        result = self.embedded(self.privileges(), "--environment", f"TESTAPP_TEST={TEST}", *MAIN_JOB, images=[APP, POSTGRES, REDIS, MEMCACHED],
                               yaml=SERVICES).wait(300)
        self.check_main_job(result)
        self.assert_says(result, "on embedded")
