# SPDX-License-Identifier: Apache-2.0
"""From the moment a service serves to the moment cleanroom knows, and whether it knows the truth.

Clients (observer.py) ask from inside the pod's network namespace; their clock and cleanroom's are the
same CLOCK_MONOTONIC.
"""

import json
import pathlib
import re
import subprocess

import observer
from contenders import APP, LeftOut

OBSERVER = pathlib.Path(__file__).with_name("observer.py")
SAID = r"cleanroom: ([0-9.]+) debug: shard 1 "
READY = re.compile(SAID + r"satellite: ready (\S+)")
APP_SAID = re.compile(r"^\[1\] (?!\*)(.*)", re.MULTILINE)
TEST_ENDED = re.compile(SAID + r"test: exited")


class Observers:
    """One process per request. To be given to a run as its sampler, so that they learn its pid."""

    def __init__(self, requests, *, of_a_daemon=False):
        self.of_a_daemon = of_a_daemon
        known = [str(inode) for inode, _ in observer.pods()] if of_a_daemon else []
        self.processes = {
            request: subprocess.Popen([OBSERVER, request, *known], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
            for request in requests}
        for request, process in self.processes.items():
            if process.stdout.readline() != "here\n":
                raise LeftOut(f"the observer '{request}' did not start: ci/setup bench")

    @property
    def pid(self):
        return None

    @pid.setter
    def pid(self, pid):
        for process in self.processes.values():
            process.stdin.write(f"{0 if self.of_a_daemon else pid}\n")
            process.stdin.flush()

    def attempts(self):
        """Ends them. By request: [begun, ended, what was wrong or None]."""
        said = {request: process.communicate(timeout=30)[0] for request, process in self.processes.items()}
        return {request: json.loads(text) for request, text in said.items() if text}


def known_ready(said):
    return {service: float(at) for at, service in READY.findall(said)}


def delays(contender, services):
    """One run of one shard: milliseconds by service."""
    observers = Observers([f"ask-{service}" for service in services],
                          of_a_daemon=contender.engine != "embedded")
    said = contender.run(1, "--verbose", sampler=observers)
    known = known_ready(said)
    served = {request.removeprefix("ask-"): next((ended for _, ended, wrong in attempts if not wrong), None)
              for request, attempts in observers.attempts().items()}
    return {service: 1e3 * (known[service] - at) for service, at in served.items() if at and service in known}


# --- cold starts

class Server:
    """A real server, and what its app does first. `app` is an image and words for it."""

    def __init__(self, image, app, first, account=""):
        self.image, self.app, self.first, self.account = image, app, first, account


SQL, CLIENTS = "cleanroom-test/sql:15", "cleanroom-test/clients:latest"
ACCOUNT = f"user: {observer.NAME}, password: {observer.PASSWORD}"
DATABASE = f", {ACCOUNT}, name: {observer.NAME}"
SERVERS = {
    "postgres": Server("cleanroom-test/postgres:15", SQL, "query 'CREATE TABLE t AS SELECT 1'", DATABASE),
    "postgis": Server("cleanroom-test/postgis:15", SQL,
                      "DB_DEFAULT_URL=postgres${DB_DEFAULT_URL#postgis}; query 'SELECT PostGIS_full_version()'",
                      DATABASE),
    "redis": Server("cleanroom-test/redis:7", APP, '[ "$(redis_here SET first yes)" = +OK ]'),
    "memcache": Server("cleanroom-test/memcached:1.6", APP,
                       'exec 9<> "/dev/tcp/${MEMCACHE_HOSTS%:*}/${MEMCACHE_HOSTS#*:}"; '
                       "printf 'set first 0 0 3\\r\\nyes\\r\\n' >&9; read -rt 5 -u 9 said; "
                       '[ "$said" = STORED$\'\\r\' ]'),
    "amqp": Server("cleanroom-test/rabbitmq:3", CLIENTS,
                   "amqp \"channel.queue_declare('first'); channel.basic_publish('', 'first', b'yes')\" && "
                   "queue_has first yes", f", {ACCOUNT}, vhost: {observer.NAME}"),
    "mariadb": Server("cleanroom-test/mariadb:10", CLIENTS, "query 'CREATE TABLE t AS SELECT 1'", DATABASE),
    "mosquitto": Server("cleanroom-test/mosquitto:2", CLIENTS,
                        'mqtt_put first yes && [ "$(mqtt_get first)" = yes ]'),
    "nats": Server("cleanroom-test/nats:2", CLIENTS, '[ "$(nats_echo first yes)" = yes ]'),
}


class Start:
    """What one cold start showed."""

    def __init__(self, service, code, said, attempts):
        ready = known_ready(said).get(service)
        ended = TEST_ENDED.search(said)
        if ready is None or not ended or code not in (0, 1):
            last = " | ".join(said.strip().splitlines()[-6:])
            raise LeftOut(f"a cold start of {service} ended with {code}: {last}")
        # When the test is over the server is told to end, and may well refuse.
        seen = [row for row in attempts if row[1] < float(ended[1])]
        failed = [row for row in seen if row[2]]
        self.refused = [row[2] for row in failed if row[0] > ready]
        if code:
            self.refused.append("the app's own first request: " + " | ".join(APP_SAID.findall(said)[-3:]))
        served = [row for row in seen if not row[2] and (not failed or row[0] > failed[-1][0])]
        self.served = bool(served and failed)  # else it did not see the change from no to yes
        if self.served:
            self.late = 1e3 * (ready - served[0][1])
            self.late_at_most = 1e3 * (ready - failed[-1][0])
            self.request = 1e3 * (served[0][1] - served[0][0])


def cold_start(contender, service, project):
    """One run of one shard with nothing but this service, from no data at all."""
    server = SERVERS[service]
    (project / "forklift.yaml").write_text(
        f"services: [{service}]\napplication_id: bench\n"
        f'{service}: {{image: "{server.image}"{server.account}}}\n')
    observers = Observers([service])
    code, said = contender.attempt(1, "--verbose", "--no-snapshots", "--environment",
                                   f"TESTAPP_TEST={server.first}", image=server.app, directory=project,
                                   sampler=observers)
    return Start(service, code, said, observers.attempts()[service])
