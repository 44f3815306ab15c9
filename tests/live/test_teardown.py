# SPDX-License-Identifier: Apache-2.0
"""However a run ends, nothing of it stays: signals, kills, Jenkins' kill, a dead janitor."""

import os
import pathlib
import random
import signal
import time

from harness import APP, MEMCACHED, NEVER_READY, REDIS, LiveTest, on, wait_until

SQL = "cleanroom-test/sql:15"  # an app whose image declares a volume

SERVICES = f"""\
services: [redis, memcache]
redis: {{image: "{REDIS}"}}
memcache: {{image: "{MEMCACHED}"}}
"""


class Signals(LiveTest):
    def check_signal(self, number, times=1, test="hang"):
        process = self.start("--shards", 2, "--redis.image", REDIS, APP, yaml="services: [redis]\n",
                             test=f"say running; {test}")
        process.wait_for_output("running")
        for _ in range(times):
            process.signal(number)
            time.sleep(0.2)
        result = process.wait(30)
        self.assert_exit(result, 128 + number)
        self.assert_valid_junit(result)
        self.assertTrue(result.red(), f"an interrupted run is not green\n{result}")
        if times == 1:  # who says it twice does not want to wait: the janitor does the rest
            self.assert_nothing_left_now(result)
        return result

    def test_sigint(self):
        self.check_signal(signal.SIGINT)

    def test_sigterm(self):
        self.check_signal(signal.SIGTERM)

    def test_sighup(self):
        self.check_signal(signal.SIGHUP)

    def test_sigint_when_the_app_is_deaf(self):
        self.assertLess(self.check_signal(signal.SIGINT, test="deaf").seconds, 30)

    def test_sigint_twice(self):
        self.check_signal(signal.SIGINT, times=2, test="deaf")

    def test_during_the_start(self):
        # One service is never ready: however long the engine takes to list, the start is not over.
        process = self.start("--shards", 4, "--redis.image", NEVER_READY, APP, yaml=SERVICES,
                             test="say running")
        wait_until(lambda: self.engine.ours() - self.before, 30, "a first object in the engine")
        process.signal(signal.SIGTERM)
        result = process.wait(30)
        self.assert_exit(result, 128 + signal.SIGTERM)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)


class Killed(LiveTest):
    def test_random_moments(self):
        kills = {"embedded": 50, "rootless": 20}.get(self.engine.kind(), 10)
        args = ("--shards", 2, APP)
        phases = {"yaml": SERVICES, "deploy": "elapse 0.3", "test": "say running; elapse 0.5"}
        whole = self.run_cleanroom(*args, **phases)
        self.assert_exit(whole, 0)
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        for _ in range(kills):
            moment = dice.uniform(0, whole.seconds)
            with self.subTest(seed=seed, moment=moment):
                process = self.start(*args, **phases)
                time.sleep(moment)
                process.popen.kill()
                process.wait()
                self.assert_nothing_left()
                self.assert_not_green(process)

    def running(self, **options):
        process = self.start("--shards", 2, APP, yaml=SERVICES, test="say running; hang", **options)
        process.wait_for_output("running")
        return process

    def test_as_jenkins_does(self):
        """Everything with the job's variables in its environment, and the process group, repeatedly."""
        cookie = f"durable-{os.getpid()}"
        process = self.running(env={"BUILD_ID": cookie, "JENKINS_NODE_COOKIE": cookie,
                                    "JENKINS_SERVER_COOKIE": cookie})
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            self.kill_group(process, number)
            for pid in self.processes_with(cookie):
                os.kill(pid, number)
        process.wait()
        self.assert_nothing_left()

    @staticmethod
    def kill_group(process, number):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass

    @staticmethod
    def processes_with(cookie):
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if cookie.encode() in (entry / "environ").read_bytes():
                    yield int(entry.name)
            except OSError:
                continue

    def test_janitor_is_deaf_to_signals(self):
        process = self.running()
        janitors = self.janitors()
        self.assertTrue(janitors, "a run has a janitor")
        for pid in janitors:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(pid, number)
        process.popen.kill()
        process.wait()
        self.assert_nothing_left()

    def test_a_link_where_the_janitor_writes(self):
        """Who may write to the results must not lead the janitor, perhaps root's, elsewhere."""
        process = self.running()
        victim = self.directory / "victim"
        victim.write_text("precious")
        log = process.results / "janitor.log"
        log.symlink_to(victim)
        process.popen.kill()
        process.wait()
        self.assert_nothing_left()
        wait_until(lambda: not log.is_symlink() and "objects removed" in log.read_text(), 20, "its log")
        self.assertEqual(victim.read_text(), "precious")

    def test_recycle_when_the_janitor_is_dead_too(self):
        process = self.running()
        process.signal(signal.SIGSTOP)
        for pid in self.janitors():
            self.kill(pid)
        process.popen.kill()
        process.wait()
        left = self.engine.ours() - self.before
        if self.engine.kind() in ("docker", "podman"):
            self.assertGreater(len(left), 5, "the run's objects are still there")
        else:
            # Processes and mounts are the kernel's to take back; the directory is not.
            left = {name for name in left if name.startswith("world ")}
            self.assertEqual(len(left), 1)

        said = self.run_recycle()
        for name in left:
            self.assertIn(name.split()[1], said.out, f"\n{said}")
        self.assertEqual(self.engine.ours() - self.before, set())
        self.assert_exit(self.run_recycle(), 0)

    def run_recycle(self, *args):
        result = self.start("recycle", *args).wait(60)
        self.assert_exit(result, 0)
        return result

    def test_recycle_leaves_living_runs_alone(self):
        process = self.running()
        objects = self.engine.ours() - self.before
        self.run_recycle()
        self.assertEqual(objects - self.engine.ours(), set(), "still there, and perhaps more by now")
        process.signal(signal.SIGTERM)
        self.assert_exit(process.wait(30), 128 + signal.SIGTERM)

    def test_recycle_ends_a_run_that_is_named(self):
        process = self.running()
        said = self.run_recycle(process.run)
        self.assertIn(process.run, said.out, f"\n{said}")
        result = process.wait(60)
        # Whether it sees first that its tests were killed, or that something of it is gone.
        self.assertIn(result.code, (1, 3), f"\n{result}")
        self.assertTrue(result.red(), f"\n{result}")
        self.assert_nothing_left()

    def test_janitor_ends_with_its_run(self):
        result = self.run_cleanroom(APP)
        self.assert_exit(result, 0)
        wait_until(lambda: not self.janitors(), 10, "the janitor is gone")


class LeftByTheApp(LiveTest):
    @on("docker", "podman")
    def test_volumes_that_its_image_declares(self):
        """Nobody has given them a name or a label."""
        def volumes():
            return {volume["Name"] for volume in self.engine.request("GET", "/volumes")["Volumes"] or []}

        before = volumes()
        self.assert_exit(self.run_cleanroom(SQL, test="true"), 0)
        self.assertEqual(volumes() - before, set())

    def test_child_that_holds_stdout(self):
        result = self.run_cleanroom(APP, test="leave_child; say done", seconds=30)
        self.assert_exit(result, 0)
        self.assertIn("done", result.log(1))
        self.assertLess(result.seconds, 20)
