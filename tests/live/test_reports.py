# SPDX-License-Identifier: Apache-2.0
"""Reports that the app writes where it likes: fetched from its own container."""

from harness import on
from suites import ProgramTest, SuiteTest, listed

EIGHT = [f"t{i}" for i in range(1, 9)]
ELSEWHERE = """
    [ "$1" = --list ] || mkdir -p %(place)s/deep
    [ "$1" = --list ] || echo '<testsuite><testcase classname="suite" name="old"/></testsuite>' > %(place)s/old.xml
    [ "$1" = --list ] || echo "no report" > %(place)s/deep/TEST-notes.txt
    XML_OUTPUT_FILE=%(place)s/deep/TEST-a.xml suite "$@" """


class Reports(SuiteTest):
    PLACE = "/tmp/reports"

    def elsewhere(self, reports, split="list", shards=2):
        result = self.suite("--shards", shards, "--reports", f"{self.PLACE}/{reports}", *listed(split),
                            suite=ELSEWHERE % {"place": self.PLACE})
        self.assert_each_once(result, EIGHT, shards)
        return result

    def test_a_pattern(self):
        result = self.elsewhere("*/TEST-*.xml")
        shard = result.results / "shard-1"
        kept = [str(p.relative_to(shard)) for p in (shard / "reports").rglob("*") if p.is_file()]
        self.assertEqual(kept, ["reports/deep/TEST-a.xml"])

    def test_a_file(self):
        self.elsewhere("deep/TEST-a.xml")

    def test_a_directory(self):
        self.elsewhere("deep")

    def test_each_round(self):
        """A queue's round overwrites what the one before has written."""
        self.elsewhere("deep/*.xml", "queue")

    def test_nothing_there(self):
        result = self.suite("--reports", "/nowhere/*.xml", suite="say tested")
        self.assertEqual(self.cases_of(result), {})

    def test_where_it_begins(self):
        result = self.start_suite("--reports", "build/*.xml").wait(60)
        self.assert_exit(result, 2)
        self.assert_says(result, r"--reports: 'build/\*.xml' is to begin with '/'")


@on("embedded")
class ProgramReports(ProgramTest):
    def test_a_directory_of_this_machine(self):
        place = self.directory / "reports"
        result = self.suite("--reports", place / "deep", *listed("list"), suite=ELSEWHERE % {"place": place})
        self.assert_each_once(result, EIGHT, 1)
