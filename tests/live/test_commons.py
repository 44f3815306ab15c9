# SPDX-License-Identifier: Apache-2.0
"""Services that are one for all shards: four write the same tables, keys and queues, and each sees its
own alone; there is one server; what goes wrong with it is told; nothing is left of it."""

import pathlib
import re
import shutil
import signal
import subprocess
import urllib.request

from harness import (APP, CLEANROOM, EXITS_AT_ONCE, MEMCACHED, NEVER_READY, POSTGRES, RABBITMQ, REDIS, TOP,
                     USER, LiveTest)

SQL = "cleanroom-test/sql:15"
POSTGIS = "cleanroom-test/postgis:15"
MARIADB = "cleanroom-test/mariadb:10"
CLIENTS = "cleanroom-test/clients:latest"
SHARED = f"""services: [postgres, redis, memcache]
application_id: live
postgres: {{image: '{POSTGRES}', isolation: namespace}}
redis: {{image: '{REDIS}', isolation: namespace}}
memcache: {{image: '{MEMCACHED}', isolation: namespace}}
"""
ONE_REDIS = f"services: [redis]\nredis: {{image: '{REDIS}', isolation: namespace}}\n"

# The same table, the same primary key, the same keys; each finds what only it has written.
WRITE = """
    n=$CLEANROOM_SHARD_NUMBER
    query "CREATE TABLE t (id int PRIMARY KEY, who int); INSERT INTO t VALUES (1, $n)"
    exec 9<> "/dev/tcp/${REDIS_HOSTS%%:*}/${REDIS_HOSTS##*:}" 8<> "/dev/tcp/${MEMCACHE_HOSTS%%:*}/${MEMCACHE_HOSTS##*:}"
    ask_on() { IFS= read -rt 5 -u "$1" line; line=${line%$'\\r'}; }
    ask() { printf '%s\\r\\n' "${@:2}" >&"$1"; ask_on "$1"; }
    ask 9 "SELECT $REDIS_DB_INDEX"; ask 9 DBSIZE; [ "$line" = :0 ] || fail "keys: $line"
    ask 9 "SET key $n"
    ask 8 "add ${MEMCACHE_PREFIX}key 0 0 1" "$n"; [ "$line" = STORED ] || fail "memcache: $line"
"""
# By way of what they share: nobody goes on before all four are here.
MEET = """
    ask 9 "SELECT 15"; ask 9 "INCR here"
    until [ "$line" = 4 ]; do read -rt 0.05 <> <(:); ask 9 "GET here"; ask_on 9; done
    ask 9 "SELECT $REDIS_DB_INDEX"
"""
READ = """
    wanted "SELECT who FROM t" "$n"
    ask 9 DBSIZE; [ "$line" = :1 ] || fail "keys: $line"
    ask 9 "GET key"; ask_on 9; [ "$line" = "$n" ] || fail "redis: $line"
    ask 8 "get ${MEMCACHE_PREFIX}key"; ask_on 8; [ "$line" = "$n" ] || fail "memcache: $line"
    say "server $(query 'SELECT pg_postmaster_start_time()')"
"""


class Commons(LiveTest):
    def go(self, *args, code=0, app=APP, **options):
        result = self.run_cleanroom(*args, app, **options)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
        return result

    def properties(self, result, name):
        return [entry.get("value") for suite in result.suites for entry in suite.iter("property")
                if entry.get("name") == name]


