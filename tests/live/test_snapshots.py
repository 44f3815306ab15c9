# SPDX-License-Identifier: Apache-2.0
"""Services that were initialised once, and apps that were deployed once: each copy as fresh as the
first, and nobody's but its shard's."""

import os
import re
import signal
import time

from harness import LiveTest, POSTGRES, POSTGRES_SEEDED, REDIS, on, wait_until

SQL = "cleanroom-test/sql:15"
POSTGIS = "cleanroom-test/postgis:15"
INITIALISED = "postgres: initialised once and kept as a snapshot in"


class Copies(LiveTest):
    """Each test has a user name of its own, so a key that no other run has made."""

    def setUp(self):
        super().setUp()
        self.user = "live" + os.urandom(6).hex()
        self.addCleanup(self.drop_kept)

    def yaml(self, image=POSTGRES, more="", services="postgres", extra=""):
        return (f"services: [{services}]\napplication_id: live\n"
                f"postgres: {{image: '{image}', user: {self.user}{more}}}\n"
                f"redis: {{image: '{REDIS}'}}\n{extra}")

    def go(self, *args, code=0, app=SQL, **options):
        options.setdefault("yaml", self.yaml())
        result = self.run_cleanroom("--shards", 2, *args, app, **options)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
        for found in self.origins(result):
            key = re.match(r"(?:deploy )?([0-9a-f]{12}) \((?:made|reused)\)", found)
            if key:
                self.keys.add(key[1])
        return result

    keys = frozenset()
    service = "postgres"

    def origins(self, result, service=None):
        """From what the service was started, by the report: of each shard."""
        self.keys = set(self.keys)
        return [entry.get("value") for suite in result.suites if suite.get("name") != "cleanroom"
                for entry in suite.iter("property") if entry.get("name") == f"snapshot.{service or self.service}"]

    def assert_origins(self, result, pattern, service=None):
        found = self.origins(result, service)
        self.assertEqual(len(found), 2, f"\n{result}")
        for origin in found:
            self.assertRegex(origin, pattern, f"\n{result}")

    def drop_kept(self):
        """What these tests keep nobody will use again."""
        for name in self.kept_images():
            if name.startswith("cleanroom-snapshot:") and name.split(":")[1][:12] in self.keys:
                self.remove_image(name)

    def kept_images(self):
        if self.engine.kind() in ("docker", "podman"):
            found = self.engine.request("GET", "/images/json")
            return [self.engine.name(image) for image in found if image.get("RepoTags")]
        return re.findall(r"cleanroom-snapshot:[0-9a-z-]+", self.image("ls"))

    def remove_image(self, name):
        if self.engine.kind() in ("docker", "podman"):
            self.engine.request("DELETE", f"/images/{name}")
        else:
            self.image("rm", name)


