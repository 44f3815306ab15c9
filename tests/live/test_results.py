# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for people and for CI: the report, the logs, run.json, the directory's rules."""

import pathlib
import re
import subprocess

from harness import APP, REDIS, SANITIZED, SUREFIRE_SCHEMA, LiveTest, wait_until

MIB = 1024 * 1024


class Report(LiveTest):
    def test_output_that_is_no_text(self):
        result = self.run_cleanroom(APP, test="print_invalid; print_invalid >&2; exit 1")
        self.assert_exit(result, 1)
        self.assert_valid_junit(result)
        raw = (result.results / "junit.xml").read_bytes()
        raw.decode("utf-8")
        self.assertNotRegex(raw, rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#x?0*1?[bB];|&#27;")
        self.assertIn(b"red", raw)
        self.assertNotIn(b"[31m", raw)
        # The log keeps the bytes as they came.
        log = (result.results / "shard-1/app.log").read_bytes()
        self.assertIn(b"\xc3\x28 \xff\xfe, nul \x00, esc \x1b[31mred", log)

    def test_started_not_finished(self):
        """Until the end, the report says that there is none."""
        process = self.start(APP, test="say running; hang")
        process.wait_for_output("running")
        report = (process.results / "junit.xml").read_text()
        self.assertRegex(report, r'errors="[1-9]')
        self.assertIn("not finished", report)
        self.assertIn('"finished": false', re.sub(r"\s*:\s*", ": ", (process.results / "run.json").read_text()))
        process.popen.terminate()
        process.wait(30)

    def test_every_phase_and_service_is_a_case(self):
        result = self.run_cleanroom("--shards", 2, "--redis.image", REDIS, APP,
                                    yaml="services: [redis]\n", deploy="say deployed", test="say tested")
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        for suite in {row[0] for row in result.cases}:
            names = " ".join(row[1] for row in result.cases if row[0] == suite)
            for word in ("redis", "deploy", "test"):
                self.assertIn(word, names)

    def test_dialect(self):
        """Another reader's form: one suite, whose cases say of which shard they are."""
        result = self.run_cleanroom("--shards", 2, "--junit-dialect", "surefire", APP,
                                    test='say tested; [ "$CLEANROOM_SHARD_NUMBER" = 1 ]')
        self.assert_exit(result, 1)
        self.assert_valid_junit(result, SUREFIRE_SCHEMA)
        self.assert_red_case(result, "test", "exit code 1")
        [suite] = result.suites
        self.assertEqual({case.get("group") for case in suite}, {None, "shard 1 of 2", "shard 2 of 2"})

    def test_long_line(self):
        result = self.run_cleanroom(APP, test="print_long_line 3000000")
        self.assert_exit(result, 0)
        self.assertEqual((result.results / "shard-1/app.log").stat().st_size, 3000000)
        self.assert_valid_junit(result)

    def test_a_gigabyte_of_output(self):
        """Bounded memory and a bounded report, and still the app's end is told."""
        process = self.start("--quiet", APP, test="print_mb 1024; say the end; exit 1")
        peak = 0

        def ended():
            nonlocal peak
            try:
                peak = max(peak, process.peak_rss())
            except (OSError, TypeError):
                pass
            return process.popen.poll() is not None

        wait_until(ended, 300, "the run has ended")
        result = process.wait()
        self.assert_exit(result, 1)
        self.assert_valid_junit(result)
        # The sanitizers' shadow and quarantine are not the program's.
        self.assertLess(peak, (160 if SANITIZED else 32) * MIB)
        self.assertLess((result.results / "junit.xml").stat().st_size, 4 * MIB)
        self.assertIn("the end", (result.results / "junit.xml").read_text())


class RunJson(LiveTest):
    def test_content(self):
        result = self.run_cleanroom("--shards", 2, "--redis.image", REDIS, APP,
                                    yaml="services: [redis]\n", deploy="say deployed", test="exit 1")
        self.assert_exit(result, 1)
        record = result.run_json
        self.assertRegex(record["run"], r"^[0-9a-f]{12}$")
        self.assertIs(record["finished"], True)
        self.assertEqual(record["exit_code"], 1)
        events = record["events"]
        times = [event["time"] for event in events]
        self.assertEqual(times, sorted(times))
        for subject in ("run", "shard 1", "shard 2", "shard 1 redis", "shard 2 redis"):
            self.assertTrue([event for event in events if event["subject"] == subject], subject)
        states = [event["state"] for event in events if event["subject"] == "shard 2"]
        self.assertEqual(len(states), len(set(states)), f"states only move right: {states}")
        self.assertTrue(any("deploy" in state for state in states), states)
        self.assertTrue(any("test" in state for state in states), states)

    def test_tests_and_shards(self):
        result = self.run_cleanroom(
            "--shards", 2, APP,
            test='ack; if [ "$CLEANROOM_SHARD_NUMBER" = 1 ]; then junit a; else junit b passed c failed; fi')
        self.assert_exit(result, 1)
        record = result.run_json
        self.assertEqual(record["tests"],
                         {"tests": 3, "passed": 2, "failed": 1, "errors": 0, "skipped": 0, "flaky": 0})
        self.assertEqual([(row["verdict"], row["exit_code"], row["tests"]) for row in record["shards"]],
                         [("passed", 0, 1), ("failed", 1, 2)])
        self.assertEqual(record["failed"],
                         [{"shard": 2, "class": "testapp", "name": "c", "message": "told to fail"}])


class Directory(LiveTest):
    def test_elsewhere(self):
        result = self.run_cleanroom(APP, results="some/where/else")
        self.assert_exit(result, 0)
        self.assertTrue((result.results / "junit.xml").is_file())

    def test_second_run_replaces_the_first(self):
        results = self.directory / "kept"
        first = self.run_cleanroom("--shards", 3, APP, results=results, test="say first")
        self.assert_exit(first, 0)
        second = self.run_cleanroom("--shards", 2, APP, results=results, test="say second")
        self.assert_exit(second, 0)
        self.assertFalse((results / "shard-3").exists())
        self.assertIn("second", second.log(1))
        self.assertNotIn("first", second.log(1))

    def test_what_is_not_ours_is_not_touched(self):
        results = self.make_directory("precious")
        (results / "thesis.txt").write_text("years of work")
        result = self.run_cleanroom(APP, results=results)
        self.assertIn(result.code, (2, 3), f"\n{result}")
        self.assert_one_sentence(result, str(results))
        self.assertEqual([path.name for path in results.iterdir()], ["thesis.txt"])

    def test_no_space_left(self):
        """A truthful exit code and an empty engine, though nothing more can be written."""
        results = self.make_directory("small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "cleanroom-live", results], check=True)
        self.addCleanup(subprocess.run, ["umount", results], check=True)
        result = self.run_cleanroom("--quiet", APP, results=results, test="print_mb 4", seconds=60)
        self.assert_exit(result, 3)
        self.assert_says(result, "[Nn]o space left")

    def test_collected_files(self):
        result = self.run_cleanroom(
            "--shards", 2, APP,
            test='ack; put "$TEST_UNDECLARED_OUTPUTS_DIR/shot.png" picture$CLEANROOM_SHARD_NUMBER')
        self.assert_exit(result, 0)
        for shard in (1, 2):
            found = [path.read_text() for path in pathlib.Path(result.results / f"shard-{shard}").rglob("shot.png")]
            self.assertEqual(found, [f"picture{shard}"])
