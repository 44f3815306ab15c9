# SPDX-License-Identifier: Apache-2.0
"""Tests that are run more than once: flaky ones, hunted ones, in another order, and again."""

import re
import signal

from harness import REDIS, on
from suites import ProgramTest, SuiteTest, listed

EIGHT = [f"t{n}" for n in range(1, 9)]
# t3 passes when it is run a second time in one world.
SECOND = 'here=${CLEANROOM_STORAGE:-/storage}; [ "$1" != t3 ] || [ -e "$here/seen" ] || ! : > "$here/seen"'
# t2 leaves something in its world that t3 does not stand.
POLLUTED = """here=${CLEANROOM_STORAGE:-/storage}
case $1 in t2) : > "$here/dirt" ;; t3) [ ! -e "$here/dirt" ] ;; esac"""
NEVER = '[ "$1" != t3 ]'


class Retries:
    def flaky(self, *args, each, tries, code=0, **options):
        result = self.suite("--retries", 3, *args, each=each, code=code, **options)
        ran = sum(self.ran(result, len(result.suites)), [])
        self.assertEqual(ran.count("t3"), tries, f"\n{result}")
        self.assertEqual(len(ran), 7 + tries, "only what failed is run again")
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)
        return result

    def test_passes_in_the_same_world(self):
        result = self.flaky("--shards", 2, *listed("list"), each=SECOND, tries=2)
        self.assert_says(result, "(?i)flaky.*t3")
        self.assertNotIn("fresh world", result.out)

    def test_passes_in_a_fresh_world(self):
        result = self.flaky("--shards", 2, *listed("list"), each=POLLUTED, tries=3)
        self.assert_says(result, "(?i)flaky.*t3", "in a fresh world")

    def test_never_passes(self):
        result = self.flaky("--shards", 2, *listed("list"), each=NEVER, tries=4, code=1)
        self.assertEqual([row[1] for row in result.red() if row[1] in EIGHT], ["t3"])

    def test_from_a_queue(self):
        self.flaky(*listed("queue"), each=POLLUTED, tries=3)

    def test_fail_on_flaky(self):
        result = self.suite("--retries", 1, "--fail-on-flaky", *listed("list"), each=SECOND, code=1)
        self.assert_says(result, "1 test is flaky, and --fail-on-flaky makes that a failure")

    def test_without_a_list_all_is_run_again(self):
        result = self.suite("--retries", 1, each=SECOND)
        self.assertEqual(self.ran(result, 1), [EIGHT * 2])
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)

    def test_report_of_maven(self):
        """Its readers know both."""
        args = ("--retries", 1, "--junit-dialect", "surefire", *listed("list"))
        for each, code, element in ((SECOND, 0, "flakyFailure"), (NEVER, 1, "rerunFailure")):
            result = self.start_suite(*args, each=each).wait(60)
            self.assert_exit(result, code)
            self.assertEqual([name for name, case in self.named(result) if case.find(element) is not None],
                             ["t3"], f"\n{result.text('junit.xml')}")

    def test_repeat(self):
        result = self.suite("--shards", 2, "--repeat", 3, *listed("list"))
        self.assertEqual(self.ran(result, 2), [EIGHT[:4] * 3, EIGHT[4:] * 3], f"\n{result}")
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)

    def test_until_fail(self):
        result = self.suite("--until-fail", tests="t1 t2", code=1, each="""
            here=${CLEANROOM_STORAGE:-/storage}
            [ "$1" = t1 ] || { echo x >> "$here/times"; [ "$(wc -l < "$here/times")" -lt 3 ]; }""")
        self.assertEqual(self.ran(result, 1), [["t1", "t2"] * 3])
        self.assertIn("t2", [row[1] for row in result.red()])

    def test_fail_fast(self):
        result = self.suite("--shards", 2, "--fail-fast", code=1,
                            each='case $1 in t1) false ;; t2) hang ;; esac')
        self.assertIn("t1", [row[1] for row in result.red()])
        self.assertLess(result.seconds, 40)

    def test_random_order(self):
        args = ("--shards", 2, "--order", "random", *listed("list"))
        first = self.suite(*args)
        seed = re.search(r"seed\D+(\d+)", first.out)
        self.assertTrue(seed, f"\n{first}")
        self.assertEqual(sorted(sum(self.ran(first, 2), [])), EIGHT)
        again = self.suite(*args, "--seed", seed[1])
        self.assertEqual(self.ran(again, 2), self.ran(first, 2))
        self.assertNotEqual(self.ran(self.suite(*args, "--seed", 7), 2), [EIGHT[:4], EIGHT[4:]])

    def test_interrupted_in_a_fresh_world(self):
        process = self.start_suite("--retries", 2, "--redis.image", REDIS, *listed("list"),
                                   yaml="services: [redis]\n", each="""
            here=${CLEANROOM_STORAGE:-/storage}
            case $1 in t2) : > "$here/dirt" ;; t3) [ -e "$here/dirt" ] || hang; false ;; esac""")
        process.wait_for_output("in a fresh world")
        process.signal(signal.SIGINT)
        result = process.wait(60)
        self.assert_exit(result, 130)
        self.assert_valid_junit(result)
        self.assertIn("t3", [row[1] for row in result.red()])
        self.assert_nothing_left_now(result)


class Image(Retries, SuiteTest):
    pass


@on("embedded")
class Program(Retries, ProgramTest):
    def test_interrupted_while_a_fresh_world_is_deployed(self):
        mark = self.directory / "mark"
        process = self.start_suite("--retries", 2, *listed("list"), each=NEVER,
                                   deploy=f'[ ! -e {mark} ] || hang; : > {mark}')
        process.wait_for_output("hanging")
        process.signal(signal.SIGINT)
        result = process.wait(60)
        self.assert_exit(result, 130)
        self.assert_valid_junit(result)
        self.assertIn("t3", [row[1] for row in result.red()])
        self.assert_nothing_left_now(result)
