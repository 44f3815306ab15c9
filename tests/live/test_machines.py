# SPDX-License-Identifier: Apache-2.0
"""Several machines share a run: each its slice, and one report of all."""

import json

from harness import APP, LiveTest

# What a shard is handed it reports as passed, each in a case of its own.
LISTED = """\
services: []
cleanroom:
  shards: 5
  split: %s
  list: [test, "say one; say two; say three; say four; say five; say six; say seven"]
  part: ["cases=(); for name in {tests}; do cases+=($name passed); done; ack; junit ${cases[@]}"]
"""
TESTS = ["five", "four", "one", "seven", "six", "three", "two"]


class Slices(LiveTest):
    def cases_of(self, result):
        """The names of the app's own, sorted."""
        return sorted(case.get("name") for suite in result.suites for case in suite.iter("testcase")
                      if case.get("classname") == "testapp")

    def merge(self, *args):
        return self.run_cleanroom("merge", *args)

    def slices(self, total, *args, **options):
        """Runs all of them; all are green."""
        results = [self.run_cleanroom(*args, "--slice", f"{i}/{total}", **options)
                   for i in range(1, total + 1)]
        for result in results:
            self.assert_exit(result, 0)
            self.assert_valid_junit(result)
            self.assert_nothing_left_now(result)
        return results

    def test_variables_are_those_of_one_run(self):
        results = self.slices(
            2, "--shards", 5, APP,
            test='ack; junit "case of $CLEANROOM_SHARD" passed')
        self.assertEqual([len(result.suites) for result in results], [2, 3])
        self.assertEqual(self.cases_of(results[1]), ["case of 3/5", "case of 4/5", "case of 5/5"])
        whole = self.merge(*[result.results / "junit.xml" for result in results])
        self.assert_exit(whole, 0)
        self.assert_valid_junit(whole)
        self.assertEqual(self.cases_of(whole), [f"case of {i}/5" for i in range(1, 6)])
        self.assert_says(whole, "5 shards: 5 passed")

    def plan(self, split):
        """Makes plan.json; returns its path."""
        path = self.make_directory("plan") / "plan.json"
        made = self.run_cleanroom("plan", "-o", path, APP, yaml=LISTED % split)
        self.assert_exit(made, 0)
        self.assert_nothing_left()
        return path

    def test_a_plan_for_all(self):
        path = self.plan("list")
        plan = json.loads(path.read_text())
        self.assertEqual(plan["shards"], 5)
        self.assertRegex(plan["images"][0]["id"], "^sha256:")
        self.assertEqual([unit["name"] for unit in plan["units"]],
                         ["one", "two", "three", "four", "five", "six", "seven"])

        results = self.slices(3, "run", "--plan", path, APP, yaml=LISTED % "list")
        whole = self.merge(path, *[result.results / "junit.xml" for result in results])
        self.assert_exit(whole, 0)
        self.assertEqual(self.cases_of(whole), TESTS)
        self.assert_says(whole, "7 tests planned, 7 ran, each exactly once")

        short = self.merge(path, *[results[i].results / "junit.xml" for i in (0, 2)])
        self.assert_exit(short, 1)
        self.assert_says(short, r"slice 2/3 is missing: shards 2\.\.3 of 5")
        self.assert_valid_junit(short)
        twice = self.merge(path, *[results[i].results / "junit.xml" for i in (0, 1, 2, 1)])
        self.assert_exit(twice, 1)
        self.assert_says(twice, r"shards 2\.\.3 are there twice")

    def test_a_queue_on_each(self):
        path = self.plan("queue")
        results = self.slices(2, "run", "--plan", path, APP, yaml=LISTED % "queue")
        whole = self.merge(path, *[result.results / "junit.xml" for result in results])
        self.assert_exit(whole, 0)
        self.assertEqual(self.cases_of(whole), TESTS)

    def test_the_plan_is_held_to(self):
        path = self.plan("list")
        other = self.run_cleanroom("run", "--plan", path, "--shards", 4, APP, yaml="services: []\n")
        self.assert_exit(other, 2)
        self.assert_one_sentence(other, "--shards: '4' is not what", "was made with: '5'")
        plan = json.loads(path.read_text())
        plan["images"][0].update(id="sha256:" + "0" * 64, digest=None)
        path.write_text(json.dumps(plan))
        image = self.run_cleanroom("run", "--plan", path, "--slice", "1/2", APP, yaml=LISTED % "list")
        self.assert_exit(image, 2)
        self.assert_one_sentence(image, f"image '{APP}' (app) is sha256:", "make the plan again")
        self.assert_nothing_left_now(image)
