# SPDX-License-Identifier: Apache-2.0
"""A run on several machines, and a part of one again; and what is left when it is killed."""

import random
import time

from harness import on
from suites import ProgramTest, SuiteTest, listed

EIGHT = [f"t{n}" for n in range(1, 9)]
NEVER = '[ "$1" != t3 ]'


class Slices:
    def slices(self, split):
        """The plan, and the results of two machines."""
        plan = self.directory / "plan.json"
        made = self.start_suite_of("plan", "--shards", 4, *listed(split), "-o", plan).wait(60)
        self.assert_exit(made, 0)
        self.assertNotIn("ran t", made.out)
        return plan, [self.suite("--plan", plan, "--slice", f"{n}/2") for n in (1, 2)]

    def start_suite_of(self, command, *args, **options):
        return self.start(command, "-e", 'TESTAPP_SUITE=suite "$@"', *args, self.target(), **options)

    def merge(self, plan, *results, code=0):
        done = self.start("merge", plan, *(result.results / "junit.xml" for result in results)).wait(60)
        self.assert_exit(done, code)
        return done

    def check(self, split):
        plan, (one, two) = self.slices(split)
        ran = sum(self.ran_in(one, (1, 2)) + self.ran_in(two, (3, 4)), [])
        self.assertEqual(sorted(ran), EIGHT)
        both = self.merge(plan, one, two)
        self.assertEqual(sorted(self.cases_of(both)), EIGHT)
        short = self.merge(plan, one, code=1)
        self.assertRegex(short.err, "slice|shards? 3", f"\n{short}")
        self.merge(plan, one, two, two, code=1)

    def test_list(self):
        self.check("list")

    def test_queue(self):
        self.check("queue")


class Replays:
    # What the app is told on the command line is not noted with the results: it may be secret.
    YAML = """services: []
environment: {TESTAPP_SUITE: 'suite "$@"', TESTAPP_EACH: '[ "$1" != t3 ]'}
"""

    def check_replay(self, *args):
        first = self.suite("--shards", 2, *args, yaml=self.YAML, suite="", code=1)
        ran = self.ran(first, 2)
        shard = 1 if "t3" in ran[0] else 2
        again = self.start("replay", first.results, "--shard", shard, yaml=self.YAML).wait(60)
        self.assert_exit(again, 1)
        again.results = first.results / "replay"
        self.assertEqual(self.ran_in(again, [shard]), [ran[shard - 1]], f"\n{again}")
        self.assertEqual([row[1] for row in again.red() if row[1] in EIGHT], ["t3"])

    def test_replay(self):
        """The same tests in the same order, of that shard alone."""
        self.check_replay(*listed("list", "--order", "random"))

    def test_replay_of_a_queue(self):
        self.check_replay(*listed("queue"))

    def test_replay_of_the_app_s_own_shards(self):
        self.check_replay("--split", "env")


class Killed:
    """While it lists, between rounds, while a fresh world comes up."""

    def test_random_moments(self):
        args = ("--shards", 2, "--retries", 2, *listed("queue"))
        whole = self.suite(*args, each=NEVER, code=1)
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        for _ in range(8 if self.engine.kind() == "embedded" else 4):
            moment = dice.uniform(0, whole.seconds)
            with self.subTest(seed=seed, moment=moment):
                process = self.start_suite(*args, each=NEVER)
                time.sleep(moment)
                process.popen.kill()
                process.wait()
                self.assert_nothing_left()
                self.assert_not_green(process)


class Image(Slices, Replays, Killed, SuiteTest):
    pass


@on("embedded")
class Program(Slices, Replays, ProgramTest):
    pass
