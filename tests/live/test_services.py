# SPDX-License-Identifier: Apache-2.0
"""Brokers and databases beyond the first three: the app reaches each by what its environment says, at
once when it starts; what a shard does there no other sees; and copies know their own passwords."""

import re

from test_snapshots import Copies, quoted

CLIENTS = "cleanroom-test/clients:latest"
INITIALISED = "mariadb: initialised once and kept as a snapshot in"
IMAGES = {"mariadb": "cleanroom-test/mariadb:10", "amqp": "cleanroom-test/rabbitmq:3",
          "mosquitto": "cleanroom-test/mosquitto:2", "nats": "cleanroom-test/nats:2"}

# Each finds its own service as nobody has left it, and leaves something there.
USE = {
    "mariadb": """query_refused wrong
                  wanted "$(query 'SHOW TABLES')" ''
                  query 'CREATE TABLE t (a INT)' && query 'INSERT INTO t VALUES (1)'
                  wanted "$(query 'SELECT count(*) FROM t')" 1""",
    "amqp": """amqp_refused wrong
               amqp "
channel.queue_declare('q')
assert channel.basic_get('q')[2] is None
channel.basic_publish('', 'q', b'hello')
channel.basic_publish('', 'q', b'again')"
               queue_has q hello""",
    "mosquitto": """wanted "$(mqtt_get t)" ''
                    mqtt_put t hello
                    wanted "$(mqtt_get t)" hello""",
    "nats": """wanted "$(nats_echo s hello)" hello""",
}


class Clients(Copies):
    service = "mariadb"

    def services(self, *names, more="", extra="", **overrides):
        """A forklift.yaml with these services; more: of mariadb, overrides: of any."""
        overrides["mariadb"] = f"user: {self.user[:16]}{more}" + overrides.get("mariadb", "")
        rows = [f"{name}: {{image: '{IMAGES[name]}', {overrides.get(name, '')}}}" for name in names]
        return "\n".join([f"services: [{', '.join(names)}]", "application_id: live", *rows, extra, ""])

    def use(self, *args, **options):
        return self.go(*args, app=CLIENTS, seconds=240, **options)


class Services(Clients):
    def test_each_shard_has_its_own(self):
        self.use(yaml=self.services(*USE), test="\n".join(USE.values()))

    def test_on_other_ports(self):
        yaml = self.services(*USE, more=", snapshot: no, port: 3307", amqp="port: 5673", mosquitto="port: 1884",
                             nats="port: 4223")
        told = """split "$DB_DEFAULT_URL" && wanted "$port" 3307
                  split "$AMQP_URLS" && wanted "$port" 5673
                  split "$MQTT_URL" && wanted "$port" 1884
                  split "$NATS_URL" && wanted "$port" 4223"""
        result = self.use(yaml=yaml, test="\n".join([told, *USE.values()]))
        self.assert_origins(result, "^from zero$")

    def test_several_of_a_kind(self):
        """In one pod, where they cannot have the same ports; each with what its own clients know."""
        yaml = self.services("mariadb", "amqp", "mosquitto", amqp="count: 2")
        yaml = yaml.replace("services: [", "services: [old, events, ")
        yaml += f"""cleanroom: {{services: {{
            old: {{service: mariadb, image: '{IMAGES["mariadb"]}', user: {self.user[:16]}}},
            events: {{service: mosquitto, image: '{IMAGES["mosquitto"]}'}}}}}}\n"""
        test = """query 'CREATE TABLE t (a INT)'
                  wanted "$(query 'SHOW TABLES' DB_OLD_URL)" ''
                  first=${AMQP_URLS%%|*} second=${AMQP_URLS#*|}
                  [ "$first" != "$second" ] || fail "one broker only: $AMQP_URLS"
                  amqp "channel.queue_declare('q')" "$first"
                  amqp "
try:
    channel.queue_declare('q', passive=True)
except pika.exceptions.ChannelClosedByBroker:
    pass
else:
    raise AssertionError('they are one')" "$second"
                  mqtt_put t hello
                  MQTT_URL=$EVENTS_MQTT_URL; wanted "$(mqtt_get t)" ''"""
        result = self.use(yaml=yaml, test=test)
        self.assert_origins(result, r"\((made|reused)\)$")
        self.assert_origins(result, r"\((made|reused)\)$", "old")

    def test_user_and_names_of_the_users_choice(self):
        yaml = self.services("mariadb", "amqp", more=", password: 'p''ss', name: other",
                             amqp="user: al, password: pw, vhost: v.h")
        test = """split "$AMQP_URLS" && wanted "$user $password $name" 'al pw v.h'
                  DB_DEFAULT_URL=${DB_DEFAULT_URL/\\%27/\\'}
                  wanted "$(query 'SELECT DATABASE()')" other"""
        self.use(yaml=yaml, test="\n".join([test, *(USE[name] for name in ("mariadb", "amqp"))]))


