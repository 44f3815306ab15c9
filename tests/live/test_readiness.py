# SPDX-License-Identifier: Apache-2.0
"""Real servers, asked by the real satellite in a pod built by hand: "ready" must be the truth.

The pod is the program's own: the satellite holds the network namespace, the service joins it.
"""

import os
import pathlib
import queue
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import views

SATELLITE = pathlib.Path(harness.CLEANROOM).resolve().parent / "satellite"
POSTGRES_ENV = ["POSTGRES_USER=my_app", "POSTGRES_PASSWORD=right", "POSTGRES_DB=my_app",
                "POSTGRES_INITDB_ARGS=--no-sync --auth-host=scram-sha-256"]
POSTGRES_ARGV = ["postgres", "-c", "fsync=off", "-c", "synchronous_commit=off",
                 "-c", "full_page_writes=off", "-c", "max_wal_size=256MB"]


def command(*words, check=True):
    done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{words}: {done.stderr}")
    return done


class DockerPod:
    """The satellite holds the network namespace, the service joins it, by the docker client."""

    def __init__(self, image, probe):
        self.made = []
        self.holder = self.docker("create", "--network", "none", "--volume", f"{SATELLITE}:/satellite:ro",
                                  "--entrypoint", "/satellite", image, "hold", "--probe", probe)
        self.made.append(self.holder)
        self.output = subprocess.Popen(
            ["docker", "--host", views.DOCKER_HOST, "start", "--attach", self.holder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def docker(*words):
        return command("docker", "--host", views.DOCKER_HOST, *words).stdout.strip()

    def terminate(self):
        """A polite signal; the satellite's exit code, as pid 1."""
        self.docker("stop", "--time", "8", self.holder)
        return int(self.docker("inspect", "-f", "{{.State.ExitCode}}", self.holder))

    def serve(self, image, *argv, env=()):
        words = [word for entry in env for word in ("--env", entry)]
        self.made.append(self.docker("run", "--detach", "--network", f"container:{self.holder}", *words,
                                     image, *argv))

    def log(self):
        done = command("docker", "--host", views.DOCKER_HOST, "logs", self.made[-1])
        return done.stdout + done.stderr

    def run(self, *argv, env):
        return command("docker", "--host", views.DOCKER_HOST, "exec", "--env", env, self.made[-1], *argv,
                       check=False)

    def remove(self):
        for container in reversed(self.made):
            self.docker("rm", "--force", "--volumes", container)


class BarePod:
    """The same by unshare and buildah, which need no daemon."""

    STORAGE = "/var/lib/cleanroom-images"
    BUILDAH = ["buildah", "--root", f"{STORAGE}/root", "--runroot", f"{STORAGE}/run"]

    def __init__(self, _image, probe):
        self.made, self.services = [], []
        self.output = subprocess.Popen(
            ["unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c",
             'ip link set lo up && exec "$0" hold --probe "$1"', SATELLITE, probe],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def holder(self):
        return views.read(f"/proc/{self.output.pid}/task/{self.output.pid}/children").split()[0]

    def terminate(self):
        os.kill(int(self.holder()), signal.SIGTERM)
        return self.output.wait(8)

    def container(self, image):
        made = command(*self.BUILDAH, "from", "--pull=never", f"docker.io/{image}").stdout.strip()
        self.made.append(made)
        return made

    def within(self, container, env, *before):
        words = [word for entry in env for word in ("--env", entry)]
        return ["nsenter", f"--net=/proc/{self.holder()}/ns/net", *before, *self.BUILDAH, "run",
                "--isolation", "chroot", *words, container, "--"]

    def serve(self, image, *argv, env=()):
        self.output_of_service = tempfile.TemporaryFile()
        self.image, self.env = image, list(env)
        self.services.append(subprocess.Popen(
            [*self.within(self.container(image), env, "unshare", "--pid", "--fork", "--kill-child", "--ipc",
                          "--mount-proc", "sh", "-c", 'mount -t tmpfs shm /dev/shm && exec "$@"', "sh"),
             "docker-entrypoint.sh", *argv],
            stdin=subprocess.DEVNULL, stdout=self.output_of_service, stderr=subprocess.STDOUT))

    def log(self):
        self.output_of_service.seek(0)
        return self.output_of_service.read().decode()

    def run(self, *argv, env):
        # In a container of its own: buildah would mount the other's files once more.
        return command(*self.within(self.container(self.image), [*self.env, env]), *argv, check=False)

    def remove(self):
        for process in [*self.services, self.output]:
            process.kill()
            process.wait()
        for container in self.made:
            command(*self.BUILDAH, "rm", container)


POD = BarePod if harness.LiveTest.engine.kind() == "embedded" else DockerPod


@harness.on("docker", "podman", "embedded")
class Readiness(unittest.TestCase):
    def hold(self, image, probe):
        """Starts the satellite as holder; its lines arrive in a queue. Any image will do."""
        pod = POD(image, probe)
        self.addCleanup(pod.remove)
        lines = queue.SimpleQueue()

        def follow():
            for line in pod.output.stdout:
                lines.put(line.rstrip("\n"))

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        # Last in, first out: the holder is removed, so its output ends, before we wait for that.
        self.addCleanup(pod.output.stdout.close)
        self.addCleanup(reader.join, 10)
        self.addCleanup(pod.output.wait, 10)
        self.addCleanup(self.stop, pod)
        self.assertEqual(lines.get(timeout=30), "up")
        self.assertRegex(lines.get(timeout=30), "^waiting s connection refused$")
        return pod, lines

    def stop(self, pod):
        begun = time.monotonic()
        self.assertEqual(pod.terminate(), 0)
        self.assertLess(time.monotonic() - begun, 7, "the satellite as pid 1 did not heed SIGTERM")

    def until_ready(self, lines):
        """Every line up to "ready"; that one is the last."""
        seen = []
        while True:
            try:
                seen.append(lines.get(timeout=60))
            except queue.Empty:
                self.fail(f"not ready after 60 s: {seen}")
            if seen[-1].startswith("ready s "):
                return seen

    def query(self, pod, password, sql, database="my_app"):
        return pod.run("psql", "-h", "127.0.0.1", "-U", "my_app", "-d", database, "-XAtc", sql,
                       env=f"PGPASSWORD={password}")

    def assert_serves(self, pod):
        done = self.query(pod, "right", "select current_user || '@' || current_database()")
        self.assertEqual((done.stdout.strip(), done.stderr), ("my_app@my_app", ""))

    def test_postgres_cold(self):
        pod, lines = self.hold(harness.POSTGRES, "s:postgres:5432:my_app/my_app")
        pod.serve(harness.POSTGRES, *POSTGRES_ARGV, env=POSTGRES_ENV)
        self.until_ready(lines)
        log = pod.log()
        self.assert_serves(pod)
        self.assertIn("init process complete", log, "ready before it was")
        wrong = self.query(pod, "wrong", "select 1")
        self.assertIn("password authentication failed", wrong.stderr)

    def test_postgres_on_another_port(self):
        pod, lines = self.hold(harness.POSTGRES, "s:postgres:5433:my_app/my_app")
        pod.serve(harness.POSTGRES, *POSTGRES_ARGV,
                              env=[*POSTGRES_ENV, "PGPORT=5433"])
        self.until_ready(lines)
        self.assert_serves(pod)

    def test_postgres_seeded(self):
        pod, lines = self.hold(harness.POSTGRES_SEEDED, "s:postgres:5432:seed/seed")
        pod.serve(harness.POSTGRES_SEEDED, *POSTGRES_ARGV)
        self.until_ready(lines)
        done = pod.run("psql", "-h", "127.0.0.1", "-U", "seed", "-d", "seed", "-XAtc",
                       "select count(*) from seed", env="PGPASSWORD=seed")
        self.assertEqual((done.stdout.strip(), done.stderr), ("1000", ""))

    def test_redis(self):
        pod, lines = self.hold(harness.REDIS, "s:redis:6379:")
        pod.serve(harness.REDIS, "redis-server", "--save", "", "--appendonly", "no")
        self.until_ready(lines)
        self.assertEqual(pod.run("redis-cli", "ping", env="A=b").stdout.strip(), "PONG")

    def test_redis_with_a_password(self):
        pod, lines = self.hold(harness.REDIS, "s:redis:6380:")
        pod.serve(harness.REDIS, "redis-server", "--requirepass", "x", "--port", "6380")
        self.until_ready(lines)

    def test_memcached(self):
        pod, lines = self.hold(harness.MEMCACHED, "s:memcache:11212:")
        pod.serve(harness.MEMCACHED, "memcached", "-m", "64", "-p", "11212")
        self.until_ready(lines)

    def test_another_protocol(self):
        pod, lines = self.hold(harness.REDIS, "s:memcache:6379:")
        pod.serve(harness.REDIS, "redis-server", "--save", "")
        self.assertEqual(lines.get(timeout=30), "waiting s not the memcached protocol")


if __name__ == "__main__":
    unittest.main()
