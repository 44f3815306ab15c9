# SPDX-License-Identifier: Apache-2.0
"""Suites that lie, and how each is found out; and what is read of those that print."""

import json

from harness import REDIS, on
from suites import ProgramTest, SuiteTest, listed

EIGHT = [f"t{n}" for n in range(1, 9)]
ALL_OF_IT = "CLEANROOM_SHARD_INDEX=0 CLEANROOM_SHARD_TOTAL=1 suite"


class Lies(SuiteTest):
    def lie(self, *args, says, **options):
        result = self.suite(*args, code=1, **options)
        self.assertIn(says, result.err, f"\n{result}")
        return result

    def test_ignores_its_variables(self):
        result = self.lie("--shards", 3, suite=ALL_OF_IT,
                          says="the suite did not shard: each of 3 shards ran the same 8 tests; let")
        self.assert_one_sentence(result, "CLEANROOM_SHARD_INDEX")

    def test_ignores_the_words_it_is_handed(self):
        self.lie("--shards", 3, *listed("list"), suite=f'[ "$1" = --list ] || set --; {ALL_OF_IT} "$@"',
                 says="the suite did not shard: each of 3 shards ran the same 8 tests; the app's entry point")

    def test_drops_tests(self):
        self.lie("--shards", 2, *listed("list"), suite='[ "$1" = --list ] || shift; suite "$@"',
                 says="2 planned tests never ran: t1, t5")

    def test_drops_what_is_between_shards(self):
        """One that counts shards from 1."""
        self.lie("--shards", 2, *listed("env"),
                 suite='CLEANROOM_SHARD_INDEX=$CLEANROOM_SHARD_NUMBER; suite "$@"',
                 says="1 planned test never ran: t1")

    def test_runs_some_in_each_shard(self):
        self.lie("--shards", 2, *listed("list"),
                 suite='[ "$1" = --list ] || [ "$1" = t1 ] || set -- t1 "$@"; suite "$@"',
                 says="1 planned test ran in more than one shard: t1")

    def test_runs_none(self):
        self.lie("--shards", 2, suite="say 1..0", says="no test ran: 2 shards reported none")
        self.lie("--shards", 2, suite='report ""', says="no test ran: 2 shards reported none")

    def test_one_shard_without_a_test_is_none_of_them(self):
        result = self.suite("--shards", 2, suite='[ "$CLEANROOM_SHARD_NUMBER" = 2 ] || '
                            f'{{ {ALL_OF_IT}; exit; }}; report ""')
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)

    def test_ends_half_way(self):
        said = "shard 1: its runner said 8 tests and reported 2: it ended half-way"
        for how in ("die KILL", "exit 0"):
            with self.subTest(how):
                self.lie(report="tap", each=f'[ "$1" != t3 ] || {how}', says=said)

    def test_ends_half_way_without_a_report(self):
        self.lie("--shards", 2, *listed("list"), each='[ "$1" != t3 ] || exit 0',
                 says="4 planned tests never ran: t1, t2, t3, t4")

    def test_is_fewer_than_expected(self):
        self.lie("--shards", 2, "--expect", 9, says="expected 9 tests, and 8 are in the reports")
        self.suite("--shards", 2, "--expect", 8)

    def test_reader_that_finds_nothing(self):
        self.lie("--reader", "go", report="tap", says="the reader 'go' found no test in what 'test' printed")

    def test_expected_and_never_told(self):
        self.lie("--expect", 8, suite="say tested", says="expected 8 tests, and no report says how many ran")

    def check_list(self, suite, *words, **options):
        """Nothing is run, and the report says what is wrong with the list."""
        result = self.suite("--shards", 2, *listed("list"), code=1, suite=suite, **options)
        self.assert_red_case(result, "list", *words)
        self.assertEqual(self.cases_of(result), {})
        self.assertNotIn("ran t", result.out)

    def test_list_that_fails(self):
        self.check_list('[ "$1" != --list ] || { suite --list; say "no such module" >&2; exit 5; }; suite "$@"',
                        "exit code 5", "no such module")

    def test_list_with_a_test_twice(self):
        self.check_list('suite "$@"', "t1", tests="t1 t2 t1")

    def test_list_without_a_test(self):
        self.check_list('[ "$1" = --list ] || suite "$@"', "no test")


class Output(SuiteTest):
    def test_tap(self):
        result = self.suite("--shards", 2, report="tap", each='[ "$1" != t3 ]', code=1)
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)
        self.assertEqual([row[1] for row in result.red() if row[1] in EIGHT], ["t3"])

    def test_go(self):
        lines = [{"Action": action, "Package": "shop", "Test": f"Test{name}"}
                 for name in ("Cart", "Till") for action in ("run", "pass")]
        lines.append({"Action": "pass", "Package": "shop"})
        result = self.suite("--expect", 2, suite="printf '%s\\n' " + " ".join(
            f"'{json.dumps(line)}'" for line in lines))
        self.assertEqual(sorted(self.cases_of(result)), ["TestCart", "TestTill"])

    def test_reader_is_named_or_none(self):
        self.assertEqual(sorted(self.cases_of(self.suite("--reader", "tap", report="tap"))), EIGHT)
        self.assertEqual(self.cases_of(self.suite("--reader", "none", report="tap")), {})

    def test_report_elsewhere(self):
        """Of every round."""
        result = self.suite("--shards", 2, "--reports", "/tmp/reports/*.xml", *listed("queue"),
                            suite='mkdir -p /tmp/reports; XML_OUTPUT_FILE=/tmp/reports/a.xml; suite "$@"')
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)


class Ends(SuiteTest):
    """Nothing of it is green."""

    def test_service_dies(self):
        process = self.start_suite(*listed("queue"), "--redis.image", REDIS, yaml="services: [redis]\n",
                                   each="""[ "$1" != t5 ] || { say reached
                                       while (redis_here PING); do elapse 0.1; done; }""")
        process.wait_for_output("reached")
        self.engine.kill_service(process.run, 1, "redis")
        result = process.wait(60)
        self.assert_exit(result, 3)
        self.assert_red_case(result, "redis")
        self.assertIn("t1", self.cases_of(result), "what was over is told")
        self.assert_nothing_left_now(result)

    def test_deadline_of_a_round(self):
        result = self.suite("--test-timeout", "5s", *listed("queue"), code=124,
                            each='[ "$1" != t8 ] || hang')
        self.assert_red_case(result, "test")
        self.assertLessEqual({"t1", "t2", "t3", "t4"}, set(self.cases_of(result)))

    def test_deadline_of_the_list(self):
        result = self.suite("--shards", 2, "--test-timeout", "2s", *listed("list"), code=124,
                            suite='[ "$1" != --list ] || hang; suite "$@"')
        self.assert_red_case(result, "list")
        self.assertEqual(self.cases_of(result), {})


@on("embedded")
class Program(ProgramTest):
    def test_ends_half_way(self):
        result = self.suite(report="tap", each='[ "$1" != t3 ] || die KILL', code=1)
        self.assert_says(result, "its runner said 8 tests and reported 2: it ended half-way")
        self.assert_red_case(result, "test", "SIGKILL")

    def test_deadlines(self):
        suite = '[ "$1" != --list ] || hang; suite "$@"'
        self.suite("--test-timeout", "1s", *listed("list"), code=124, suite=suite)
        self.suite("--test-timeout", "2s", *listed("queue"), code=124, each='[ "$1" != t8 ] || hang')