class Snapshots(Copies):
    def test_the_second_run_uses_what_the_first_has_made(self):
        first = self.go(test="wanted 'SELECT current_user' $(sed 's,.*//\\([^:]*\\):.*,\\1,' <<< $DB_DEFAULT_URL)")
        self.assert_says(first, INITIALISED)
        self.assert_origins(first, r"^[0-9a-f]{12} \(made\)$")
        second = self.go(test="wanted 'SHOW wal_segment_size' 1MB")
        self.assertNotIn(INITIALISED, second.out)
        self.assertEqual([word.replace("made", "reused") for word in self.origins(first)],
                         self.origins(second))

    def test_each_shard_has_its_own_password_in_each_run(self):
        """Let in with its own; refused with that of the other shard and of the run before."""
        tell = "say \"mine $(password)\"; wanted 'SELECT 1' 1; refused wrong"
        first = self.go(test=tell)
        old = re.findall(r"mine ([0-9a-f]{32})", first.log(1) + first.log(2))
        self.assertEqual(len(set(old)), 2)
        refuse = " && ".join(f"refused {password}" for password in old)
        second = self.go(test=f"{tell} && {refuse}")
        new = re.findall(r"mine ([0-9a-f]{32})", second.log(1) + second.log(2))
        self.assertEqual(len(set(old + new)), 4)

    def test_a_chosen_password_is_part_of_the_key(self):
        first = self.go(yaml=self.yaml(more=", password: one"), test="wanted 'SELECT 1' 1; refused two")
        second = self.go(yaml=self.yaml(more=", password: two"), test="wanted 'SELECT 1' 1; refused one")
        for result in (first, second):
            self.assert_origins(result, r"\(made\)$")
        self.assertNotEqual(self.origins(first), self.origins(second))

    def test_what_a_shard_writes_nobody_else_sees(self):
        write = """wanted "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'" 0
                   query "CREATE TABLE mine AS SELECT $CLEANROOM_SHARD_NUMBER AS n"
                   query 'CHECKPOINT'
                   wanted 'SELECT n FROM mine' $CLEANROOM_SHARD_NUMBER"""
        for _ in range(2):
            self.go(test=write)

    def test_a_bake_that_is_killed_leaves_nothing(self):
        process = self.start(SQL, yaml=self.yaml())
        wait_until(lambda: (process.results / "bake/postgres.log").exists() and
                   (process.results / "bake/postgres.log").stat().st_size > 0, 60, "a bake")
        process.signal(signal.SIGKILL)
        process.popen.wait()
        self.assert_nothing_left()
        self.assert_says(self.go(), INITIALISED)

    def test_two_runs_that_bake_the_same_do_no_harm(self):
        both = [self.start("--shards", 2, SQL, yaml=self.yaml(), test="wanted 'SELECT 1' 1")
                for _ in range(2)]
        for process in both:
            result = process.wait()
            self.assert_exit(result, 0)
            self.assert_nothing_left_now(result)
        self.assert_origins(self.go(), r"\(reused\)$")

    def test_without_snapshots(self):
        result = self.go("--no-snapshots", test="wanted 'SHOW wal_segment_size' 16MB")
        self.assert_origins(result, "^from zero$")
        self.assertNotIn(INITIALISED, result.out)
        result = self.go(yaml=self.yaml(more=", snapshot: no"), test="wanted 'SHOW wal_segment_size' 16MB")
        self.assert_origins(result, "^from zero$")

    def test_another_image_is_another_snapshot_and_has_its_scripts_done(self):
        plain = self.go()
        result = self.go(yaml=self.yaml(image=POSTGIS),
                         test="""wanted "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'" 1""")
        self.assert_says(result, INITIALISED)
        self.assertNotEqual(self.origins(plain), self.origins(result))

    def test_a_database_in_the_image_is_left_as_it_is(self):
        yaml = f"services: [postgres]\npostgres: {{image: '{POSTGRES_SEEDED}', user: seed, password: seed, name: seed}}\n"
        # The image keeps its data outside of its volume.
        result = self.go(yaml=yaml, test="wanted 'SELECT count(*) FROM seed' 1000")
        self.assert_origins(result, "^from zero: ")

    def test_a_server_that_takes_no_password_starts_from_nothing(self):
        """Its unix socket asks for one, so a copy cannot be told its own."""
        yaml = self.yaml(more=", environment: {POSTGRES_INITDB_ARGS: '--auth=scram-sha-256'}")
        result = self.go(yaml=yaml, test="wanted 'SELECT 1' 1")
        self.assert_says(result, "postgres: no snapshot of it could be made, each shard initialises its own: .*asks")
        self.assert_origins(result, "^from zero: ")


