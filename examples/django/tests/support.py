# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: the deployed database itself, and the certainty of being alone in it.

There is no throw-away test database and no transaction rolled back around a test. The tests use
fixed primary keys, fixed cache keys and FLUSHDB, as if nobody else were there. A Room makes sure
that nobody is.
"""
import socket
import unittest
import uuid
from datetime import date

from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test import Client

from desk import board, letters
from desk.models import Branch, Copy, Fine, Loan, Member, Title
from library import pallet

TODAY = date(2024, 5, 2)

# Children first, so that they can be deleted in this order.
MODELS = [Fine, Loan, Copy, Title, Member, Branch]
REDIS_MARK, CACHE_MARK = "room:mark", "room:mark"
TABLE_MARK, QUEUE_MARK = "room_mark", "room.mark"


class NotAlone(AssertionError):
    """Somebody else uses our services."""


def check(condition, message):
    if not condition:
        raise NotAlone(message)


def memcached_keys():
    """Those that can be read: what an earlier call of the tests has flushed is counted for a while yet."""
    address = pallet.hosts(settings.CACHES["default"]["LOCATION"][0], 11211)[0]
    with socket.create_connection(address, timeout=10) as connection_to, connection_to.makefile("rwb") as stream:
        answer = "BUSY"  # its own crawler is at work
        while answer.startswith("BUSY"):
            stream.write(b"lru_crawler metadump all\r\n")
            stream.flush()
            answer = stream.readline().decode().strip()
        keys = []
        while answer != "END":
            check(answer.startswith("key="), f"memcached says '{answer}'")
            keys.append(answer.split()[0].removeprefix("key="))
            answer = stream.readline().decode().strip()
        return keys


def marks_in_queue():
    """Takes them out."""
    found = []
    with letters.channel() as opened:
        opened.queue_declare(QUEUE_MARK)
        while True:
            method, _, body = opened.basic_get(QUEUE_MARK, auto_ack=True)
            if method is None:
                return found
            found.append(body.decode())


class Room:
    """A mark of our own in every service, made once and found again at every wipe and at the end."""

    def __init__(self):
        self.token = uuid.uuid4().hex
        self.rows = {}

    def open(self):
        """Raises NotAlone when somebody was here before, but marks what it can all the same."""
        strangers = self.strangers()
        board.connection().set(REDIS_MARK, self.token)
        cache.set(CACHE_MARK, self.token, None)
        self.mark_queue()
        self.rows = self.count_rows()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE TABLE {TABLE_MARK} (token text)")
                cursor.execute(f"INSERT INTO {TABLE_MARK} VALUES (%s)", [self.token])
        except DatabaseError as error:
            strangers.append(f"the database is marked by somebody else: {error}")
        check(not strangers, "; ".join(strangers))
        check(self.rows[Title][0] > 0, "the database has no fixtures: run deploy first")

    @staticmethod
    def strangers():
        found = []
        keys = board.connection().keys()
        if keys:
            found.append(f"redis is not empty before the first test: {keys[:5]}")
        items = memcached_keys()
        if items:
            found.append(f"memcached is not empty before the first test: {items[:5]}")
        wanted = letters.wanted()
        if wanted:
            found.append(f"{wanted} letters are wanted before the first test")
        if marks_in_queue():
            found.append("the broker is marked by somebody else")
        return found

    def mark_queue(self):
        with letters.channel() as opened:
            opened.basic_publish("", QUEUE_MARK, self.token)

    def close(self):
        """The mark is everywhere, and next to it is only what was there at first."""
        try:
            self.check_database()
            check(board.connection().keys() == [REDIS_MARK], "redis holds more than our mark")
            marks = marks_in_queue()
            check(marks == [self.token], f"our mark in the broker is now {marks}")
            letters.forget_all()  # of those who lent and returned
            self.wipe()
        finally:
            board.connection().delete(REDIS_MARK)
            cache.delete(CACHE_MARK)
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {TABLE_MARK}")

    def wipe(self):
        self.wipe_redis()
        self.wipe_cache()

    def wipe_redis(self):
        pipe = board.connection().pipeline()
        found, _, _ = pipe.get(REDIS_MARK).flushdb().set(REDIS_MARK, self.token).execute()
        check(found == self.token, f"our mark in redis is now '{found}'")

    def wipe_cache(self):
        found = cache.get(CACHE_MARK)
        cache.clear()
        cache.set(CACHE_MARK, self.token, None)
        check(found == self.token, f"our mark in memcached is now '{found}'")

    def check_database(self):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT token FROM {TABLE_MARK}")
            tokens = [row[0] for row in cursor.fetchall()]
        check(tokens == [self.token], f"our mark in the database is now {tokens}")
        rows = self.count_rows()
        check(rows == self.rows, f"the tables changed: {self.rows} became {rows}")

    def delete_new_rows(self):
        for model in MODELS:
            model.objects.filter(pk__gt=self.rows[model][1]).delete()

    @staticmethod
    def count_rows():
        """{model: (count, highest primary key)}"""
        found = {}
        for model in MODELS:
            keys = list(model.objects.values_list("pk", flat=True))
            found[model] = (len(keys), max(keys, default=0))
        return found


class DeskTest(unittest.TestCase):
    """Starts with empty redis and memcached and the fixtures; leaves the same behind."""

    room = None  # set by run_tests.py

    def setUp(self):
        self.room.wipe()
        self.client = Client()
        self.addCleanup(self.leave)

    def leave(self):
        self.room.delete_new_rows()
        self.room.wipe()
        self.room.check_database()

    # --- rows with fixed keys, which no two tests could make at the same time

    def member(self, **fields):
        values = {"pk": 9001, "number": "M9001", "name": "Test Member", "branch_id": 1}
        return Member.objects.create(**{**values, **fields})

    def title(self, **fields):
        values = {"pk": 9001, "isbn": "9789999999991", "name": "Test Title"}
        values.update(author="Test Author", year=2024)
        return Title.objects.create(**{**values, **fields})

    def copy(self, title, **fields):
        values = {"pk": 9001, "barcode": "C90001", "branch_id": 1}
        return Copy.objects.create(title=title, **{**values, **fields})

    def shelf(self):
        """One member, one title, one copy."""
        title = self.title()
        return self.member(), title, self.copy(title)


class ReloadedTest(DeskTest):
    """For tests that change the fixtures: all tables are emptied and loaded again afterwards."""

    def leave(self):
        reload_library()
        super().leave()


def reload_library():
    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
    call_command("loaddata", "library", verbosity=0)
