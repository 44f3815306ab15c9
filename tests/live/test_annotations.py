# SPDX-License-Identifier: Apache-2.0
"""What the CI system that runs us is told, and what an app cannot tell it."""

import re
import textwrap

from harness import APP, LiveTest

# Its own commands, and a failure.
TEST = "say ::error::mine; say '##[add-mask]mine'; say '##teamcity[mine]'; junit one passed two failed"


class Told(LiveTest):
    def told(self, out, begin):
        return [line for line in out.splitlines() if line.startswith(begin)]

    def test_github(self):
        summary = self.directory / "summary.md"
        summary.write_text("before\n")
        self.give(summary)
        env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
        result = self.run_cleanroom(APP, test=TEST, env=env)
        self.assert_exit(result, 1)
        self.assertEqual(self.told(result.out, "::"),
                         ["::error title=shard 1%3A testapp two::told to fail%0A%0Aas told"])
        self.assertNotIn("##[", result.out)
        text = summary.read_text()
        self.assertRegex(text, r"\Abefore\n### cleanroom: 1 shard: 1 failed in [0-9.a-z]+, exit code 1\n")
        self.assertIn("<code>[1] testapp two</code>", text)

    def test_teamcity(self):
        result = self.run_cleanroom(APP, test=TEST, env={"TEAMCITY_VERSION": "2025.11"})
        self.assert_exit(result, 1)
        told = [re.match(r"##teamcity\[(\w+)", line)[1] for line in self.told(result.out, "##teamcity[")]
        self.assertEqual(told, ["testSuiteStarted", "testStarted", "testFinished", "testStarted", "testFailed",
                                "testFinished", "testSuiteFinished"])
        self.assertEqual(result.out.count("##teamcity["), len(told))

    def test_buildkite(self):
        """Its agent needs its server: in place of it, one that keeps what it is told."""
        place = self.make_directory("agent")
        agent = place / "buildkite-agent"
        agent.write_text(textwrap.dedent(f"""\
            #!/bin/sh
            printf '%s\\n' "$@" > {place}/argv
            cat > {place}/page
            """))
        agent.chmod(0o755)
        path = self.environment()["PATH"]
        result = self.run_cleanroom(APP, test=TEST, env={"BUILDKITE": "true", "PATH": f"{place}:{path}"})
        self.assert_exit(result, 1)
        self.assertEqual((place / "argv").read_text(), "annotate\n--style\nerror\n--context\ncleanroom\n")
        self.assertIn("<code>[1] testapp two</code>", (place / "page").read_text())
        self.assertEqual(result.out.count("\n+++ cleanroom: what failed\n"), 1)
        self.assertLess(result.out.index("\n+++ "), result.out.index("\nFAILED [1] "))

    def test_nobody(self):
        result = self.run_cleanroom("--annotations", "never", APP, test=TEST, env={"GITHUB_ACTIONS": "true"})
        self.assert_exit(result, 1)
        self.assertEqual(self.told(result.out, "::"), [])
