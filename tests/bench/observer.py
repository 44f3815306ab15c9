#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client in the pod of a run from the pod's first moment on: makes one request again and again.

    observer.py REQUEST [NAMESPACE...]

It says "here", reads the pid of a run, and waits for that run's pod; when the pid is 0, because containers
are a daemon's children, for any pod that is none of these network namespaces. When its input ends it says
as JSON what became of each request: [begun, ended, what was wrong or null], by CLOCK_MONOTONIC.

Debian's own Python, because that is the one for which Debian has the clients.
"""

import ctypes
import json
import os
import pathlib
import select
import socket
import sys
import time

CLONE_NEWNET = 0x40000000
PAUSE, PAUSE_SERVED = 0.0005, 0.005
HERE = "127.0.0.1"
SECONDS = 2  # for a request
NAME, PASSWORD = "observed", "of-the-observed"  # of user, database and virtual host


def main():
    request = REQUESTS[sys.argv[1]]()
    known = {int(inode) for inode in sys.argv[2:]}
    print("here", flush=True)
    run = int(sys.stdin.readline() or -1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libpq tells it when a server ends
    print(json.dumps(observe(request) if enter_pod(run, known) else []))


def observe(request):
    """A server that once served is asked less often, to be in nobody's way, or no more."""
    attempts = []
    while not is_over():
        attempts.append(attempt(request))
        served = not attempts[-1][2]
        if served and request.__name__ == "ask":
            break
        time.sleep(PAUSE_SERVED if served else PAUSE)
    return attempts


def is_over():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def attempt(request):
    begun = time.monotonic()
    try:
        request()
        wrong = None
    except Exception as error:  # whatever a client may throw
        wrong = f"{type(error).__name__}: {error}".strip()
    return begun, time.monotonic(), wrong


# --- where

def pods(run=0):
    """The network namespace of each satellite (below this process), and a process that is in it."""
    here = os.stat("/proc/self/ns/net").st_ino
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if pathlib.Path(f"/proc/{entry.name}/comm").read_text() != "satellite\n":
                continue
            inode = os.stat(f"/proc/{entry.name}/ns/net").st_ino
            if inode != here and (not run or is_below(int(entry.name), run)):
                yield inode, int(entry.name)
        except OSError:
            continue


def is_below(pid, ancestor):
    while pid > 1 and pid != ancestor:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat[stat.rindex(")") + 2:].split()[1])
    return pid == ancestor


def enter_pod(run, known):
    while run >= 0 and not is_over():
        for inode, pid in pods(run):
            if inode not in known:
                with open(f"/proc/{pid}/ns/net", "rb") as namespace:
                    return ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
        time.sleep(PAUSE)
    return False


# --- requests: each is what an app does first, on a connection of its own

def postgres(query="CREATE TEMP TABLE t AS SELECT 1; SELECT * FROM t"):
    import psycopg2

    def request():
        connection = psycopg2.connect(host=HERE, user=NAME, password=PASSWORD, dbname=NAME, connect_timeout=SECONDS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                assert cursor.fetchone()[0]
        finally:
            connection.close()
    return request


def postgis():
    return postgres("SELECT PostGIS_full_version()")


def mariadb():
    import pymysql

    def request():
        connection = pymysql.connect(host=HERE, user=NAME, password=PASSWORD, database=NAME,
                                     connect_timeout=SECONDS, read_timeout=SECONDS, write_timeout=SECONDS)
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TEMPORARY TABLE t AS SELECT 42 AS n")
                cursor.execute("SELECT n FROM t")
                assert cursor.fetchone()[0] == 42
        finally:
            connection.close()
    return request


def redis():
    from redis import Redis

    def request():
        with Redis(HERE, socket_timeout=SECONDS) as client:
            client.set("observed", "yes")
            assert client.get("observed") == b"yes"
    return request


def memcache():
    from pymemcache.client.base import Client

    def request():
        client = Client((HERE, 11211), connect_timeout=SECONDS, timeout=SECONDS)
        try:
            client.set("observed", b"yes", noreply=False)
            assert client.get("observed") == b"yes"
        finally:
            client.close()
    return request


def amqp():
    import logging

    import pika
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    parameters = pika.ConnectionParameters(
        HERE, 5672, NAME, pika.PlainCredentials(NAME, PASSWORD), connection_attempts=1,
        socket_timeout=SECONDS, stack_timeout=SECONDS, blocked_connection_timeout=SECONDS)

    def request():
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.confirm_delivery()
            channel.basic_publish("", queue, b"yes")
            assert channel.basic_get(queue, auto_ack=True)[2] == b"yes"
        finally:
            connection.close()
    return request


def mosquitto():
    from paho.mqtt import client as mqtt

    def request():
        got = []
        client = mqtt.Client()
        client.on_connect = lambda *_: client.subscribe("observed", 1)
        client.on_subscribe = lambda *_: client.publish("observed", b"yes", 1)
        client.on_message = lambda _client, _data, message: got.append(message.payload)
        client.connect(HERE, 1883, SECONDS * 10)
        deadline = time.monotonic() + SECONDS
        while not got and time.monotonic() < deadline:
            assert client.loop(SECONDS) == mqtt.MQTT_ERR_SUCCESS
        client.disconnect()
        assert got == [b"yes"]
    return request


def nats():
    def request():
        with socket.create_connection((HERE, 4222), SECONDS) as connection, connection.makefile("rb") as lines:
            assert lines.readline().startswith(b"INFO ")
            connection.sendall(b'CONNECT {"verbose":false}\r\nSUB observed 1\r\nPUB observed 3\r\nyes\r\n')
            assert lines.readline() == b"MSG observed 1 3\r\n"
            assert lines.readline() == b"yes\r\n"
    return request


def asking(service):
    """Not a client: the question that cleanroom asks, which costs the least. Once answered, that is it."""
    def prepare():
        from contenders import serves

        def ask():
            assert serves(HERE, service, 0.05)
        return ask
    return prepare


REQUESTS = {"postgres": postgres, "postgis": postgis, "mariadb": mariadb, "redis": redis, "memcache": memcache,
            "amqp": amqp, "mosquitto": mosquitto, "nats": nats,
            **{f"ask-{service}": asking(service) for service in ("postgres", "redis", "memcache")}}

if __name__ == "__main__":
    main()