@on("docker", "podman")
class KeptInADaemon(Copies):
    """A daemon keeps what it is given, so somebody has to tidy up. Here in a cache directory of our
    own: what is noted there as used is used."""

    MOST = 32  # KEPT_MAX

    def setUp(self):
        super().setUp()
        self.cache = self.make_directory("cache")
        self.env = {"XDG_CACHE_HOME": str(self.cache)}

    def go(self, *args, **options):
        options.setdefault("env", self.env)
        return super().go(*args, **options)

    def plant(self, number, used, suffix=""):
        """An image that was last used then; its name."""
        key = f"{os.urandom(14).hex()}{number:04x}"
        self.engine.plant(f"cleanroom-snapshot:{key}{suffix}")
        self.addCleanup(self.drop, f"cleanroom-snapshot:{key}{suffix}")
        lease = self.cache / "cleanroom/leases" / key
        lease.parent.mkdir(parents=True, exist_ok=True)
        lease.touch()
        os.utime(lease, (used, used))
        return f"cleanroom-snapshot:{key}{suffix}"

    def drop(self, name):
        if name in self.engine.kept().values():
            self.remove_image(name)

    def snapshot_of(self, result):
        """The name of the image that postgres was started from."""
        key = self.origins(result)[0].split()[0]
        found = [name for name in self.engine.kept().values() if name.startswith(f"cleanroom-snapshot:{key}")]
        self.assertEqual(len(found), 1, f"{key}: {found}")
        return found[0]

    def test_a_run_that_has_made_one_removes_the_least_recently_used(self):
        soon = time.time() + 3600  # whatever else is kept there was used before
        planted = [self.plant(i, soon - i) for i in range(self.MOST + 2)]
        first = self.go()
        self.assert_says(first, INITIALISED)
        there = set(self.engine.kept().values())
        self.assertEqual([name for name in planted if name not in there], planted[-2:])
        leases = {lease.name for lease in (self.cache / "cleanroom/leases").iterdir()}
        self.assertFalse({name.split(":")[1] for name in planted[-2:]} & leases)
        # It is in use when it is one too many.
        self.assertIn(self.snapshot_of(first), there)

        # Where nothing was made nobody asks.
        planted.append(self.plant(self.MOST, soon - self.MOST))
        second = self.go("-vv")
        self.assert_origins(second, r"\(reused\)$")
        self.assertIn("GET /images/cleanroom-snapshot", second.err)
        self.assertNotIn("org.cleanroom.snapshot", second.err)
        self.assertIn(planted[-1], self.engine.kept().values())

        said = self.image("prune", env=self.env)
        self.assertIn(f"removed {planted[-1]}\n", said)
        self.assertEqual(set(self.engine.kept().values()) & set(planted), set(planted[:self.MOST]))

    def test_by_hand(self):
        name = self.snapshot_of(self.go())
        for what in (name, next(image for image, its in self.engine.kept().items() if its == name)):
            self.assertRegex(self.image("ls", env=self.env), rf"(?m)^{name} +[0-9a-f]{{12}} +\d+ MB  just now, a snapshot$")
            process = self.start("--shards", 2, SQL, yaml=self.yaml(), env=self.env,
                                 test="touch /storage/on; until [ -e /tmp/never ]; do sleep 0.1; done")
            process.wait_for_output("shard")
            self.assertRegex(self.image("ls", env=self.env), rf"(?m)^{name} .* in use, a snapshot$")
            self.assertIn(f"not removed: {name}: a run uses it", self.image("rm", what, env=self.env, code=3))
            process.signal(signal.SIGTERM)
            process.wait()
        self.assertEqual(self.image("rm", name, env=self.env), f"removed {name}\n")
        self.assertIn(f"there is no image '{name}'", self.image("rm", name, env=self.env, code=2))
        self.assertIn("'docker load'", self.image("load", "x.tar", code=2))
        self.assert_says(self.go(), INITIALISED)

    def test_what_belongs_together_goes_together(self):
        deployed = self.once()
        key = re.match("deploy ([0-9a-f]+) ", self.origins(deployed)[0])[1]
        names = {name for name in self.engine.kept().values() if name.startswith(f"cleanroom-snapshot:{key}")}
        self.assertEqual(len(names), 2)
        deploys = self.cache / "cleanroom/deploys"
        self.assertEqual(len(list(deploys.iterdir())), 1)
        # Its files are gone, and so it is of no use.
        orphan = self.plant(1, time.time(), "-redis")
        self.assertIn(f"removed {orphan}\n", self.image("prune", env=self.env))
        self.assertLessEqual(names, set(self.engine.kept().values()))

        self.image("rm", min(names), env=self.env)
        self.assertFalse(names & set(self.engine.kept().values()))
        self.assertEqual(list(deploys.iterdir()), [])
        self.assert_says(self.once(), "deploy: ran once and kept in")

    def once(self):
        return self.go("--deploy", "once", yaml=self.yaml(services="postgres, redis"), test="wanted 'SELECT 1' 1")

    def test_one_that_is_removed_under_a_run_is_made_up_for(self):
        """By somebody who does not see the run's lease: another cache directory, or `docker rmi`."""
        name = self.snapshot_of(self.go(yaml=self.yaml(more=", password: chosen")))
        elsewhere = {"XDG_CACHE_HOME": str(self.make_directory("elsewhere"))}
        # While the run waits for another service's snapshot to be made.
        yaml = self.yaml(more=", password: chosen", services="postgres, postgis", extra=(
            f"postgis: {{image: '{POSTGIS}', user: {self.user}, port: 5433}}\n"
            f"environment: {{DB_DEFAULT_URL: 'postgres://{self.user}:chosen@127.0.0.1:5432/live'}}\n"))
        process = self.start("--shards", 2, SQL, yaml=yaml, env=self.env, test="wanted 'SELECT 1' 1; refused wrong")
        log = process.results / "bake/postgis.log"
        wait_until(lambda: log.exists() and log.stat().st_size > 0, 60, "a bake")
        process.signal(signal.SIGSTOP)  # the engine may take longer to remove than the bake does
        self.assertEqual(self.image("rm", name, env=elsewhere), f"removed {name}\n")
        process.signal(signal.SIGCONT)
        result = process.wait()
        self.assert_exit(result, 0)
        self.assert_nothing_left_now(result)
        self.assert_says(result, "postgres: somebody has removed its snapshot, it is initialised anew")
        self.assert_origins(result, "^from zero: its snapshot was removed meanwhile$")
        self.assert_origins(result, r"\(made\)$", "postgis")
        self.assert_says(self.go(yaml=self.yaml(more=", password: chosen")), INITIALISED)

    @on("podman")  # a daemon that nobody else is at work in
    def test_everything(self):
        self.go()
        self.image("prune", "--all", env=self.env)
        self.assertEqual(self.engine.kept(), {})
        self.assert_says(self.go(), INITIALISED)


