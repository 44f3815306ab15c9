# SPDX-License-Identifier: Apache-2.0
"""The tests of a suite, divided among shards in each of the ways there are."""

from harness import on
from suites import ProgramTest, SuiteTest, listed

EIGHT = [f"t{n}" for n in range(1, 9)]
DOTTED = [f"tests/test_{file}.py::{name}::t{n}" for file in "ab" for name in ("One", "Two") for n in (1, 2)]
# The reports' times: nothing here takes longer than it must.
ONE_IS_LONG = 'took=0.1; [ "$1" != t5 ] || took=60'


class Splits:
    """On whatever runs them."""

    def test_env(self):
        result = self.suite("--shards", 3)
        self.assert_each_once_env(result)

    def assert_each_once_env(self, result):
        self.assertEqual(self.ran(result, 3), [EIGHT[0::3], EIGHT[1::3], EIGHT[2::3]], f"\n{result}")
        self.assertEqual(sorted(self.cases_of(result)), EIGHT)

    def test_env_with_a_list_to_prove_it(self):
        result = self.suite("--shards", 3, *listed("env"))
        self.assert_each_once_env(result)
        self.assert_says(result, "8 ran, each exactly once")

    def test_list_as_arguments(self):
        result = self.suite("--shards", 3, *listed("list"))
        self.assert_each_once(result, EIGHT, 3)
        self.assertEqual(sum(self.ran(result, 3), []), EIGHT, "in its order")
        self.assertEqual({len(part) for part in self.ran(result, 3)}, {2, 3})

    def test_list_as_a_file(self):
        result = self.suite("--shards", 3, *listed("list", "--part=--from {file}"),
                            suite='[ "$1" = --list ] || need_env CLEANROOM_TESTS_FILE "$2"; suite "$@"')
        self.assert_each_once(result, EIGHT, 3)

    def test_list_in_a_file_by_its_variable_alone(self):
        self.assert_each_once(self.suite("--shards", 2, *listed("list"), suite="""
            if [ "$1" = --list ]; then suite --list; else suite --from "$CLEANROOM_TESTS_FILE"; fi"""), EIGHT, 2)

    def test_list_as_a_template(self):
        result = self.suite("--shards", 2, yaml="services: []\n"
                            "cleanroom: {split: list, list: [test, --list], part: ['--only={tests}']}\n",
                            suite='[ "$1" = --list ] || [ $# = 1 ] || fail "$# words"; suite "$@"')
        self.assert_each_once(result, EIGHT, 2)

    def test_list_from_a_file(self):
        names = self.directory / "names"
        names.write_text("".join(f"{name}\n" for name in EIGHT[:5]))
        result = self.suite("--shards", 2, "--split", "list", "--list-file", names,
                            suite='[ "$1" != --list ] || fail "asked for a list"; suite "$@"')
        self.assert_each_once(result, EIGHT[:5], 2)

    def test_names_are_handed_on_as_they_are(self):
        names = ["a b", "$(exit 3)", "t[x'\"]", "*"]
        listing = self.directory / "names"
        listing.write_text("".join(f"{name}\n" for name in names))
        result = self.suite("--shards", 2, "--split", "list", "--list-file", listing, "--reader", "none",
                            suite='printf "ran %s\\n" "$@"')
        self.assertEqual(sorted(sum(self.ran(result, 2), [])), sorted(names))

    def by_granularity(self, what):
        result = self.suite("--shards", 2, *listed("list", "--list-format", "pytest", "--granularity", what,
                                                   "--part={test}"), tests=" ".join(DOTTED), suite="""
            [ "$1" = --list ] || { say "handed $*"; mapfile -t all < <(suite --list)
                for part; do shift; for one in "${all[@]}"; do
                    [ "$one" = "${one#"$part"}" ] || set -- "$@" "$one"; done; done; }
            suite "$@" """)
        self.assertEqual(sorted(sum(self.ran(result, 2), [])), DOTTED, f"\n{result}")
        self.assert_says(result, "8 ran, each exactly once")
        return [line.split()[1:] for shard in (1, 2) for line in result.log(shard).splitlines()
                if line.startswith("handed ")]

    def test_by_class(self):
        self.assertEqual(self.by_granularity("class"), [
            [f"tests/test_{file}.py::One", f"tests/test_{file}.py::Two"] for file in "ab"])

    def test_by_file(self):
        self.assertEqual(self.by_granularity("file"), [["tests/test_a.py"], ["tests/test_b.py"]])

    def test_more_shards_than_tests(self):
        """Who has no part runs nothing, as without words it would run everything."""
        result = self.suite("--shards", 4, *listed("list"), tests="t1 t2")
        self.assert_each_once(result, ["t1", "t2"], 4)
        self.assertEqual([len(part) for part in self.ran(result, 4)].count(0), 2)

    def test_timings_are_learned_and_used(self):
        timings = self.directory / "timings"
        args = ("--shards", 3, "--timings", timings, *listed("timings"))
        self.assert_each_once(self.suite(*args, each=ONE_IS_LONG), EIGHT, 3)
        self.assertRegex(timings.read_text(), r"t5\b")
        result = self.suite(*args, each=ONE_IS_LONG)
        self.assert_each_once(result, EIGHT, 3)
        self.assertIn(["t5"], self.ran(result, 3), "the longest has a shard of its own")
        self.assertEqual({len(part) for part in self.ran(result, 3)}, {1, 3, 4})

    def test_timings_of_an_earlier_report(self):
        earlier = self.suite(each=ONE_IS_LONG)
        report = earlier.results / "junit.xml"
        before = report.read_bytes()
        result = self.suite("--shards", 3, "--timings", report, *listed("timings"))
        self.assert_each_once(result, EIGHT, 3)
        self.assertIn(["t5"], self.ran(result, 3))
        self.assertEqual(report.read_bytes(), before, "it is not ours to write")

    def test_queue(self):
        """Several rounds; each writes its report where the one before did. Who gets them is a matter of
        time, but the first one never takes all, and one shard alone has several."""
        for shards in (1, 2):
            result = self.suite("--shards", shards, *listed("queue"),
                                suite='[ "$1" = --list ] || { [ ! -e "$XML_OUTPUT_FILE" ] || fail "not mine"; '
                                      'say "round $#"; }; suite "$@"')
            self.assert_each_once(result, EIGHT, shards)
            rounds = [line for shard in range(shards) for line in result.log(shard + 1).splitlines()
                      if line.startswith("round ")]
            self.assertGreater(len(rounds), 1, f"\n{result}")

    def test_rounds_have_one_world(self):
        """What one round has put into storage the next one finds; its container is another."""
        result = self.suite(*listed("queue"), each="""
            place=${CLEANROOM_STORAGE:-/storage}
            echo x >> "$place/rounds"; say "files $(wc -l < "$place/rounds")" """)
        self.assertIn("files 8\n", result.log(1))


class Image(Splits, SuiteTest):
    pass


@on("embedded")
class Program(Splits, ProgramTest):
    pass
