#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests, or this shard's part of them.

    run_tests.py [--list] [NAME...]

NAME is a test, class or module. With TEST_TOTAL_SHARDS and TEST_SHARD_INDEX set, runs each n-th
test of the sorted list; touches TEST_SHARD_STATUS_FILE to say so. Writes JUnit to
XML_OUTPUT_FILE. These are the names that Bazel gave to the protocol.

With DESK_PAUSE=6 each test waits first: by its name, for up to 6 s, most of them for much less. So
there is an uneven suite on which ways to split it can be measured.
"""
import argparse
import os
import sys
import time
import traceback
import unittest
import zlib
from datetime import datetime
from pathlib import Path

import junit

BASE = Path(__file__).resolve().parent


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load():
    tests = flatten(unittest.TestLoader().discover(str(BASE / "tests"), top_level_dir=str(BASE)))
    return sorted(tests, key=lambda test: test.id())


def select(tests, names):
    for name in names:
        if not any(matches(test, name) for test in tests):
            sys.exit(f"run_tests.py: no test is called '{name}': see --list")
    return [test for test in tests if not names or any(matches(test, n) for n in names)]


def matches(test, name):
    return test.id() == name or test.id().startswith(name + ".")


def shard():
    """(index, total), and the harness is told that we know."""
    total = int(os.environ.get("TEST_TOTAL_SHARDS") or 1)
    index = int(os.environ.get("TEST_SHARD_INDEX") or 0)
    if not 0 <= index < total:
        sys.exit(f"run_tests.py: there is no shard {index} of {total}")
    if os.environ.get("TEST_SHARD_STATUS_FILE"):
        Path(os.environ["TEST_SHARD_STATUS_FILE"]).touch()
    return index, total


def pause(name):
    """Always the same seconds for a test; with 60 of them the longest ones wait for most of the limit."""
    limit = float(os.environ.get("DESK_PAUSE") or 0)
    return limit * (zlib.crc32(name.encode()) / 2**32) ** 7


class Result(unittest.TestResult):
    """One line per test, and a junit.Case of each."""

    def __init__(self):
        super().__init__()
        self.cases = []
        self.started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.cases.append(junit.Case(test.id()))
        time.sleep(pause(test.id()))

    def stopTest(self, test):
        super().stopTest(test)
        case = self.cases[-1]
        case.seconds = time.monotonic() - self.started
        print(f"{case.outcome:7} {case.seconds:7.3f} s  {case.id}", flush=True)
        if case.text:
            print(case.text, flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.cases[-1].fail("failure", err)

    def addError(self, test, err):
        super().addError(test, err)
        if not self.cases or self.cases[-1].id != test.id():  # a class that could not be set up
            self.cases.append(junit.Case(test.id()))
        self.cases[-1].fail("error", err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.cases[-1].fail("failure", err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.cases[-1].outcome = "skipped"


def room_step(result, name, step):
    """Opening or closing the room is a case only when it fails. Returns what went wrong."""
    try:
        step()
        return None
    except Exception as error:
        case = junit.Case(f"tests.room.{name}")
        case.fail("error", sys.exc_info())
        result.cases.append(case)
        traceback.print_exc()
        return error


def run(tests):
    from tests.support import DeskTest, NotAlone, Room

    result = Result()
    DeskTest.room = Room()
    problem = room_step(result, "open", DeskTest.room.open)
    # With somebody else in the room the tests still run, and show what comes of it.
    if problem is None or isinstance(problem, NotAlone):
        unittest.TestSuite(tests).run(result)
        room_step(result, "close", DeskTest.room.close)
    return result.cases


def now():
    return datetime.utcnow().strftime("%H:%M:%S.%f")[:-3]


def main():
    parser = argparse.ArgumentParser(prog="test", description="Run the tests of this shard.")
    parser.add_argument("--list", action="store_true", help="print the names of all tests")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a test, class or module")
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "library.settings")
    if options.list:  # needs no services
        os.environ.setdefault("DB_DEFAULT_URL", "postgres://none@localhost/none")
        os.environ.setdefault("REDIS_HOSTS", "localhost")
        os.environ.setdefault("MEMCACHE_HOSTS", "localhost")
    import django
    from django.test.utils import setup_test_environment

    django.setup()
    tests = select(load(), options.names)
    if options.list:
        print("\n".join(test.id() for test in tests))
        return 0

    setup_test_environment()
    index, total = shard()
    mine = tests[index::total]
    began = time.monotonic()
    print(f"shard {index + 1}/{total}: {len(mine)} of {len(tests)} tests, start {now()}")
    cases = run(mine) if mine else []
    junit.write(os.environ.get("XML_OUTPUT_FILE"), f"desk {index + 1}/{total}", cases)
    bad = sum(case.bad for case in cases)
    seconds = time.monotonic() - began
    print(f"shard {index + 1}/{total}: {len(cases)} run, {bad} bad, end {now()}, {seconds:.3f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
