# SPDX-License-Identifier: Apache-2.0
"""What is there of ours, seen without asking the program under test: in a daemon's API, or for the
embedded engine in /proc, in the cgroup hierarchies and in /run.
"""

import fcntl
import http.client
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import tarfile
import time
import urllib.parse

DOCKER_HOST = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
LABEL = "org.cleanroom.run"
PROC = pathlib.Path("/proc")
RUN = "[0-9a-f]{12}"  # a run's id
# A poll of something that is not ours to wait on (an engine's lists, /proc).
STEP = 0.05


def wait_until(condition, seconds, what):
    """The first true value of condition(); an AssertionError after that many seconds. What is not
    so may be a function that tells it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what() if callable(what) else what}")
        time.sleep(STEP)


class User:
    """An ordinary user as whom root lets the program run."""

    def __init__(self, name, uid, home, runtime):
        self.name, self.uid, self.home, self.runtime = name, int(uid), home, runtime

    @classmethod
    def from_environment(cls):
        words = os.environ.get("LIVE_USER", "").split()
        return cls(*words) if words and int(words[1]) != os.getuid() else None

    def popen(self):
        """For subprocess.Popen."""
        return {"user": self.name, "group": self.name, "extra_groups": []}

    def become(self):
        """Words before a command's."""
        return ["setpriv", "--reuid", self.name, "--regid", self.name, "--clear-groups"]