class MariadbSnapshots(Clients):
    def passwords(self, result):
        found = re.findall(r"mine ([0-9a-f]{32})", result.log(1) + result.log(2))
        self.assertEqual(len(set(found)), 2, f"\n{result}")
        return found

    def check_passwords(self, yaml):
        """Each copy lets in its own shard alone: not the other, and nobody of the run before."""
        tell = 'split "$DB_DEFAULT_URL"; say "mine $password"; ' + USE["mariadb"]
        first = self.use(yaml=yaml, test=tell)
        self.assert_says(first, INITIALISED)
        self.assert_origins(first, r"^[0-9a-f]{12} \(made\)$")
        old = self.passwords(first)
        refuse = "".join(f"\nquery_refused {password}" for password in old)
        second = self.use(yaml=yaml, test=tell + refuse)
        self.assertNotIn(INITIALISED, second.out)
        self.assert_origins(second, r"^[0-9a-f]{12} \(reused\)$")
        self.assertEqual(len(set(old + self.passwords(second))), 4)

    def test_each_copy_has_its_own_password(self):
        self.check_passwords(self.services("mariadb"))

    def test_root_may_create_databases(self):
        yaml = self.services("mariadb").replace(self.user[:16], "root") + f"environment: {{U: {self.user}}}\n"
        yaml = yaml.replace("user: root", f"user: root, name: {self.user[:16]}")
        self.check_passwords(yaml)
        self.use(yaml=yaml, test="query 'CREATE DATABASE test_live'\n" + USE["mariadb"])

    def test_a_chosen_password_is_part_of_the_key(self):
        for mine, other in (("one", "two"), ("two", "one")):
            result = self.use(yaml=self.services("mariadb", more=f", password: {mine}"),
                              test=f"query_refused {other}\n" + USE["mariadb"])
            self.assert_origins(result, r"\(made\)$")


class DeployOnce(Clients):
    DEPLOY = """query 'CREATE TABLE d AS SELECT 42 AS n'; mqtt_put deployed yes;
                amqp "channel.queue_declare('deployed', durable=True);
                      channel.basic_publish('', 'deployed', b'hello', pika.BasicProperties(delivery_mode=2))" """
    TEST = """wanted "$(query 'SELECT n FROM d')" 42 && query 'DROP TABLE d'
              wanted "$(mqtt_get deployed)" yes
              queue_has deployed hello
              query_refused wrong && amqp_refused wrong
              wanted "$(nats_echo s hello)" hello"""

    def test_every_copy_has_what_was_deployed(self):
        extra = f"cleanroom: {{deploy: once}}\nenvironment: {{TESTAPP_DEPLOY: {quoted(self.DEPLOY)}}}\n"
        for says in ("deploy: ran once and kept in", "is used again"):
            result = self.use(yaml=self.services(*IMAGES, extra=extra), test=self.TEST)
            self.assert_says(result, says)
