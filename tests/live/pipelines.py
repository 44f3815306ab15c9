# SPDX-License-Identifier: Apache-2.0
"""Reads the definitions of ci/ and does what the CI systems would do with them.

Each becomes a list of jobs, whose commands are really run, each job in a clone of its own; only what
a system does itself (artifacts, caches, its variables) is played here. A word that is not known fails.
"""

import dataclasses
import glob
import itertools
import json
import pathlib
import re
import shutil
import subprocess

import yaml

from harness import TOP

CI = TOP / "ci"
COMMIT = "0123abcd"


@dataclasses.dataclass
class Step:
    kind: str  # run, keep, fetch, report, or cache and restore, which nobody misses
    words: list  # a shell text; a name and patterns; a pattern of names and where to; a path
    always: bool = False  # after a failure, too
    soft: bool = False  # its failure ends nothing


@dataclasses.dataclass
class Job:
    name: str
    variables: dict
    steps: list
    always: bool = False
    stage: str = ""  # what has the same is done side by side; else what comes later is not, after a failure


def words_of(known, *things):
    """Each of the mappings has only known words."""
    for thing in things:
        assert not thing.keys() - set(known.split()), f"unknown words among {sorted(thing, key=str)}"


# --- GitLab

def gitlab_jobs(file):
    top = yaml.safe_load(file.read_text())
    words_of("stages variables default plan slice merge", top)
    before = top["default"]["before_script"]
    variables = {name: value.replace("$CI_COMMIT_SHA", COMMIT) for name, value in top["variables"].items()}
    found = []
    for stage in top["stages"]:
        for name in (name for name in top if isinstance(top[name], dict) and top[name].get("stage") == stage):
            job = top[name]
            words_of("stage cache script artifacts needs parallel when", job)
            total = job.get("parallel", 1)
            for index in range(1, total + 1):
                place = {"CI_NODE_INDEX": str(index), "CI_NODE_TOTAL": str(total)} if total > 1 else {}
                found.append(Job(f"{name} {index}/{total}" if place else name,
                                 {**variables, **place, "GITLAB_CI": "true"},
                                 gitlab_steps(name, index, job, before), job.get("when") == "always", stage))
    return found


def gitlab_steps(name, index, job, before):
    steps = [Step("fetch", [f"{need}-*", "."]) for need in job.get("needs", [])]
    cache, kept = job.get("cache"), job["artifacts"]
    words_of("when paths expire_in reports", kept)
    if cache:
        words_of("key paths policy", cache)
    if cache and "pull" in cache.get("policy", "pull-push"):
        steps += [Step("restore", [cache["key"]])]
    steps += [Step("run", ["\n".join(before + job["script"])])]
    if cache and "push" in cache.get("policy", "pull-push"):
        steps += [Step("cache", [cache["key"], *cache["paths"]])]
    always = kept.get("when") == "always"
    steps += [Step("keep", [f"{name}-{index}", *kept["paths"]], always)]
    steps += [Step("report", [path], always) for path in kept.get("reports", {}).values()]
    return steps


# --- GitHub

class Expressions:
    """${{ ... }} of GitHub."""

    def __init__(self, **values):
        self.values = values

    def fill(self, text):
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda match: str(self.values[match[1].replace(".", "_").replace("-", "_")]), text)


def github_jobs(file):
    top = yaml.safe_load(file.read_text())
    words_of("name permissions env jobs", {word: 1 for word in top if word is not True})
    assert top[True] == ["push", "pull_request"], top[True]  # YAML 1.1 takes `on` for it
    found = []
    for name, job in top["jobs"].items():
        words_of("runs-on steps needs strategy if", job)
        places = job.get("strategy", {}).get("matrix", {}).get("slice", [None])
        for place in places:
            fill = Expressions(github_sha=COMMIT, github_run_id=1, vars_CLEANROOM_SOURCE="",
                               matrix_slice=place, strategy_job_total=len(places)).fill
            variables = {key: fill(value) for key, value in top["env"].items()}
            steps = [done for step in job["steps"] for done in github_steps(step, fill)]
            found.append(Job(f"{name} {place or ''}".strip(), variables, steps,
                             job.get("if") == "always()", name))
    return found


