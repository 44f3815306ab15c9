# SPDX-License-Identifier: Apache-2.0
"""The desk's notice board in redis: counters, waiting lists, and who holds the stamp."""
import uuid
from contextlib import contextmanager
from functools import lru_cache

import redis
from django.conf import settings

RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


class StampTaken(Exception):
    """Somebody else is stamping."""


@lru_cache(maxsize=None)
def connection():
    host, port = settings.REDIS
    return redis.Redis(
        host=host, port=port, db=settings.REDIS_DB_INDEX, decode_responses=True
    )


def count_loan(isbn, day):
    pipe = connection().pipeline()
    pipe.incr(f"loans:{day}")
    pipe.zincrby("popular", 1, isbn)
    pipe.execute()


def loans_on(day):
    return int(connection().get(f"loans:{day}") or 0)


def popular(count):
    """[(isbn, loans)], the most lent first."""
    return [(isbn, int(n)) for isbn, n in connection().zrevrange("popular", 0, count - 1, True)]


def reserve(isbn, number):
    """Joins the waiting list once; returns the place in it, from 1."""
    with stamp(f"reserve:{isbn}"):
        place = position(isbn, number)
        return place or connection().rpush(f"waiting:{isbn}", number)


def position(isbn, number):
    place = connection().lpos(f"waiting:{isbn}", number)
    return None if place is None else place + 1


def waiting(isbn):
    return connection().lrange(f"waiting:{isbn}", 0, -1)


def cancel(isbn, number):
    return connection().lrem(f"waiting:{isbn}", 0, number) > 0


def next_in_line(isbn):
    return connection().lpop(f"waiting:{isbn}")


def wrong_pins(number, window=300):
    """One more wrong PIN; how many there were within the window."""
    key = f"wrong-pins:{number}"
    pipe = connection().pipeline()
    pipe.incr(key)
    pipe.expire(key, window)
    return pipe.execute()[0]


def forgive_pins(number):
    connection().delete(f"wrong-pins:{number}")


@contextmanager
def stamp(name, milliseconds=5000):
    """A lock that nobody keeps for ever and only its holder gives back."""
    key, token = f"stamp:{name}", uuid.uuid4().hex
    if not connection().set(key, token, nx=True, px=milliseconds):
        raise StampTaken(name)
    try:
        yield token
    finally:
        connection().eval(RELEASE, 1, key, token)
