# SPDX-License-Identifier: Apache-2.0
"""Every way in which a run can end: its exit code, its one sentence, its report."""

from harness import (APP, EXITS_AT_ONCE, MEMCACHED, NEVER_READY, POSTGRES, REDIS, WRONG_PROTOCOL,
                     LiveTest)

SERVICES = f"""\
services: [postgres, redis, memcache]
postgres: {{image: "{POSTGRES}"}}
redis: {{image: "{REDIS}"}}
memcache: {{image: "{MEMCACHED}"}}
"""


class Passing(LiveTest):
    def test_no_services(self):
        result = self.run_cleanroom(APP, test="say hello from the app")
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        self.assertEqual(result.red(), [])
        self.assertIn("hello from the app", result.log(1))
        self.assert_says(result, "hello from the app")
        self.assert_nothing_left_now(result)

    def test_four_shards_with_services(self):
        result = self.run_cleanroom(
            "--shards", 4, APP, yaml=SERVICES,
            test='[ "$(redis_here PING)" = +PONG ] && reach ${MEMCACHE_HOSTS%:*} ${MEMCACHE_HOSTS#*:}'
                 ' && say url $DB_DEFAULT_URL')
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        self.assertEqual(len(result.suites), 4)
        for shard in range(1, 5):
            self.assertRegex(result.log(shard), r"url postgres://[^:]+:[^@]+@[^:/]+:5432/\w+")
            for service in ("postgres", "redis", "memcache"):
                self.assertTrue((result.results / f"shard-{shard}/{service}.log").is_file())
        self.assert_nothing_left_now(result)

    def test_arguments_reach_the_entry_point(self):
        result = self.run_cleanroom(APP, "--", "say", "--words=one")
        self.assert_exit(result, 0)
        self.assertIn("--words=one", result.log(1))

    def test_deploy_comes_first(self):
        result = self.run_cleanroom(APP, deploy="say deploying; store kept", test="stored kept")
        self.assert_exit(result, 0)
        names = [case[1] for case in result.cases]
        self.assertLess(names.index("deploy"), names.index("test"), names)

    def test_inner_report_is_merged(self):
        result = self.run_cleanroom("--shards", 2, APP,
                                    test='ack; junit "case of $CLEANROOM_SHARD_NUMBER" passed')
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        names = [case[1] for case in result.cases]
        self.assertEqual(names.count("case of 1"), 1, names)
        self.assertEqual(names.count("case of 2"), 1, names)


class Failing(LiveTest):
    def test_failing_test(self):
        result = self.run_cleanroom(APP, test="say it broke >&2; exit 3")
        self.assert_exit(result, 1)
        self.assert_red_case(result, "test", "it broke")
        self.assert_nothing_left_now(result)

    def test_one_shard_of_three_fails(self):
        result = self.run_cleanroom("--shards", 3, APP, test='[ "$CLEANROOM_SHARD_NUMBER" != 2 ]')
        self.assert_exit(result, 1)
        self.assert_valid_junit(result)
        self.assertEqual([row[0] for row in result.red()], [result.suites[1].get("name")])

    def test_inner_report_fails(self):
        result = self.run_cleanroom(APP, test='junit good passed "bad one" failed')
        self.assert_exit(result, 1)
        self.assert_red_case(result, "bad one", "told to fail")

    def test_app_killed_by_signal(self):
        result = self.run_cleanroom(APP, test="die KILL")
        self.assert_exit(result, 1)
        self.assert_red_case(result, "test")

    def test_failing_deploy(self):
        result = self.run_cleanroom(APP, deploy="say no table here >&2; exit 9", test="say never")
        self.assert_exit(result, 1)
        self.assert_red_case(result, "deploy", "no table here")
        self.assertNotIn("never", result.log(1))
        self.assert_nothing_left_now(result)


class BrokenServices(LiveTest):
    def test_service_exits_at_once(self):
        result = self.run_cleanroom("--shards", 2, "--redis.image", EXITS_AT_ONCE, APP,
                                    yaml="services: [redis]\n", test="say never", seconds=30)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "redis")
        self.assert_red_case(result, "redis", "no space left for ideas")
        self.assertIn("no space left for ideas", result.log(1, "redis.log"))
        self.assertLess(result.seconds, 15)
        self.assert_nothing_left_now(result)

    def test_service_is_never_ready(self):
        result = self.run_cleanroom("--start-timeout", "3s", "--redis.image", NEVER_READY, APP,
                                    yaml="services: [redis]\n", test="say never", seconds=30)
        self.assert_exit(result, 124)
        self.assert_one_sentence(result, "redis", "3.00s")
        self.assert_red_case(result, "redis", "thinking about it")
        self.assert_nothing_left_now(result)

    def test_service_speaks_another_protocol(self):
        result = self.run_cleanroom("--start-timeout", "3s", "--postgres.image", WRONG_PROTOCOL, APP,
                                    yaml="services: [postgres]\n", test="say never", seconds=30)
        self.assert_exit(result, 124)
        self.assert_one_sentence(result, "postgres")
        self.assert_red_case(result, "postgres")

    def test_service_crashes_during_the_tests(self):
        """Killed from outside, as the kernel does it when memory ends."""
        process = self.start("--redis.image", REDIS, APP, yaml="services: [redis]\n",
                             test="say running; elapse 3; say late")
        process.wait_for_output("running")
        self.engine.kill_service(process.run, 1, "redis")
        result = process.wait(60)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "redis")
        self.assert_red_case(result, "redis")
        self.assert_nothing_left_now(result)

    def test_service_is_stopped_by_the_tests(self):
        """Who tests what happens without redis turns it off, and that is no failure."""
        result = self.run_cleanroom("--redis.image", REDIS, APP, yaml="services: [redis]\n",
                                    test="kill_redis; elapse 1; say without")
        self.assert_exit(result, 0)
        self.assert_says(result, "service redis ended")


