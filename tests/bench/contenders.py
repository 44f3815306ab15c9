# SPDX-License-Identifier: Apache-2.0
"""Who does the job: N shards of postgres, redis and memcached, and an app, from nothing to nothing."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build/release"
CLEANROOM = os.environ.get("CLEANROOM") or str(BUILD / "cleanroom")
IMAGES = {"postgres": "cleanroom-test/postgres:15", "redis": "cleanroom-test/redis:7",
          "memcache": "cleanroom-test/memcached:1.6"}
APP = "cleanroom-test/app:latest"
MIGRATE = "cleanroom-test/migrate:15"


class LeftOut(Exception):
    """It cannot take part; why, in one line."""


def checked(words, **options):
    run = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, check=False, **options)
    if run.returncode != 0:
        said = (run.stderr or run.stdout).strip().splitlines()
        raise LeftOut(f"{' '.join(map(str, words[:3]))} ended with {run.returncode}: {' | '.join(said[:6])}")
    return run.stdout


def inspected(image):
    return json.loads(checked(["docker", "image", "inspect", image]))[0]


class Cleanroom:
    """One of the engines of cleanroom; images and snapshots are kept in a cache of the bench's own."""

    def __init__(self, engine, directory, cache=None):
        self.name = f"cleanroom, {engine}"
        self.engine = engine
        self.directory = directory
        self.results = directory / f"results-{engine}"
        self.repeat = 3 if engine == "embedded" else 1
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(cache or TOP / "build/bench/cache"), CI="true")

    def prepare(self):
        if "--engine" not in checked([CLEANROOM, "--help"]):
            raise LeftOut("this cleanroom has no --engine")
        self.run(1)

    def command(self, shards, *args, image=APP):
        return [CLEANROOM, "--engine", self.engine, "--shards", str(shards), "--results", str(self.results),
                *map(str, args), image]

    def attempt(self, shards, *args, image=APP, directory=None, sampler=None, quiet=True):
        """Returns its exit code and what it said."""
        process = subprocess.Popen(
            self.command(shards, *(["--quiet"] if quiet else []), *args, image=image),
            cwd=directory or self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=self.environment, text=True)
        if sampler:
            sampler.pid = process.pid
        said, _ = process.communicate()
        return process.returncode, said

    def run(self, shards, *args, **options):
        """Returns what it said."""
        code, said = self.attempt(shards, *args, **options)
        if code != 0:
            last = " | ".join(said.strip().splitlines()[-6:])
            raise LeftOut(f"--engine {self.engine} --shards {shards} ended with {code}: {last}")
        return said


