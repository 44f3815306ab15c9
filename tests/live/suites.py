# SPDX-License-Identifier: Apache-2.0
"""Runs of a suite of small tests (`suite` in tests/images/app/entrypoint): in the test image, or as
a program of this machine."""

import shutil

from harness import APP, TOP, LiveTest

WELL_BEHAVED = 'suite "$@"'
LISTED = ("--list", "test --list")


def listed(split, *args):
    """Options of a run that lists its tests."""
    return ("--split", split, *LISTED, *args)


class SuiteTest(LiveTest):
    def target(self):
        return APP

    def start_suite(self, *args, tests="", each="", suite=WELL_BEHAVED, report="", **options):
        told = {"TESTAPP_TESTS": tests, "TESTAPP_EACH": each, "TESTAPP_SUITE": suite,
                "TESTAPP_REPORT": report}
        words = [word for name, value in told.items() if value for word in ("-e", f"{name}={value}")]
        return self.start(*words, *args, self.target(), **options)

    def suite(self, *args, code=0, **options):
        result = self.start_suite(*args, **options).wait(60)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assertEqual(bool(result.red()), code != 0, f"\n{result}")
        self.assert_nothing_left_now(result)
        return result

    @staticmethod
    def ran_in(result, shards):
        """Of each shard the names in the order in which they ran, retries too, as its log has it."""
        return [[line.removeprefix("ran ") for line in result.log(shard).splitlines()
                 if line.startswith("ran ")] for shard in shards]

    def ran(self, result, shards):
        return self.ran_in(result, range(1, shards + 1))

    def cases_of(self, result):
        """{name: how it ended} of the report, without the shards' own steps."""
        cases = self.named(result)
        self.assertEqual(len(cases), len(dict(cases)), f"a test is there twice: {cases}")
        return dict(cases)

    @staticmethod
    def named(result):
        return [(case.get("name"), case) for suite in result.suites for case in suite.iter("testcase")
                if not case.get("classname").startswith("cleanroom.")]

    def assert_each_once(self, result, names, shards):
        """In the logs and in the report alike."""
        self.assertEqual(sorted(sum(self.ran(result, shards), [])), sorted(names), f"\n{result}")
        self.assertEqual(sorted(self.cases_of(result)), sorted(name.split("::")[-1] for name in names))
        self.assert_says(result, f"{len(names)} ran, each exactly once")


class ProgramTest(SuiteTest):
    def target(self):
        app = self.directory / "testapp"
        shutil.copy(TOP / "tests/images/app/entrypoint", app)
        app.chmod(0o755)
        return app