class Namespaces(Commons):
    def test_four_shards_one_server(self):
        result = self.go("--shards", 4, app=SQL, yaml=SHARED, test=WRITE + MEET + READ)
        self.assert_says(result, r"\* postgres: one for all shards, a database each\n",
                         r"\* memcache: one for all shards, a prefix each\n",
                         r"ready in .* \(postgres of all shards, redis of all shards, memcache of all shards\)")
        servers = {re.search("^server (.*)$", result.log(shard), re.M)[1] for shard in range(1, 5)}
        self.assertEqual(len(servers), 1, f"\n{result}")
        self.assertEqual(sorted(path.name for path in (result.results / "commons").iterdir()),
                         ["memcache.log", "postgres.log", "redis.log"])
        self.assertEqual(list(result.results.glob("shard-*/postgres.log")), [])
        self.assertEqual(self.properties(result, "isolation.postgres"),
                         ["namespace: one for all shards, a database each"] * 4)
        self.assertEqual(result.run_json["isolation redis"], "one for all shards, a database each")

    def test_some_are_shared(self):
        """Beside one of each shard's own, of the same kind, at the same port's neighbour."""
        yaml = SHARED.replace("memcache]", "own]") + f"""cleanroom: {{services: {{
            own: {{service: redis, image: '{REDIS}'}}}}}}\n"""
        result = self.go("--shards", 3, app=SQL, yaml=yaml, test="""
            [ "$OWN_REDIS_DB_INDEX" = 0 ] || fail "index $OWN_REDIS_DB_INDEX"
            [ "$OWN_REDIS_HOSTS" != "$REDIS_HOSTS" ] || fail "both at $REDIS_HOSTS"
            REDIS_HOSTS=$OWN_REDIS_HOSTS; redis_here FLUSHALL; redis_here SET mine yes
            [ "$(redis_here DBSIZE)" = :1 ] || fail 'not alone'""")
        self.assertEqual(self.properties(result, "isolation.own"), ["shard"] * 3)
        self.assertTrue((result.results / "shard-3/own.log").exists())

    def test_several_of_a_kind(self):
        """count: each shard has the same prefix in all of them."""
        yaml = (f"services: [memcache]\napplication_id: live\n"
                f"memcache: {{image: '{MEMCACHED}', isolation: namespace, count: 2}}\n")
        self.go("--shards", 2, yaml=yaml, test="""
            need_env MEMCACHE_PREFIX "live_$CLEANROOM_SHARD_NUMBER"
            need_env MEMCACHE_HOSTS '127.0.0.1:11211|127.0.0.1:11212'
            for port in 11211 11212; do
                exec 8<> /dev/tcp/127.0.0.1/$port
                printf 'add %skey 0 0 1\\r\\nx\\r\\n' "$MEMCACHE_PREFIX" >&8
                read -rt 5 -u 8 line; [ "$line" = $'STORED\\r' ] || fail "$port: $line"
            done""")

    def test_two_servers(self):
        """One more of a kind, on another port: words find the server in whose container they are."""
        yaml = f"""services: [postgres, reports]
application_id: live
postgres: {{image: '{POSTGRES}', isolation: namespace}}
cleanroom: {{services: {{reports: {{service: postgres, image: '{POSTGRES}', isolation: namespace}}}}}}
"""
        self.go("--shards", 2, app=SQL, yaml=yaml, test="""
            query 'CREATE TABLE here (a int)'
            DB_DEFAULT_URL=$DB_REPORTS_URL
            wanted "SELECT current_database() || current_setting('port')" "live_${CLEANROOM_SHARD_NUMBER}5433"
            wanted "SELECT count(*) FROM pg_tables WHERE tablename = 'here'" 0""")

    def test_brokers_and_mariadb(self):
        yaml = (f"services: [amqp, mariadb]\napplication_id: live\n"
                f"amqp: {{image: '{RABBITMQ}', isolation: namespace}}\n"
                f"mariadb: {{image: '{MARIADB}', isolation: namespace}}\n")
        for _ in range(2):  # from nothing or a snapshot, and from a snapshot
            self.go("--shards", 2, app=CLIENTS, yaml=yaml, seconds=240, test="""
                wanted "$(query 'SHOW TABLES')" ''
                query 'CREATE TABLE t (a INT PRIMARY KEY)' && query "INSERT INTO t VALUES ($CLEANROOM_SHARD_NUMBER)"
                split "$AMQP_URLS" && wanted "$name" "live_$CLEANROOM_SHARD_NUMBER"
                amqp "
channel.queue_declare('q')
assert channel.basic_get('q')[2] is None
channel.basic_publish('', 'q', b'$CLEANROOM_SHARD_NUMBER')"
                wanted "$(query 'SELECT a FROM t')" "$CLEANROOM_SHARD_NUMBER"
                queue_has q "$CLEANROOM_SHARD_NUMBER" """)

    def test_postgis(self):
        yaml = f"services: [postgis]\npostgis: {{image: '{POSTGIS}', isolation: namespace, name: geo}}\n"
        self.go("--shards", 2, app=SQL, yaml=yaml, seconds=240, test="""
            DB_DEFAULT_URL=${DB_DEFAULT_URL/postgis:/postgres:}
            wanted 'SELECT current_database()' "geo_$CLEANROOM_SHARD_NUMBER"
            wanted "SELECT count(*) FROM pg_extension WHERE extname = 'postgis'" 1""")

    def test_deploy_each(self):
        self.go("--shards", 2, app=SQL, yaml=SHARED, deploy="query 'CREATE TABLE d (a int)'",
                test="wanted 'SELECT count(*) FROM d' 0")

    def test_without_snapshots(self):
        result = self.go("--shards", 2, "--no-snapshots", app=SQL, yaml=SHARED, test=WRITE + READ)
        self.assertEqual(self.properties(result, "snapshot.postgres"), ["from zero"] * 2)


