# SPDX-License-Identifier: Apache-2.0
"""The definitions for CI systems in ci/, done as they say, for an app in a real repository."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pipelines
from harness import CLEANROOM, TOP, Result, on
from test_hook import Repository

# Lists 24 tests, and reports for those it is handed how long they took.
LISTED = """#!/bin/sh
if [ "$2" = --list ]; then
    seq -f suite.Class.test_%g 24
    exit
fi
{
    echo '<testsuite name="suite">'
    while IFS=. read -r module class name; do
        [ "$name" = test_7 ] && time=10.000 || time=0.100
        echo "<testcase classname='$module.$class' name='$name' time='$time'/>"
    done <"$CLEANROOM_TESTS_FILE"
    echo '</testsuite>'
} >"$XML_OUTPUT_FILE"
"""
ONE_MACHINE = ("Jenkinsfile", "travis.yml")
SLICES = ("Jenkinsfile.slices", "github.yml", "gitlab.yml")


class Pipelines(Repository):
    def setUp(self):
        super().setUp()
        self.hook.unlink()
        # As each of them says.
        shutil.copytree(TOP / "ci/steps", self.work / "ci/steps")

    def player(self, **options):
        return pipelines.Player(self.make_directory(f"play-{len(list(self.directory.iterdir()))}"),
                                self.work, self.variables(), **options)

    def assert_report(self, player, *cases):
        """One was published, and holds these, each once."""
        self.assertEqual(len(player.reports), 1, player.log)
        result = Result(0, "", "", 0, player.reports[0].parent)
        self.assert_valid_junit(result)
        names = [case[1] for case in result.cases]
        for case in cases:
            self.assertEqual(names.count(case), 1, names)
        return result


class OfProgram(Pipelines):
    """With a program for the image, so without the lines that are Docker's."""

    def setUp(self):
        super().setUp()
        shutil.copy(TOP / "tests/images/app/entrypoint", self.work / "run")

    def player(self, **options):
        return super().player(override={"IMAGE": "./run"}, leave_out=r" *docker ", **options)

    def app(self, test):
        self.commit(**{"forklift.yaml": f"services: []\nenvironment: {{TESTAPP_TEST: '{test}'}}\n"})


@on("embedded")
class OneMachine(OfProgram):
    def test_green(self):
        self.app('ack; junit "case $CLEANROOM_SHARD_NUMBER"')
        for name in ONE_MACHINE:
            with self.subTest(name):
                player = self.player()
                self.assertTrue(player.play(pipelines.jobs(name)), player.log)
                self.assertRegex(player.log, r"4 shards: 4 passed")
                if name == "Jenkinsfile":
                    self.assert_report(player, *(f"case {shard}" for shard in range(1, 5)))

    def test_red(self):
        """Red, and Jenkins has the report all the same."""
        self.app('ack; junit one failed')
        for name in ONE_MACHINE:
            with self.subTest(name):
                player = self.player()
                self.assertFalse(player.play(pipelines.jobs(name)), player.log)
                if name == "Jenkinsfile":
                    self.assertTrue(self.assert_report(player).red())

    def test_what_is_named_is_there(self):
        for name in ONE_MACHINE + SLICES:
            text = (pipelines.CI / name).read_text()
            for step in re.findall(r"\bci/steps/\w+", text):
                self.assertTrue(os.access(TOP / step, os.X_OK), f"{name}: {step}")