class DeployOnce(Copies):
    DEPLOY = """say deploying; query 'CREATE TABLE t AS SELECT 42 AS n'; echo one > /storage/one;
                install -d -o 999 -g 998 -m 0751 /storage/deep;
                install -o 1000 -g 1001 -m 0640 /storage/one /storage/deep/file;
                ln -s deep/file /storage/link; redis_here SET k deployed"""
    TEST = """wanted 'SELECT n FROM t' 42; wanted 'SELECT count(*) FROM t' 1; query 'INSERT INTO t VALUES (1)'
              got /storage/one one; got /storage/link one; echo changed > /storage/one
              refused wrong; say "redis $(redis_here GET k)"; redis_here SET k changed
              echo static > /static/file"""

    def once(self, *args, deploy=DEPLOY, test=TEST, extra="", **options):
        extra += f"cleanroom: {{deploy: once}}\nenvironment: {{TESTAPP_DEPLOY: {quoted(deploy)}}}\n"
        return self.go(*args, test=test, yaml=self.yaml(services="postgres, redis", extra=extra), **options)

    def test_every_shard_of_every_run_is_a_copy(self):
        first = self.once()
        self.assert_says(first, r"\[\*\] deploying", "deploy: ran once and kept in")
        self.assertEqual(first.out.count("deploying"), 1)
        self.assertEqual([case for case in first.cases if case[1] == "deploy"],
                         [("cleanroom", "deploy", "passed", "")])
        second = self.once()
        self.assert_says(second, "deploy: nothing has changed, [0-9a-f]{12} is used again")
        self.assertNotIn("deploying", second.out)
        for result, word in ((first, "made"), (second, "reused")):
            self.assert_origins(result, rf"^deploy [0-9a-f]{{12}} \({word}\)$")
            self.assert_origins(result, rf"^deploy [0-9a-f]{{12}} \({word}\)$", "redis")
            for shard in (1, 2):
                self.assertIn("redis deployed", result.log(shard))

    @on("docker", "embedded", "rootless")  # Podman 4 makes everything root's that is copied out
    def test_owners_and_modes_survive(self):
        self.once(test="""say "$(stat -c '%n %u:%g %a' /storage/deep /storage/deep/file /storage | xargs)" &&
            [ "$(stat -c %u:%g:%a /storage/deep)" = 999:998:751 ] &&
            [ "$(stat -c %u:%g:%a /storage/deep/file)" = 1000:1001:640 ] &&
            [ "$(stat -c %a /storage)" = 1777 ]""")

    def test_another_deploy_is_run_again(self):
        self.once()
        again = self.once(deploy=self.DEPLOY + "; say otherwise")
        self.assert_says(again, r"\[\*\] otherwise", "deploy: ran once and kept in")

    def test_a_deploy_that_fails_is_not_kept(self):
        failed = self.once(deploy="say trying; exit 7", code=1)
        self.assert_red_case(failed, "deploy", "exit code 7")
        self.assertEqual({case[2] for case in failed.cases if case[1] == "test"}, {"skipped"})
        again = self.once(deploy="say trying; exit 7", code=1)
        self.assert_says(again, r"\[\*\] trying")

    def test_without_snapshots_each_shard_deploys(self):
        result = self.once("--no-snapshots")
        self.assertEqual(result.out.count("deploying"), 2)
        self.assert_origins(result, "^from zero$")

    def test_a_killed_deploy_leaves_nothing(self):
        process = self.start("--deploy", "once", SQL, yaml=self.yaml(),
                             env={"TESTAPP": ""}, test="say tested")
        wait_until(lambda: (process.results / "seed/postgres.log").exists(), 60, "a seed")
        process.signal(signal.SIGKILL)
        process.popen.wait()
        self.assert_nothing_left()

    def test_what_cannot_be_copied_is_said(self):
        result = self.run_cleanroom("--deploy", "once", SQL,
                                    yaml=self.yaml(more=", snapshot: no"))
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "'postgres'", "'deploy: each'")
        result = self.run_cleanroom("--deploy", "once", SQL, yaml=self.yaml(more=", host: db.example"))
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "'postgres'", "elsewhere")
        result = self.run_cleanroom("--deploy", "once", SQL, yaml=self.yaml(
            more=", password: x, environment: {PGDATA: /var/lib/postgresql/data/here}"))
        self.assert_exit(result, 2)
        self.assert_one_sentence(result, "'postgres'", "PGDATA")
        self.assert_nothing_left_now(result)


def quoted(text):
    """As YAML has it."""
    return "'" + " ".join(text.split()).replace("'", "''") + "'"
