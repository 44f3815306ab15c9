# SPDX-License-Identifier: Apache-2.0
import json
import logging
import os
from io import StringIO

import pika
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.test import override_settings

from desk import board, lending, letters
from tests.support import TODAY, DeskTest

SMTP = "django.core.mail.backends.smtp.EmailBackend"


class LettersTest(DeskTest):
    """Contents are looked at in memory, and what is about delivery goes out by SMTP."""

    def setUp(self):
        super().setUp()
        letters.forget_all()
        mail.outbox.clear()
        self.shelf()
        self.member(pk=9002, number="M9002", name="Second Member")

    def leave(self):
        letters.forget_all()
        super().leave()


class AskingTest(LettersTest):
    def test_nobody_waits(self):
        lending.lend("C90001", "M9001", TODAY)
        lending.give_back("C90001", TODAY)
        self.assertEqual(letters.wanted(), 0)

    def test_somebody_waits(self):
        lending.lend("C90001", "M9001", TODAY)
        board.reserve("9789999999991", "M9002")
        lending.give_back("C90001", TODAY)
        self.assertEqual(letters.wanted(), 1)

    def test_a_refused_return_asks_for_none(self):
        board.reserve("9789999999991", "M9002")
        with self.assertRaises(lending.Refused):
            lending.give_back("C90001", TODAY)
        self.assertEqual(letters.wanted(), 0)

    def test_what_is_asked_for_outlives_its_connection(self):
        for _ in range(3):
            letters.ask_for("M9001", "9789999999991")
        self.assertEqual(letters.wanted(), 3)

    def test_the_message_is_durable(self):
        letters.ask_for("M9001", "9789999999991")
        with letters.channel() as opened:
            _, properties, body = opened.basic_get(letters.QUEUE, auto_ack=True)
        self.assertEqual(properties.delivery_mode, 2)
        self.assertEqual(json.loads(body), {"number": "M9001", "isbn": "9789999999991"})

    def test_the_broker_knows_us(self):
        wrong = pika.URLParameters(settings.AMQP_URL)
        wrong.credentials = pika.PlainCredentials(wrong.credentials.username, "not this")
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(wrong)


class WritingTest(LettersTest):
    def test_none(self):
        self.assertEqual(letters.write_all(), 0)
        self.assertEqual(mail.outbox, [])

    def test_what_it_says(self):
        letters.ask_for("M9002", "9789999999991")
        self.assertEqual(letters.write_all(), 1)
        [letter] = mail.outbox
        self.assertEqual(letter.to, ["m9002@members.example"])
        self.assertEqual(letter.subject, "Test Title is here")
        self.assertIn("Dear Second Member,", letter.body)

    def test_each_once(self):
        letters.ask_for("M9001", "9789999999991")
        letters.write_all()
        self.assertEqual(letters.write_all(), 0)
        self.assertEqual(letters.wanted(), 0)

    def test_first_come_first_served(self):
        for number in ("M9002", "M9001", "M9002"):
            letters.ask_for(number, "9789999999991")
        letters.write_all()
        self.assertEqual([letter.to[0][:5] for letter in mail.outbox], ["m9002", "m9001", "m9002"])

    def test_an_unknown_member_is_passed_over(self):
        letters.ask_for("M0", "9789999999991")
        letters.ask_for("M9001", "9789999999991")
        with self.assertLogs("desk.journal", "WARNING") as seen:
            self.assertEqual(letters.write_all(), 1)
        self.assertIn("no letter to M0", seen.output[0])

    def test_the_command(self):
        out = StringIO()
        letters.ask_for("M9001", "9789999999991")
        call_command("letters", stdout=out)
        self.assertEqual(out.getvalue(), "Wrote 1 letters.\n")


class PostTest(LettersTest):
    @override_settings(EMAIL_BACKEND=SMTP)
    def test_it_is_delivered(self):
        letters.ask_for("M9002", "9789999999991")
        self.assertEqual(letters.write_all(), 1)

    @override_settings(EMAIL_BACKEND=SMTP)
    def test_any_letters_are_delivered(self):
        self.title(pk=9002, isbn="9789999999992", name="Żółć, “gęś” & 漢字")
        letters.ask_for("M9001", "9789999999992")
        self.assertEqual(letters.write_all(), 1)

    @override_settings(EMAIL_BACKEND=SMTP, EMAIL_PORT=1)
    def test_a_letter_stays_while_there_is_no_post(self):
        letters.ask_for("M9001", "9789999999991")
        with self.assertRaises(ConnectionRefusedError):
            letters.write_all()
        self.assertEqual(letters.wanted(), 1)


class JournalTest(LettersTest):
    def test_a_letter_is_noted(self):
        letters.ask_for("M9001", "9789999999991")
        with self.assertLogs("desk.journal", "INFO") as seen:
            letters.write_all()
        self.assertEqual(seen.output, ["INFO:desk.journal:letter to M9001 about 9789999999991"])

    def test_it_is_kept_elsewhere(self):
        [handler] = logging.getLogger("desk.journal").handlers
        place = (os.environ["SYSLOG_SERVER"], int(os.environ["SYSLOG_PORT"]))
        self.assertEqual(handler.address, place)
        letters.journal.info("the journal is open")