@on("embedded")
class Slices(OfProgram):
    """Twelve shards on three machines."""

    def play(self, name, app='ack; junit "case $CLEANROOM_SHARD_NUMBER"', between=lambda player, job: None):
        self.app(app)
        player = self.player()
        green = player.play(pipelines.jobs(name), lambda job: between(player, job))
        return green, player

    def test_union(self):
        for name in SLICES:
            with self.subTest(name):
                green, player = self.play(name)
                self.assertTrue(green, player.log)
                self.assert_report(player, *(f"case {shard}" for shard in range(1, 13)))

    def test_red(self):
        """Red, and the report tells what was red in the one shard and what the others ran."""
        app = ('ack; case $CLEANROOM_SHARD_NUMBER in 7) junit "case 7" failed;; '
               '*) junit "case $CLEANROOM_SHARD_NUMBER";; esac')
        for name in SLICES:
            with self.subTest(name):
                green, player = self.play(name, app)
                self.assertFalse(green, player.log)
                result = self.assert_report(player, *(f"case {shard}" for shard in range(1, 13)))
                self.assertIn("case 7", [row[1] for row in result.red()])

    def test_lost_slice(self):
        """What all machines together did not do is not green, whatever each of them says."""
        def lose(player, job):
            if job.name.lower() == "merge":
                shutil.rmtree(player.kept / "slice-2")

        for name in SLICES:
            with self.subTest(name):
                green, player = self.play(name, between=lose)
                self.assertFalse(green, player.log)
                if name != "Jenkinsfile.slices":  # it asks for each of them by name
                    self.assertIn("\ncleanroom: slice 2/3 is missing: shards 5..8 of 12\n", player.log)

    def test_timings_of_the_last_build(self):
        """They come by the system's cache: the long test has a shard to itself the next time."""
        self.listed_app()
        for name in ("github.yml", "gitlab.yml"):
            with self.subTest(name):
                player = self.player()
                self.assertTrue(player.play(pipelines.jobs(name)), player.log)
                self.assert_report(player, *(f"test_{test}" for test in range(1, 25)))
                self.assertNotIn([7], self.division(player))
                self.assertTrue(player.play(pipelines.jobs(name)), player.log)
                self.assertIn([7], self.division(player))

    def test_timings_on_one_machine(self):
        self.listed_app()
        player = self.player()
        self.assertTrue(player.play(pipelines.jobs("travis.yml")), player.log)
        self.assertNotRegex(player.log, "(?m)^\\[.\\] passed .* 1 test: 1 passed")
        self.assertTrue(player.play(pipelines.jobs("travis.yml")), player.log)
        self.assertRegex(player.log, "(?m)^\\[.\\] passed .* 1 test: 1 passed")

    def listed_app(self):
        (self.work / "run").write_text(LISTED)
        self.commit(**{"forklift.yaml": "services: []\n"
                       "cleanroom: {split: timings, granularity: test, list: [test, --list]}\n"})

    @staticmethod
    def division(player):
        """The numbers of the tests of each shard, of the plan of the last build."""
        (file,) = player.kept.glob("plan*/plan.json")
        shards = {}
        for unit in json.loads(file.read_text())["units"]:
            shards.setdefault(unit["shard"], []).append(int(unit["name"].rpartition("_")[2]))
        return sorted(shards.values())


@on("docker")
class Image(Pipelines):
    """As they stand, with images that Docker builds."""

    def setUp(self):
        super().setUp()
        self.commit(**{
            "Dockerfile": "FROM cleanroom-test/app:latest\nCOPY suite /suite\n",
            "suite": 'ack; junit "case $CLEANROOM_SHARD_NUMBER"\n',
            "forklift.yaml": "services: []\nenvironment: {TESTAPP_TEST: '. /suite'}\n"})
        self.addCleanup(self.drop)

    def drop(self):
        """What this machine has of the image, so that another one could have no less."""
        found = subprocess.run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "myapp"],
                               env=self.variables(), capture_output=True, text=True, check=True).stdout.split()
        if found:
            subprocess.run(["docker", "image", "rm", "-f", *found], env=self.variables(), check=True,
                           stdout=subprocess.DEVNULL)

    def test_one_machine(self):
        for name in ONE_MACHINE:
            with self.subTest(name):
                player = self.player()
                self.assertTrue(player.play(pipelines.jobs(name)), player.log)
                self.assertRegex(player.log, "4 shards: 4 passed")

    def test_slices(self):
        for name in SLICES:
            with self.subTest(name):
                player = self.player()
                self.assertTrue(player.play(pipelines.jobs(name), lambda job: self.drop()), player.log)
                self.assert_report(player, *(f"case {shard}" for shard in range(1, 13)))


@on("embedded")
class Install(Pipelines):
    """ci/steps/install on a machine that has no cleanroom yet."""

    def install(self, **variables):
        path = ":".join(place for place in os.environ["PATH"].split(":")
                        if not pathlib.Path(place, "cleanroom").exists())
        return subprocess.run([TOP / "ci/steps/install"], cwd=self.work, capture_output=True, text=True,
                              env={**self.variables(), "PATH": path, **variables}, check=False)

    def test_nowhere_to_have_it_from(self):
        done = self.install()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Ainstall: there is no cleanroom: .* CLEANROOM_SOURCE .*\n\Z")

    def test_from_its_repository(self):
        prefix = self.directory / "usr"
        done = self.install(CLEANROOM_SOURCE=f"file://{TOP}", PREFIX=str(prefix))
        self.assertEqual(done.returncode, 0, done.stderr)
        version = subprocess.run([prefix / "bin/cleanroom", "--version"], capture_output=True, check=True)
        here = subprocess.run([CLEANROOM, "--version"], capture_output=True, check=True)
        self.assertEqual(version.stdout, here.stdout)
        self.assert_tidy()
