# SPDX-License-Identifier: Apache-2.0
"""Letters to members whose title has come back.

The desk only asks for them, by a message to a queue; `manage.py letters` writes them, by mail, and
notes them in the journal, which is a log of its own.
"""
import json
import logging
from contextlib import contextmanager

import pika
from django.conf import settings
from django.core.mail import send_mail

from desk.models import Member, Title

QUEUE = "desk.letters"
journal = logging.getLogger("desk.journal")


@contextmanager
def channel(url=None):
    connection = pika.BlockingConnection(pika.URLParameters(url or settings.AMQP_URL))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        opened.queue_declare(QUEUE, durable=True)
        yield opened
    finally:
        connection.close()


def ask_for(number, isbn):
    """Raises when the broker did not take it."""
    body = json.dumps({"number": number, "isbn": isbn})
    with channel() as opened:
        opened.basic_publish("", QUEUE, body, pika.BasicProperties(delivery_mode=2))


def wanted():
    """How many are asked for and not written yet."""
    with channel() as opened:
        return opened.queue_declare(QUEUE, passive=True).method.message_count


def forget_all():
    with channel() as opened:
        opened.queue_purge(QUEUE)


def address(member):
    return f"{member.number.lower()}@members.example"


def write(number, isbn):
    """False when there is nobody to write to, or nothing to write of."""
    member = Member.objects.filter(number=number).first()
    title = Title.objects.filter(isbn=isbn).first()
    if member is None or title is None:
        journal.warning("no letter to %s about %s: unknown", number, isbn)
        return False
    text = f"Dear {member.name},\n\n{title} has come back and waits for you.\n"
    send_mail(f"{title.name} is here", text, None, [address(member)])
    journal.info("letter to %s about %s", number, isbn)
    return True


def write_all():
    """Writes what is asked for, first come, first served. One that cannot be sent stays."""
    written = 0
    with channel() as opened:
        while True:
            method, _, body = opened.basic_get(QUEUE)
            if method is None:
                return written
            try:
                written += write(**json.loads(body))
            except Exception:
                opened.basic_nack(method.delivery_tag, requeue=True)
                raise
            opened.basic_ack(method.delivery_tag)