class Bare:
    """The job by tests/bench/bare.c, from the layers that Docker has unpacked."""

    name = "bare kernel"
    repeat = 3
    PROGRAM = BUILD / "bench/bare"
    # As cleanroom's snapshots: providers/postgres_recipe.c. Outside of the VOLUME a commit keeps it.
    DATA = "/var/lib/cleanroom/postgres"
    INITDB = "--no-sync --auth-host=scram-sha-256 --wal-segsize=1"
    SNAPSHOT = "cleanroom-bench/postgres:segments-of-1m"
    POSTGRES = ["postgres", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
                "-c", "max_wal_size=256MB"]

    def __init__(self, directory):
        self.recipes = directory / "bare.recipes"

    def prepare(self):
        self.initialise_postgres()
        self.recipes.write_text("\n".join(self.lines()) + "\n")
        self.run(1)

    def run(self, shards, sampler=None):
        process = subprocess.Popen([self.PROGRAM, "--shards", str(shards), self.recipes],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        if sampler:
            sampler.pid = process.pid
        said = process.communicate()[1].strip()
        if process.returncode != 0:
            raise LeftOut(f"bare: {said}")

    def initialise_postgres(self):
        """Once per image: its own start-up script makes the database; then a clean stop, and a commit."""
        stock = inspected(IMAGES["postgres"])["Id"]
        try:
            if inspected(self.SNAPSHOT)["Parent"] == stock:
                return
        except LeftOut:
            pass
        container = checked(["docker", "run", "-d", "--network", "none", "-e", "POSTGRES_PASSWORD=secret", "-e",
                             f"PGDATA={self.DATA}", "-e", f"POSTGRES_INITDB_ARGS={self.INITDB}", IMAGES["postgres"], *self.POSTGRES]).strip()
        try:
            deadline = time.monotonic() + 60
            while "init process complete" not in checked(["docker", "logs", container]):
                if time.monotonic() > deadline:
                    raise LeftOut("bare: postgres was not initialised in 60 s")
                time.sleep(0.1)
            checked(["docker", "stop", "-t", "30", container])
            checked(["docker", "commit", container, self.SNAPSHOT])
        finally:
            checked(["docker", "rm", "-f", "-v", container])

    def lines(self):
        # What cleanroom runs too: a snapshot's server directly, the others by their own script.
        data = [f"PGDATA={self.DATA}"]
        yield from self.container("holder", APP)
        yield from self.container("postgres", self.SNAPSHOT, argv=self.POSTGRES, user="999 999", env=data,
                                  probe="postgres 5432")
        yield from self.container("redis", IMAGES["redis"], volumes=["/data"], probe="redis 6379", argv=[
            "docker-entrypoint.sh", "redis-server", "--save", "", "--appendonly", "no"])
        yield from self.container("memcached", IMAGES["memcache"], user="11211 11211", probe="memcached 11211",
                                  argv=["docker-entrypoint.sh", "memcached", "-m", "64", "-p", "11211"])
        yield from self.container("app", APP, argv=["testapp", "test"],
                                  volumes=["/storage", "/static", "/cleanroom"])

    @staticmethod
    def container(name, image, *, user="0 0", argv=(), env=(), volumes=(), probe=None):
        about = inspected(image)
        layers = about["GraphDriver"]["Data"]
        if "UpperDir" not in layers:
            raise LeftOut("bare: Docker keeps its layers in no directories here (overlay2 does)")
        yield f"container {name}"
        yield "lower " + ":".join(filter(None, [layers["UpperDir"], layers.get("LowerDir")]))
        yield f"user {user}"
        if about["Config"]["WorkingDir"]:
            yield f"directory {about['Config']['WorkingDir']}"
        for key, values in (("arg", argv), ("env", [*about["Config"]["Env"], *env]), ("volume", volumes)):
            yield from (f"{key} {value}" for value in values)
        if probe:
            yield f"probe {probe}"


# A request and how its answer begins once the service serves: the questions that cleanroom asks.
STARTUP = b"\x00\x03\x00\x00user\x00postgres\x00\x00"
PROBES = {
    "postgres": (5432, (len(STARTUP) + 4).to_bytes(4, "big") + STARTUP, b"R"),
    "redis": (6379, b"PING\r\n", b"+PONG"),
    "memcache": (11211, b"version\r\n", b"VERSION"),
}


def serves(address, service, timeout=1.0):
    """Asks once."""
    port, request, answer = PROBES[service]
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(answer)
    except OSError:
        return False


class Compose:
    """docker-compose: N projects started together, each up, polled, run, down -v."""

    name = "docker-compose"
    repeat = 1
    FILE = f"""\
version: "2.4"
services:
  postgres:
    image: "{IMAGES['postgres']}"
    environment: {{POSTGRES_PASSWORD: secret}}
  redis: {{image: "{IMAGES['redis']}"}}
  memcache: {{image: "{IMAGES['memcache']}"}}
  app:
    image: "{APP}"
    command: test
    profiles: [app]
"""

    def __init__(self, directory):
        self.directory = directory

    def prepare(self):
        if not shutil.which("docker-compose"):
            raise LeftOut("docker-compose is not installed: ci/setup bench")
        (self.directory / "docker-compose.yml").write_text(self.FILE)
        self.run(1)

    def run(self, shards, sampler=None):
        del sampler  # it is many processes
        with concurrent.futures.ThreadPoolExecutor(shards) as pool:
            list(pool.map(lambda number: self.project(f"bench{number}"), range(shards)))

    def project(self, name):
        try:
            self.compose(name, "up", "-d")
            for service in PROBES:
                self.wait_ready(self.address_of(f"{name}_{service}_1"), service)
            self.compose(name, "run", "--rm", "-T", "app")
        finally:
            self.compose(name, "down", "-v", "-t", "0")

    def compose(self, project, *words):
        checked(["docker-compose", "-p", project, *words], cwd=self.directory)

    @staticmethod
    def address_of(container):
        return checked(["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
                        container]).strip()

    @staticmethod
    def wait_ready(address, service):
        deadline = time.monotonic() + 60
        while not serves(address, service):
            if time.monotonic() > deadline:
                raise LeftOut(f"compose: {service} at {address} is not ready after 60 s")
            time.sleep(0.01)
