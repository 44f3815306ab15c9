# SPDX-License-Identifier: Apache-2.0
"""Real servers, asked by the real satellite in a pod built by hand: "ready" must be the truth.

The pod is the program's own: the satellite holds the network namespace, the service joins it.
"""

import pathlib
import queue
import subprocess
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


def docker(*words, check=True):
    done = subprocess.run(["docker", "--host", views.DOCKER_HOST, *words], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"docker {words}: {done.stderr}")
    return done


@harness.on("docker", "podman")
class Readiness(unittest.TestCase):
    def remove(self, container):
        docker("rm", "--force", "--volumes", container)

    def hold(self, image, probe):
        """Starts the satellite as holder; its lines arrive in a queue. Any image will do."""
        container = docker("create", "--network", "none", "--volume", f"{SATELLITE}:/satellite:ro",
                           "--entrypoint", "/satellite", image, "hold", "--probe", probe).stdout.strip()
        self.addCleanup(self.remove, container)
        follower = subprocess.Popen(
            ["docker", "--host", views.DOCKER_HOST, "start", "--attach", container],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        lines = queue.SimpleQueue()

        def follow():
            for line in follower.stdout:
                lines.put(line.rstrip("\n"))

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        # Last in, first out: the holder is removed, so its output ends, before we wait for that.
        self.addCleanup(follower.stdout.close)
        self.addCleanup(reader.join, 10)
        self.addCleanup(follower.wait, 10)
        self.addCleanup(self.stop, container)
        self.assertEqual(lines.get(timeout=30), "up")
        self.assertRegex(lines.get(timeout=30), "^waiting s connection refused$")
        return container, lines

    def stop(self, container):
        begun = time.monotonic()
        docker("stop", "--time", "8", container)
        self.assertLess(time.monotonic() - begun, 7, "the satellite as pid 1 did not heed SIGTERM")
        self.assertEqual(docker("inspect", "-f", "{{.State.ExitCode}}", container).stdout.strip(), "0")

    def serve(self, holder, image, *argv, env=()):
        words = [word for entry in env for word in ("--env", entry)]
        container = docker("run", "--detach", "--network", f"container:{holder}", *words, image,
                           *argv).stdout.strip()
        self.addCleanup(self.remove, container)
        return container

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

    def query(self, container, password, sql, database="my_app"):
        return docker("exec", "--env", f"PGPASSWORD={password}", container, "psql", "-h", "127.0.0.1",
                      "-U", "my_app", "-d", database, "-XAtc", sql, check=False)

    def assert_serves(self, postgres):
        done = self.query(postgres, "right", "select current_user || '@' || current_database()")
        self.assertEqual((done.stdout.strip(), done.stderr), ("my_app@my_app", ""))

    def test_postgres_cold(self):
        holder, lines = self.hold(harness.POSTGRES, "s:postgres:5432:my_app/my_app")
        postgres = self.serve(holder, harness.POSTGRES, *POSTGRES_ARGV, env=POSTGRES_ENV)
        self.until_ready(lines)
        log = docker("logs", postgres)
        self.assert_serves(postgres)
        self.assertIn("init process complete", log.stdout + log.stderr, "ready before it was")
        wrong = self.query(postgres, "wrong", "select 1")
        self.assertIn("password authentication failed", wrong.stderr)

    def test_postgres_on_another_port(self):
        holder, lines = self.hold(harness.POSTGRES, "s:postgres:5433:my_app/my_app")
        postgres = self.serve(holder, harness.POSTGRES, *POSTGRES_ARGV,
                              env=[*POSTGRES_ENV, "PGPORT=5433"])
        self.until_ready(lines)
        self.assert_serves(postgres)

    def test_postgres_seeded(self):
        holder, lines = self.hold(harness.POSTGRES_SEEDED, "s:postgres:5432:seed/seed")
        postgres = self.serve(holder, harness.POSTGRES_SEEDED, *POSTGRES_ARGV)
        self.until_ready(lines)
        done = docker("exec", "--env", "PGPASSWORD=seed", postgres, "psql", "-h", "127.0.0.1",
                      "-U", "seed", "-d", "seed", "-XAtc", "select count(*) from seed")
        self.assertEqual(done.stdout.strip(), "1000")

    def test_redis(self):
        holder, lines = self.hold(harness.REDIS, "s:redis:6379:")
        redis = self.serve(holder, harness.REDIS, "redis-server", "--save", "", "--appendonly", "no")
        self.until_ready(lines)
        self.assertEqual(docker("exec", redis, "redis-cli", "ping").stdout.strip(), "PONG")

    def test_redis_with_a_password(self):
        holder, lines = self.hold(harness.REDIS, "s:redis:6380:")
        self.serve(holder, harness.REDIS, "redis-server", "--requirepass", "x", "--port", "6380")
        self.until_ready(lines)

    def test_memcached(self):
        holder, lines = self.hold(harness.MEMCACHED, "s:memcache:11212:")
        self.serve(holder, harness.MEMCACHED, "memcached", "-m", "64", "-p", "11212")
        self.until_ready(lines)

    def test_another_protocol(self):
        holder, lines = self.hold(harness.REDIS, "s:memcache:6379:")
        self.serve(holder, harness.REDIS, "redis-server", "--save", "")
        self.assertEqual(lines.get(timeout=30), "waiting s not the memcached protocol")


if __name__ == "__main__":
    unittest.main()