class Docker:
    """Docker's API, and Podman's."""

    KINDS = {
        "containers": "/containers/json?all=1&filters=",
        "networks": "/networks?filters=",
        "volumes": "/volumes?filters=",
        "images": "/images/json?filters=",
    }

    def __init__(self, host=DOCKER_HOST):
        self.host = host
        self.path = urllib.parse.urlparse(host).path

    def __str__(self):
        return f"{self.kind()} at {self.host}"

    def environment(self):
        """What the program has to be told to come here."""
        return {"CLEANROOM_ENGINE": "docker", "DOCKER_HOST": self.host}

    def request(self, method, path, attempts=20, body=None):
        connection = http.client.HTTPConnection("engine", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(self.path)
        try:
            connection.request(method, path, body, {"Content-Type": "application/x-tar"} if body else {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            if answer.status == 500 and b"image not known" in text and attempts > 1:
                # Podman's listing stumbles over an image that is being removed just now.
                return self.request(method, path, attempts - 1, body)
            raise AssertionError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text.startswith((b"{", b"[")) else None

    def kind(self):
        version = json.dumps(self.request("GET", "/version"))
        return "podman" if "odman" in version else "docker"

    def labelled(self, kind, value=None):
        label = LABEL if value is None else f"{LABEL}={value}"
        filters = urllib.parse.quote(json.dumps({"label": [label]}))
        found = self.request("GET", self.KINDS[kind] + filters)
        if kind == "volumes":
            found = found["Volumes"]
        # Podman cannot take the label off a snapshot; it is empty there.
        return [thing for thing in found or [] if thing["Labels"].get(LABEL)]

    def ours(self, run=None):
        """{"containers web-1", ...}: everything in the engine that carries our label."""
        return {
            f"{kind[:-1]} {self.name(thing)}"
            for kind in self.KINDS
            for thing in self.labelled(kind, run)
        }

    @staticmethod
    def name(thing):
        names = thing.get("Names") or thing.get("RepoTags") or [thing.get("Name") or thing.get("Id")]
        # Podman shows short names of images in full.
        return names[0].lstrip("/").removeprefix("docker.io/library/").removeprefix("localhost/")

    def kept(self):
        """{id: name} of the images that are kept between runs."""
        filters = urllib.parse.quote(json.dumps({"label": ["org.cleanroom.snapshot"]}))
        found = self.request("GET", self.KINDS["images"] + filters)
        return {image["Id"]: self.name(image) for image in found or [] if not image["Labels"].get(LABEL)}

    def plant(self, name):
        """An image as it might be kept, with next to nothing in it."""
        label = urllib.parse.quote(f'LABEL "org.cleanroom.snapshot"="{name.split(":")[1]}"')
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(name.replace(":", "-")))
        self.request("POST", f"/images/create?fromSrc=-&repo={urllib.parse.quote(name)}&changes={label}",
                     body=file.getvalue())

    def containers(self, run):
        return [self.inspect(found["Id"]) for found in self.labelled("containers", run)]

    def inspect(self, container):
        return self.request("GET", f"/containers/{container}/json")

    def of_role(self, run, shard, role):
        """A container's name."""
        return next(found["Names"][0] for found in self.labelled("containers", run)
                    if found["Labels"]["org.cleanroom.role"] == role
                    and found["Labels"].get("org.cleanroom.shard", "1") == str(shard))

    def kill_service(self, run, shard, role):
        self.request("POST", f"/containers{self.of_role(run, shard, role)}/kill")

    def servers(self, run, role):
        """The containers in which a service of that name runs, whoever's it is."""
        return [found["Names"][0] for found in self.labelled("containers", run)
                if found["Labels"]["org.cleanroom.role"] == role]

    def kill_server(self, server):
        self.request("POST", f"/containers{server}/kill")

    def enter(self, run, shard, *argv):
        """Runs a command beside the tests of a shard."""
        container = self.of_role(run, shard, "test").lstrip("/")
        return subprocess.run(["docker", "--host", self.host, "exec", container, *argv], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)


def read(path):
    """What is in a file of /proc, "" when its process has ended meanwhile."""
    try:
        return pathlib.Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def entries(place):
    """What is in a directory, which may be gone at any moment."""
    try:
        return list(place.iterdir())
    except OSError:
        return []


class Task:
    """A process as /proc shows it. It is the same one as another when pid and start are."""

    def __init__(self, pid):
        self.pid = pid
        stat = read(f"/proc/{pid}/stat")
        fields = stat.rpartition(")")[2].split()
        self.there = len(fields) > 20 and fields[0] not in "ZX"
        self.parent = int(fields[1]) if self.there else 0
        self.start = fields[19] if self.there else ""
        self.name = stat[stat.find("(") + 1:stat.rfind(")")]

    @property
    def key(self):
        return self.pid, self.start

    def __str__(self):
        return f"process {self.pid} ({self.name}, begun {self.start})"

    def program(self):
        try:
            return os.readlink(f"/proc/{self.pid}/exe").removesuffix(" (deleted)")
        except OSError:
            return ""

    def words(self):
        return read(f"/proc/{self.pid}/cmdline").split("\0")

    def variables(self):
        entries = read(f"/proc/{self.pid}/environ").split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)

    def namespaces(self):
        found = {}
        for kind in ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup"):
            try:
                found[kind] = os.readlink(f"/proc/{self.pid}/ns/{kind}")
            except OSError:
                continue
        return found


def tasks():
    """{pid: Task} of all living processes."""
    found = (Task(int(entry.name)) for entry in PROC.glob("[0-9]*"))
    return {task.pid: task for task in found if task.there}


def locked(path):
    """Whether a living process works there: it holds a lock on the file or directory."""
    try:
        there = os.open(path, os.O_RDONLY)
    except OSError:
        return not path.exists()
    try:
        fcntl.flock(there, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(there)
    return False


class Embedded:
    """No daemon to ask, so the kernel is: processes, mounts, namespaces, cgroups, directories.

    A process is ours when it runs our program, hangs below one that does, or did when it was last
    looked at: what has lost its parent is not forgotten.
    """

    def __init__(self, program, user):
        self.program = os.path.realpath(program)
        self.user = user
        runtime = user.runtime if user else os.environ.get("XDG_RUNTIME_DIR", "")
        root = user is None and os.getuid() == 0
        self.rootless = not root
        self.worlds = pathlib.Path("/run/cleanroom" if root else f"{runtime}/cleanroom")
        home = pathlib.Path(user.home if user else os.environ["HOME"])
        self.store = home / ".cache/cleanroom/store"
        self.home = Task(os.getpid()).namespaces()
        self.seen = {}        # Task.key: Task
        self.namespaces = {}  # "net:[4026531840]": the name of who was in it
        self.apart = set()    # those that a test has made around the program

    def __str__(self):
        return f"the embedded engine of {self.user.name if self.user else 'this user'}"

    def environment(self):
        found = {"CLEANROOM_ENGINE": "embedded"}
        if self.user:
            found.update(HOME=self.user.home, XDG_RUNTIME_DIR=self.user.runtime)
        return found

    def kept(self):
        """The store bounds itself."""
        return {}

    def kind(self):
        return "rootless" if self.rootless else "embedded"

    # --- what is there

    def ours(self, run=None):
        """{"process 12 (redis-server, ...)", "world 0123456789ab", "cgroup /...", ...}"""
        found = self.worlds_left(run) | self.cgroups_left(run) | self.mounts_left(run) | self.names_left(run)
        if run is None:
            found |= {str(task) for task in self.family().values()}
            found |= self.namespaces_left() | self.scratch_left()
        else:
            found |= {str(task) for task in self.family().values() if self.is_of(task, run)}
        return found

    def family(self):
        """{pid: Task}; remembers them, and where they were."""
        now = tasks()
        ours = {pid: task for pid, task in now.items()
                if task.program() == self.program or task.key in self.seen}
        grown = True
        while grown:
            children = {pid: task for pid, task in now.items() if task.parent in ours and pid not in ours}
            ours.update(children)
            grown = bool(children)
        for task in ours.values():
            if task.key not in self.seen:
                self.seen[task.key] = task
                task.held = {name for kind, name in task.namespaces().items()
                             if name != self.home.get(kind) and name not in self.apart}
                self.namespaces.update({name: str(task) for name in task.held})
        return ours

    @staticmethod
    def is_of(task, run):
        """A run's directory is among its mounts, its words or its cgroups."""
        return any(run in read(f"/proc/{task.pid}/{file}") for file in ("mountinfo", "cmdline", "cgroup"))

    def worlds_left(self, run):
        return {f"world {entry.name}" for entry in entries(self.worlds)
                if re.fullmatch(run or RUN, entry.name)}

    @staticmethod
    def cgroups_left(run):
        return {f"cgroup {where}/{name}" for where, names, _ in os.walk("/sys/fs/cgroup") for name in names
                if "cleanroom" in name and re.search(f"({run or RUN})$", name)}

    def mounts_left(self, run):
        """Where everybody sees them: those of a world are its own, and go with its processes."""
        place = f"{self.worlds}/{run or ''}"
        return {f"mount {line.split()[4]}" for line in read("/proc/self/mountinfo").splitlines()
                if place in line}

    def namespaces_left(self):
        """What was entered by ours and is held by a file. Held by a process, that one would be told."""
        held = [line for line in read("/proc/self/mountinfo").splitlines()
                if "- nsfs " in line and "/run/docker/" not in line]  # names of namespaces are used again
        return {f"namespace {name} of {whose}" for name, whose in self.namespaces.items()
                if any(name in line for line in held)}

    def names_left(self, run):
        """Of images in the store, those that a run gave for itself."""
        return {f"name {entry.name}" for entry in entries(self.store / "refs")
                if re.search(run or rf"\b{RUN}\b", entry.name) and "satellite" not in entry.name}

    def scratch_left(self):
        """Where imports work, and what containers write with --scratch disk."""
        return {f"scratch {entry}" for place, names in ((self.store / "tmp", "."), (self.store / "scratch", RUN))
                for entry in entries(place) if re.match(names, entry.name) and not locked(entry)}

    # --- what is in a run

    def keeper(self, run):
        """The process on which a run's world hangs: first in a pid namespace, and knows the run."""
        for task in self.family().values():
            inner = re.search(r"^NSpid:\s+\d+\s+1$", read(f"/proc/{task.pid}/status"), re.M)
            if inner and task.program() == self.program and self.is_of(task, run):
                return task
        raise AssertionError(f"run {run} has no keeper among {[str(t) for t in self.family().values()]}")

    def cells(self, run):
        """The first processes of a run's containers."""
        keeper = self.keeper(run)
        return [task for task in tasks().values() if task.parent == keeper.pid
                and task.program() != self.program
                and task.namespaces().get("mnt") != keeper.namespaces()["mnt"]]

    def app(self, run, shard):
        for task in self.cells(run):
            told = task.variables()
            if told.get("CLEANROOM_SHARD_NUMBER") == str(shard) and "test" in task.words():
                return task
        raise AssertionError(f"shard {shard} of run {run} has no tests running")

    def service(self, run, shard, name):
        """In the same network as the tests, and what runs there is called so."""
        network = self.app(run, shard).namespaces()["net"]
        for task in self.cells(run):
            if task.namespaces().get("net") == network and task.name.startswith(name):
                return task
        raise AssertionError(f"shard {shard} of run {run} has no {name}")

    def kill_service(self, run, shard, role):
        os.kill(self.service(run, shard, role).pid, 9)

    def servers(self, run, role):
        """The first processes of containers in which a service of that name runs, whoever's it is."""
        return [task for task in self.cells(run) if task.name.startswith(role)]

    @staticmethod
    def kill_server(server):
        os.kill(server.pid, 9)

    def enter(self, run, shard, *argv):
        return subprocess.run(["nsenter", "--all", "--target", str(self.app(run, shard).pid), *argv],
                              check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def open_view(program, user):
    if os.environ.get("CLEANROOM_ENGINE", "embedded") == "embedded":
        return Embedded(program, user)
    return Docker()