def github_steps(step, fill):
    words_of("uses run with if", step)
    always = step.get("if") == "always()"
    if "run" in step:
        return [Step("run", [fill(step["run"])], always)]
    given = {key: fill(value) for key, value in step.get("with", {}).items()}
    action = step["uses"].partition("@")[0]
    if action == "actions/checkout":
        return []
    if action == "actions/upload-artifact":
        words_of("name path", given)
        paths = given["path"].split()
        # GitHub reads no reports: that is where they are found.
        return ([Step("keep", [given["name"], "under", *paths], always)] +
                [Step("report", [f"{path}/junit.xml"], always) for path in paths if path == "cleanroom-results"])
    if action == "actions/download-artifact":
        words_of("name", given)
        # One goes right here; all, each into a directory of its name.
        return [Step("fetch", [given["name"], "."] if "name" in given else ["*", None], always)]
    if action == "actions/cache/restore":
        words_of("path key restore-keys", given)
        return [Step("restore", [given["restore-keys"]])]
    assert action == "actions/cache/save", action
    words_of("path key", given)
    return [Step("cache", [given["key"], given["path"]])]


# --- Travis

def travis_jobs(file):
    top = yaml.safe_load(file.read_text())
    words_of("os dist language services env cache install script", top)
    variables = dict(line.replace("$TRAVIS_COMMIT", COMMIT).split("=", 1) for line in top["env"]["global"])
    steps = [Step("restore", ["travis"])]
    steps += [Step("run", ["mkdir -p " + " ".join(top["cache"]["directories"])])]
    steps += [Step("run", [line]) for line in top["install"] + top["script"]]
    return [Job("travis", variables, steps + [Step("cache", ["travis", *top["cache"]["directories"]])])]


# --- Jenkins

