# SPDX-License-Identifier: Apache-2.0
"""How well the ways to split divide an uneven suite: examples/django, whose tests wait as well."""

import json
import pathlib
import re
import xml.etree.ElementTree as ElementTree

from contenders import IMAGES, TOP, LeftOut

IMAGE = "cleanroom-example/django:latest"
PAUSE = 12  # seconds: of 123 tests the longest; most of them wait for much less
PROJECT = TOP / "examples/django/forklift.yaml"
LISTED = ["--list", "test --list", "--runner", "django"]
# The first one by time knows nothing yet, and learns.
WAYS = {"env": [], "list": LISTED, "timings, nothing known": LISTED, "timings": LISTED, "queue": LISTED}


class Division:
    """What one run made of the suite."""

    def __init__(self, results, shards):
        cases = [float(case.get("time")) for suite in ElementTree.parse(results / "junit.xml").iter("testsuite")
                 for case in suite.iter("testcase") if case.get("classname", "").startswith("tests.")]
        self.tests, self.total = len(cases), sum(cases)
        self.ideal = max(self.total / shards, max(cases))
        begun, ended = phases(json.loads((results / "run.json").read_text())["events"])
        if len(begun) != shards or len(ended) != shards:
            raise LeftOut("not each shard has tested")
        # From the first to the last: shards come up one after the other, and that is no matter of splitting.
        self.longest = max(ended[shard] - begun[shard] for shard in begun)
        self.together = max(ended.values()) - min(begun.values())


def phases(events):
    """When each shard began and ended to test."""
    begun, ended = {}, {}
    for event in events:
        shard, state = event["subject"], event["state"].lower()
        if not re.fullmatch(r"shard \d+", shard):
            continue
        if state == "test":
            begun[shard] = event["at"]
        elif shard in begun:
            ended.setdefault(shard, event["at"])
    return begun, ended


def divide(contender, way, shards, project):
    """One run of the suite, divided in this way."""
    images = [word for service, image in {**IMAGES, "amqp": "cleanroom-test/rabbitmq:3"}.items()
              for word in (f"--{service}.image", image)]
    (project / "forklift.yaml").write_text(PROJECT.read_text())
    said = contender.run(shards, "--split", way.split(",")[0], *WAYS[way], *images, "--application-id", "django",
                         "--environment", f"DESK_PAUSE={PAUSE}", "--timings", str(project / "cleanroom.timings"),
                         image=IMAGE, directory=project, quiet=False)
    division = Division(pathlib.Path(contender.results), shards)
    if WAYS[way] and f"{division.tests} ran, each exactly once" not in said:
        raise LeftOut(f"{way}: not each test ran exactly once")
    return division
