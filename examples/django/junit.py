# SPDX-License-Identifier: Apache-2.0
"""Outcomes of tests, and the JUnit file that holds them."""
import re
import traceback
from datetime import datetime
from xml.etree import ElementTree

# Everything XML 1.0 has no place for.
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case:
    def __init__(self, name):
        self.id = name
        self.outcome = "ok"
        self.seconds = 0.0
        self.message = self.text = ""

    @property
    def bad(self):
        return self.outcome in ("failure", "error")

    def fail(self, outcome, err):
        if not self.bad:
            self.outcome = outcome
            self.message = f"{err[0].__name__}: {err[1]}"
        self.text += "".join(traceback.format_exception(*err))


def clean(text):
    return ILLEGAL.sub("?", text)


def element(case):
    class_name, _, name = case.id.rpartition(".")
    found = ElementTree.Element(
        "testcase", classname=clean(class_name), name=clean(name), time=f"{case.seconds:.3f}"
    )
    if case.bad:
        problem = ElementTree.SubElement(found, case.outcome, message=clean(case.message))
        problem.text = clean(case.text)
    elif case.outcome == "skipped":
        ElementTree.SubElement(found, "skipped")
    return found


def write(path, name, cases):
    if not path:
        return
    counts = [case.outcome for case in cases]
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts.count("failure")),
        errors=str(counts.count("error")),
        skipped=str(counts.count("skipped")),
        time=f"{sum(case.seconds for case in cases):.3f}",
        timestamp=datetime.utcnow().isoformat(timespec="seconds"),
    )
    suite.extend(element(case) for case in cases)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