def jenkins_jobs(file):
    said = subprocess.run(["groovy", TOP / "tests/live/jenkinsfile.groovy", file], capture_output=True,
                          text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    top = block(json.loads(said.stdout))
    words_of("agent environment stages", top)
    variables = {call["name"]: call["arguments"][0].replace("$BUILD_NUMBER", "7")
                 for call in top["environment"]["block"]}
    found = [job for stage in top["stages"]["block"] for job in jenkins_stage(stage, variables)]
    if top["agent"]["arguments"] == ["$none"]:
        return found
    # One agent, one workspace.
    return [Job("jenkins", variables, [step for job in found for step in job.steps])]


def block(calls):
    return {call["name"]: call for call in calls}


def jenkins_stage(stage, variables):
    assert stage["name"] == "stage", stage
    inside = block(stage["block"])
    if "matrix" in inside:
        matrix = block(inside["matrix"]["block"])
        words_of("agent axes stages", matrix)
        axis = block(matrix["axes"]["block"][0]["block"])
        return [dataclasses.replace(job, stage=stage["arguments"][0])
                for value in axis["values"]["arguments"] for inner in matrix["stages"]["block"]
                for job in jenkins_stage(inner, {**variables, axis["name"]["arguments"][0]: value})]
    words_of("agent steps post", inside)
    steps = [jenkins_step(call, variables, False) for call in inside["steps"]["block"]]
    if "post" in inside:
        post = block(inside["post"]["block"])
        words_of("always", post)
        steps += [jenkins_step(call, variables, True) for call in post["always"]["block"]]
    return [Job(stage["arguments"][0], variables, steps, stage=stage["arguments"][0])]


def jenkins_step(call, variables, always):
    name, first = call["name"], call["arguments"][0]
    if name == "sh":
        return Step("run", [first], always)
    if name == "unstash":
        return Step("fetch", [first, "."], always)
    if name == "catchError":
        assert first == {"buildResult": "FAILURE", "stageResult": "FAILURE"}, first
        (inner,) = call["block"]
        return dataclasses.replace(jenkins_step(inner, variables, always), soft=True)
    if name == "junit":
        assert first["allowEmptyResults"] is False
        return Step("report", [first["testResults"]], always)
    assert name in ("stash", "archiveArtifacts"), name
    whole = first if name == "stash" else {"name": "archive", "includes": first}
    text = json.dumps(whole)
    for key, value in variables.items():
        text = text.replace("$" + key, value)
    whole = json.loads(text)
    return Step("keep", [whole["name"], *re.split(r", *", whole["includes"])], always)


JOBS = {
    "Jenkinsfile": jenkins_jobs,
    "Jenkinsfile.slices": jenkins_jobs,
    "travis.yml": travis_jobs,
    "github.yml": github_jobs,
    "gitlab.yml": gitlab_jobs,
}


def jobs(name):
    return JOBS[name](CI / name)


class Player:
    """Runs jobs; what they keep and report is below `place`."""

    def __init__(self, place, repository, environment, override=None, leave_out="$^"):
        self.place, self.repository, self.environment = place, repository, environment
        self.override, self.leave_out = override or {}, leave_out
        self.kept, self.reports, self.log = place / "kept", [], ""
        self.caches = place / "caches"
        self.count = 0

    def play(self, found, between=lambda job: None):
        """Whether it was green. `between` may do something to what is kept before a job."""
        red = failed = False
        shutil.rmtree(self.kept, ignore_errors=True)
        self.reports = []
        for _, stage in itertools.groupby(found, lambda job: job.stage):
            outcomes = []
            for job in stage:
                between(job)
                if not failed or job.always:
                    outcomes.append(self.job(job))
            red = red or any(wrong for wrong, _ in outcomes)
            failed = failed or any(ended for _, ended in outcomes)
        return not red

    def job(self, job):
        self.count += 1
        # As Jenkins calls what jobs side by side have.
        work = self.place / f"my-app@{self.count}"
        subprocess.run(["git", "clone", "-q", self.repository, work], env=self.environment, check=True)
        red = ended = False
        for step in job.steps:
            if ended and not step.always:
                continue
            if not getattr(self, step.kind)(work, job, *step.words):
                self.log += f"--- {job.name}: {step.kind} {step.words} failed\n"
                red, ended = True, ended or not step.soft
        return red, ended

    def run(self, work, job, text):
        lines = [line for line in text.splitlines() if not re.match(self.leave_out, line)]
        done = subprocess.run(["bash", "-e", "-c", "\n".join(lines)], cwd=work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
                              env={**self.environment, **job.variables, **self.override, "CI": "true"})
        self.log += f"--- {job.name}: {text}\n" + done.stdout.decode(errors="replace")
        return done.returncode == 0

    @staticmethod
    def copy(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def keep(self, work, _job, name, *patterns):
        target = self.kept / name
        found = [pathlib.Path(path) for pattern in patterns
                 for path in glob.glob(pattern.rstrip("/"), root_dir=work)]
        # GitHub: of one directory its content.
        inside = patterns[0] == "under" and len(found) == 1 and (work / found[0]).is_dir()
        for path in found:
            self.copy(work / path, target if inside else target / path)
        return bool(found)

    def fetch(self, work, _job, pattern, into):
        found = sorted(self.kept.glob(pattern))
        for path in found:
            self.copy(path, work / (into or path.name))
        return bool(found)

    def cache(self, work, job, name, *paths):
        if any((work / path).exists() for path in paths):
            self.keep(work, job, f"../caches/{name}", *paths)
        return True

    def restore(self, work, _job, name):
        for found in self.caches.glob(f"{name}*"):
            self.copy(found, work)
        return True

    def report(self, work, _job, path):
        if not (work / path).is_file():
            return False
        self.reports.append(work / path)
        return True