class Failures(Commons):
    def test_the_server_dies(self):
        process = self.start("--shards", 2, APP, yaml=ONE_REDIS,
                             test="say up; until [ -e /storage/go ]; do elapse 0.05; done; redis_here PING || :")
        process.wait_for_output("[1] up")
        process.wait_for_output("[2] up")
        servers = self.engine.servers(process.run, "redis")
        self.assertEqual(len(servers), 1)
        self.engine.kill_server(servers[0])
        process.wait_for_output("service redis ended")
        for shard in (1, 2):
            self.engine.enter(process.run, shard, "touch", "/storage/go")
        result = process.wait()
        self.assert_exit(result, 3)
        self.assert_red_case(result, "service redis", "ended while the app used it", "SIGKILL")
        self.assertEqual(len([row for row in result.red() if row[1] == "service redis"]), 2)

    def test_it_never_comes_up(self):
        for image, code, words in ((EXITS_AT_ONCE, 3, "ended before it was ready"),
                                   (NEVER_READY, 124, "was not ready within 3.00s")):
            with self.subTest(image):
                yaml = f"services: [redis]\nredis: {{image: '{image}', isolation: namespace}}\n"
                result = self.go("--shards", 2, "--start-timeout", "3s", code=code, yaml=yaml)
                self.assert_one_sentence(result, "service 'redis'", words)
                self.assert_red_case(result, "run", words)

    def test_a_namespace_cannot_be_made(self):
        """In the server's own words."""
        yaml = SHARED.replace("isolation: namespace", "environment: {POSTGRES_DB: other}, isolation: namespace", 1)
        result = self.go("--shards", 2, "--no-snapshots", code=3, app=SQL, yaml=yaml)
        self.assert_one_sentence(result, "service 'postgres'", "the namespace of shard 1 could not be made",
                                 'template database "live" does not exist')

    def test_told_to_stop(self):
        for number, waited in ((signal.SIGINT, "one for all shards"), (signal.SIGTERM, "[2] hanging")):
            with self.subTest(number):
                process = self.start("--shards", 2, APP, yaml=SHARED, test="hang")
                process.wait_for_output(waited)
                process.signal(number)
                result = process.wait()
                self.assert_exit(result, 128 + number)
                self.assert_nothing_left_now(result)

    def test_kill_9(self):
        process = self.start("--shards", 2, APP, yaml=SHARED, test="hang")
        process.wait_for_output("[1] hanging")
        process.wait_for_output("[2] hanging")
        self.kill(process.pid)
        process.popen.wait()
        self.assert_nothing_left()

    def test_refused(self):
        for words, yaml in ((["nats", "no namespaces", "postgres, postgis, redis"], "nats: {isolation: namespace}"),
                            (["'pod' is neither"], "redis: {isolation: pod}"),
                            (["a server elsewhere"], "redis: {isolation: namespace, host: h}"),
                            (["deploy: each"], "redis: {isolation: namespace}\ncleanroom: {deploy: once}")):
            with self.subTest(yaml):
                result = self.run_cleanroom(APP, yaml=f"services: [redis, nats]\n{yaml}\n")
                self.assert_exit(result, 2)
                self.assert_one_sentence(result, *words)


class Inside(Commons):
    def shell(self, *args, said, directory):
        return subprocess.run([CLEANROOM, "shell", *map(str, args)], input=said, capture_output=True,
                              env=self.environment(), cwd=directory, timeout=120, check=False,
                              **(USER.popen() if USER else {}))

    def test_shell(self):
        place = self.make_directory("place")
        (place / "forklift.yaml").write_text(ONE_REDIS + "cleanroom: {shards: 3}\n")
        said = b'exec 9<>/dev/tcp/${REDIS_HOSTS/://}; echo PING >&9; read -u 9 a; echo "$REDIS_DB_INDEX$a"; exit 4\n'
        done = self.shell("--shard", 3, APP, said=said, directory=place)
        self.assertEqual((done.returncode, done.stdout), (4, b"2+PONG\r\n"), done)

    def test_kept(self):
        """What they share stays with the last of them."""
        process = self.start("--shards", 2, "--keep", "always", APP, yaml=ONE_REDIS, test="redis_here PING")
        result = process.wait()
        self.assert_exit(result, 0)
        run = result.run_json["run"]
        self.addCleanup(self.run_cleanroom, "recycle", run)
        said = b'exec 9<>/dev/tcp/${REDIS_HOSTS/://}; echo PING >&9; read -u 9 a; echo "$a"\n'
        for shard in (1, 2):
            done = self.shell("--run", run, "--shard", shard, said=said, directory=process.results.parent)
            self.assertEqual(done.stdout, b"+PONG\r\n", done)
        self.assert_exit(self.run_cleanroom("recycle", run), 0)
        self.assert_nothing_left()

    def test_serve(self):
        process = self.start("serve", APP, yaml=ONE_REDIS)
        process.wait_for_output("serves at http://localhost:")
        url = re.search(r"http://localhost:\d+/", process.output()[0])[0]
        with urllib.request.urlopen(url, timeout=10) as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.engine.servers(process.run, "redis")), 1)
        process.signal(signal.SIGINT)
        self.assert_exit(process.wait(), 0)

    def test_programs_of_this_machine(self):
        app = self.directory / "testapp"
        shutil.copy(pathlib.Path(TOP) / "tests/images/app/entrypoint", app)
        app.chmod(0o755)
        self.go("--shards", 3, app=app, yaml=ONE_REDIS, test="""
            [ "$REDIS_DB_INDEX" = "$CLEANROOM_SHARD_INDEX" ] || fail "index $REDIS_DB_INDEX"
            [ "$(redis_here PING)" = +PONG ] || fail "nobody at $REDIS_HOSTS" """)
