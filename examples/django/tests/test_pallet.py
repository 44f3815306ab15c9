# SPDX-License-Identifier: Apache-2.0
import socket
import unittest

from library import pallet


class DatabaseTest(unittest.TestCase):
    def test_all_parts(self):
        found = pallet.database("postgres://ann:secret@db:5433/shop")
        self.assertEqual(
            [found[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")],
            ["ann", "secret", "db", "5433", "shop"],
        )

    def test_default_port(self):
        self.assertEqual(pallet.database("postgres://a:b@db/shop")["PORT"], "5432")

    def test_quoted_password(self):
        found = pallet.database("postgres://a:p%40ss%2Fword@db/shop")
        self.assertEqual(found["PASSWORD"], "p@ss/word")

    def test_other_engines_are_refused(self):
        with self.assertRaisesRegex(ValueError, "mysql"):
            pallet.database("mysql://a:b@db/shop")


class HostsTest(unittest.TestCase):
    def test_with_and_without_port(self):
        self.assertEqual(pallet.hosts("a:1|b", 11211), [("a", 1), ("b", 11211)])

    def test_empty(self):
        self.assertEqual(pallet.hosts("", 6379), [])


class SyslogTest(unittest.TestCase):
    def test_udp(self):
        self.assertEqual(pallet.syslog_socket("udp"), socket.SOCK_DGRAM)

    def test_tcp(self):
        self.assertEqual(pallet.syslog_socket("TCP"), socket.SOCK_STREAM)