class NotThere(LiveTest):
    def test_app_image_does_not_exist(self):
        result = self.run_cleanroom("cleanroom-test/no-such-image:none", seconds=60)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "cleanroom-test/no-such-image:none")
        self.assert_valid_junit(result)
        self.assertTrue(result.red())
        self.assert_nothing_left_now(result)

    def test_image_is_not_there_and_not_to_be_pulled(self):
        result = self.run_cleanroom("--pull", "never", "cleanroom-test/no-such-image:none")
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "cleanroom-test/no-such-image:none", "pull")

    def test_service_image_does_not_exist(self):
        result = self.run_cleanroom("--redis.image", "cleanroom-test/no-such-image:none", APP,
                                    yaml="services: [redis]\n", test="say never", seconds=60)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "cleanroom-test/no-such-image:none")
        self.assert_nothing_left_now(result)

    def test_entry_point_is_not_there(self):
        # postgres' image has one; the memcached image's is told to run a word it does not have.
        result = self.run_cleanroom(MEMCACHED, seconds=60)
        self.assertNotEqual(result.code, 0)
        self.assert_valid_junit(result)
        self.assertTrue(result.red())

    def test_engine_is_not_there(self):
        result = self.run_cleanroom(APP, env={"CLEANROOM_ENGINE": "docker", "DOCKER_HOST": "unix:///nowhere/docker.sock"})
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "unix:///nowhere/docker.sock")
        self.assert_valid_junit(result)
        self.assertTrue(result.red())
        self.assertLess(result.seconds, 15)


class Misconfigured(LiveTest):
    """Found before anything is started: exit 2, and not even a results directory."""

    def check_refused(self, *args, patterns, **options):
        result = self.run_cleanroom(*args, **options)
        self.assert_exit(result, 2)
        self.assert_says(result, *patterns)
        self.assertFalse(result.results.exists(), f"\n{result}")

    def test_yaml_is_broken(self):
        self.check_refused(APP, yaml="services: [redis\n", patterns=[r"forklift\.yaml:\d+:\d+"])

    def test_unknown_key(self):
        self.check_refused(APP, yaml="servces: [redis]\n",
                           patterns=[r"forklift\.yaml:1:1", r"servces: \[redis\]", r"\^", "services"])

    def test_unknown_service(self):
        self.check_refused(APP, yaml="services: [redsi]\n", patterns=["redsi", "redis"])

    def test_unknown_flag(self):
        self.check_refused("--shrads", "3", APP, patterns=["--shrads", "--shards"])

    def test_no_image(self):
        self.check_refused(patterns=["image"])


class Deadlines(LiveTest):
    def test_deploy(self):
        result = self.run_cleanroom("--deploy-timeout", "2s", APP, deploy="say begun; hang", seconds=30)
        self.assert_exit(result, 124)
        self.assert_one_sentence(result, "deploy", "2.00s")
        self.assert_red_case(result, "deploy")
        self.assertIn("begun", result.log(1))
        self.assert_nothing_left_now(result)

    def test_test(self):
        result = self.run_cleanroom("--test-timeout", "2s", "--shards", 2, APP,
                                    test='say begun; [ "$CLEANROOM_SHARD_NUMBER" = 1 ] || deaf',
                                    seconds=40)
        self.assert_exit(result, 124)
        self.assert_one_sentence(result, "test", "2.00s")
        self.assert_valid_junit(result)
        self.assertEqual([row[0] for row in result.red()], [result.suites[1].get("name")])
        self.assert_nothing_left_now(result)

    def test_start(self):
        """A deadline that is long past at the first step is still only a deadline."""
        result = self.run_cleanroom("--start-timeout", "1ms", "--redis.image", REDIS, APP,
                                    yaml="services: [redis]\n", seconds=30)
        self.assert_exit(result, 124)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
