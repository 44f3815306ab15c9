# SPDX-License-Identifier: Apache-2.0
"""Services that only keep what they are sent: each shard's in its own results."""

import email
import email.policy
import http.client
import logging
import logging.handlers
import os
import pathlib
import shutil
import smtplib
import socket
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
from email.message import EmailMessage

from harness import APP, APP_USER, CLEANROOM, LiveTest, on, wait_until

MAIL = r"""mail() {
    exec 8<> "/dev/tcp/$EMAIL_HOST/$EMAIL_PORT"
    printf 'HELO app\r\nMAIL FROM:<app@x>\r\nRCPT TO:<to@y>\r\nDATA\r\nSubject: %s\r\n\r\nText.\r\n.\r\nQUIT\r\n' "$*" >&8
    grep -q '250 kept as' <&8 || fail "not kept"; exec 8>&-
}; """
LOG = r"""log() { printf '%s' "$*" > "/dev/$SYSLOG_PROTO/$SYSLOG_SERVER/$SYSLOG_PORT"; }; """
ASK = r"""ask() {
    local place=${http_proxy#http://}
    exec 8<> "/dev/tcp/${place%:*}/${place#*:}"
    printf '%s HTTP/1.1\r\nHost: h.example\r\n\r\n' "$*" >&8; cat <&8; exec 8>&-
}; """
SERVICES = "services: [email, syslog, proxy]\n"
ME = "$CLEANROOM_SHARD_NUMBER"


class Sinks(LiveTest):
    def go(self, *args, yaml=SERVICES, test="true", app=APP, code=0, **options):
        result = self.run_cleanroom("--shards", 2, *args, app, yaml=yaml,
                                    test=MAIL + LOG + ASK + test, **options)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
        return result

    def properties(self, result):
        """Of each shard."""
        return [{entry.get("name"): entry.get("value") for entry in suite.iter("property")}
                for suite in result.suites if suite.get("name") != "cleanroom"]

    def subject(self, result, shard, name, directory="mail"):
        place = f"shard-{shard}" if shard else "seed"
        return email.message_from_bytes((result.results / place / directory / name).read_bytes())["Subject"]

    def test_each_shard_has_its_own(self):
        result = self.go(test=f"mail one {ME}; mail two {ME}; log \"<14>app: from {ME}\"; "
                         f"ask GET http://h.example/{ME}; ask CONNECT h.example:443",
                         deploy=MAIL + f"mail deployed {ME}")
        for shard in (1, 2):
            mail = sorted(os.listdir(result.results / f"shard-{shard}/mail"))
            self.assertEqual(mail, ["001.eml", "002.eml", "003.eml"])
            self.assertEqual([self.subject(result, shard, name) for name in mail],
                             [f"deployed {shard}", f"one {shard}", f"two {shard}"])
            self.assertEqual(result.log(shard, "syslog.log"), f"<14>app: from {shard}\n")
            self.assertRegex(result.log(shard, "proxy.log"),
                             rf"^\S+Z GET http://h.example/{shard} host=h.example\n"
                             r"\S+Z CONNECT h.example:443 host=h.example\n$")
            self.assertEqual(result.log(shard).count("HTTP/1.1 502 "), 2)
            self.assertIn("--network outside", result.log(shard))
        self.assert_says(result, "requests that found no way out: shard-2/proxy.log, 2 lines")
        for facts in self.properties(result):
            self.assertEqual(facts["mail"], "3 messages")
            self.assertEqual(facts["syslog.log"], "1 line")
            self.assertEqual(facts["proxy.log"], "2 lines")
            self.assertEqual(facts["service.email"], "served by cleanroom itself")

    def test_any_user(self):
        result = self.go(app=APP_USER, test="need_user 4711; mail here; log there")
        self.assertEqual(self.subject(result, 2, "001.eml"), "here")
        self.assertEqual(result.log(2, "syslog.log"), "there\n")

    def test_syslog_on_tcp(self):
        result = self.go("--syslog.proto", "tcp", "--syslog.port", 1514, yaml="services: syslog\n",
                         test="need_env SYSLOG_PORT 1514; log $'<1>a\\n<2>b\\n'; log '6 <3>c\nd'")
        for shard in (1, 2):
            self.assertEqual(sorted(result.log(shard, "syslog.log").splitlines()),
                             ["<1>a", "<2>b", r"<3>c\x0ad"])

    def test_last_words(self):
        """What was sent just before the end."""
        result = self.go(test='for i in {1..100}; do log "$i"; done; exit 3', code=1)
        for shard in (1, 2):
            self.assertEqual(result.log(shard, "syslog.log").split(), [str(i) for i in range(1, 101)])

    def test_of_tests_that_hang(self):
        result = self.go("--test-timeout", "1s", test="mail before; log words; hang", code=124)
        self.assertEqual(self.subject(result, 1, "001.eml"), "before")
        self.assertEqual(result.log(2, "syslog.log"), "words\n")

    def test_of_a_deploy_that_fails(self):
        for deploy, code in (("mail why; fail x", 1), ("mail why; hang", 124)):
            result = self.go("--deploy-timeout", "1s", deploy=MAIL + deploy, code=code)
            self.assertEqual(self.subject(result, 2, "001.eml"), "why")
            self.assertEqual({row[2] for row in result.cases if row[1] == "test"}, {"skipped"})

    def test_deploy_once(self):
        word = os.urandom(6).hex()  # nobody has deployed that
        result = self.go("--environment", f"TESTAPP_DEPLOY={MAIL}store {word}; mail deployed",
                         yaml=SERVICES + "cleanroom: {deploy: once}\n",
                         test=f"stored {word}; mail {ME}")
        for shard in (1, 2):
            self.assertEqual(self.subject(result, shard, "001.eml"), str(shard))
            self.assertEqual(len(os.listdir(result.results / f"shard-{shard}/mail")), 1)
        self.assertEqual(self.subject(result, 0, "001.eml"), "deployed")
        self.assertEqual((result.results / "seed/syslog.log").read_text(), "")

    def test_deploy_once_that_fails(self):
        result = self.go("--environment", f"TESTAPP_DEPLOY={MAIL}mail why; fail {os.urandom(6).hex()}",
                         yaml=SERVICES + "cleanroom: {deploy: once}\n", code=1)
        self.assertEqual(self.subject(result, 0, "001.eml"), "why")

    def test_two_of_a_kind(self):
        yaml = """services: [email, reports, syslog, audit, proxy, blind]
cleanroom: {services: {reports: {service: email}, audit: {service: syslog}, blind: {service: proxy}}}
"""
        result = self.go(yaml=yaml, test="mail first; EMAIL_PORT=$REPORTS_EMAIL_PORT; need_env EMAIL_PORT 26; mail second; "
                         "log one; SYSLOG_PORT=$AUDIT_SYSLOG_PORT; log two; "
                         "http_proxy=$BLIND_http_proxy; ask GET http://h.example/")
        for shard in (1, 2):
            self.assertEqual(self.subject(result, shard, "001.eml"), "first")
            self.assertEqual(self.subject(result, shard, "001.eml", "mail-reports"), "second")
            self.assertEqual(result.log(shard, "syslog.log") + result.log(shard, "audit.log"), "one\ntwo\n")
            self.assertEqual(result.log(shard, "proxy.log"), "")
            self.assertIn("GET http://h.example/", result.log(shard, "blind.log"))
            self.assertEqual(self.properties(result)[shard - 1]["mail-reports"], "1 message")
        self.assert_says(result, "requests that found no way out: shard-1/blind.log, 1 line")

    def test_nothing_was_sent(self):
        result = self.go()
        self.assertEqual(result.log(1, "syslog.log") + result.log(1, "proxy.log"), "")
        self.assertNotIn("mail", self.properties(result)[0])


@on("embedded")
class Clients(unittest.TestCase):
    """The satellite itself, and clients that apps have."""

    def serve(self, name, kind):
        """A directory, and the port of a sink that writes there."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="cleanroom-live-"))
        self.addCleanup(shutil.rmtree, directory)
        with socket.socket(type=socket.SOCK_DGRAM if "udp" in kind else socket.SOCK_STREAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        satellite = subprocess.Popen(
            [pathlib.Path(CLEANROOM).parent / "satellite", "hold", "--sink", f"{name}:{kind}:{port}:{directory}"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(satellite.stdout.close)
        self.addCleanup(satellite.wait)
        self.addCleanup(satellite.terminate)
        self.assertEqual(satellite.stdout.readline(), "up\n")
        self.assertRegex(satellite.stdout.readline(), rf"^ready {name} \d+\n$")
        return directory, port

    def test_smtplib(self):
        directory, port = self.serve("email", "smtp")
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = "Grüße", "jörg@example.org", "b@example.org"
        message.set_content("Erste Zeile\n.\n..zwei\n" + "lang" * 1000 + "\nÄ€🚢\n")
        message.add_attachment(bytes(range(256)) * 1000, maintype="application", subtype="octet-stream",
                               filename="alle.bin")
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.login("user", "password")
            client.send_message(message)
            client.sendmail("a@x", ["b@y", "c@z"], "short\n.\n")
            with self.assertRaises(smtplib.SMTPNotSupportedError):
                client.starttls()
            with self.assertRaises(smtplib.SMTPResponseException):
                client.sendmail("a@x", ["b@y"], "x" * 11_000_000)
        kept = email.message_from_bytes((directory / "mail/001.eml").read_bytes(), policy=email.policy.SMTPUTF8)
        self.assertEqual(kept["Return-Path"], "<jörg@example.org>")
        self.assertEqual(kept["X-Envelope-To"], "<b@example.org>")
        self.assertEqual(kept["Subject"], "Grüße")
        body, attachment = kept.iter_parts()
        self.assertEqual(body.get_content().replace("\r\n", "\n"), message.get_body().get_content())
        self.assertEqual(attachment.get_content(), bytes(range(256)) * 1000)
        self.assertEqual((directory / "mail/002.eml").read_bytes(),
                         b"Return-Path: <a@x>\r\nX-Envelope-To: <b@y>\r\nX-Envelope-To: <c@z>\r\nshort\r\n.\r\n")
        self.assertEqual(sorted(os.listdir(directory / "mail")), ["001.eml", "002.eml"])

    def test_sys_log_handler(self):
        # On TCP a line is a message: nothing else tells where one ends.
        for kind, socktype, blank in (("syslog-udp", socket.SOCK_DGRAM, "\n"),
                                      ("syslog-tcp", socket.SOCK_STREAM, "\t")):
            directory, port = self.serve("syslog", kind)
            handler = logging.handlers.SysLogHandler(("127.0.0.1", port), socktype=socktype)
            handler.handle(logging.makeLogRecord({"msg": f"zwölf{blank}Boxkämpfer", "levelno": 40, "levelname": "ERROR"}))
            handler.handle(logging.makeLogRecord({"msg": "second", "levelno": 20, "levelname": "INFO"}))
            handler.close()
            log = directory / "syslog.log"
            wait_until(lambda log=log: len(log.read_text().splitlines()) == 2, 30, "two lines")
            self.assertEqual(log.read_text(), f"<11>zwölf{blank}Boxkämpfer\n<14>second\n".replace("f\n", "f\\x0a"))

    def test_logger(self):
        """Of util-linux: RFC 5424, with octet counting and without."""
        directory, port = self.serve("syslog", "syslog-tcp")
        words = ["logger", "--server", "127.0.0.1", "--port", str(port), "--tcp", "--rfc5424", "--tag", "it"]
        subprocess.run([*words, "--octet-count", "counted"], check=True)
        subprocess.run([*words, "line"], check=True)
        log = directory / "syslog.log"
        wait_until(lambda: len(log.read_text().splitlines()) == 2, 30, "two lines")
        self.assertRegex(log.read_text(), r"(?m)^<13>1 .* it .* counted$")
        self.assertRegex(log.read_text(), r"(?m)^<13>1 .* it .* line$")

    def test_http_clients(self):
        directory, port = self.serve("proxy", "proxy")
        proxy = f"http://127.0.0.1:{port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            opener.open("http://a.example/x", data=b"y" * 1_000_000)
        self.assertEqual(refused.exception.code, 502)
        self.assertIn(b"http://a.example/x was recorded", refused.exception.read())
        with self.assertRaisesRegex(OSError, "Tunnel connection failed: 502"):
            opener.open("https://b.example/")
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("HEAD", "http://c.example/")
        self.assertEqual(client.getresponse().status, 502)
        curl = subprocess.run(["curl", "-sS", "-o", "-", "-w", "%{http_code}", "--proxy", proxy,
                               "http://d.example/"], capture_output=True, text=True, check=True)
        self.assertRegex(curl.stdout, r"not sent\.\n(.*\n)*502$")
        self.assertEqual([line.split()[1:3] for line in (directory / "proxy.log").read_text().splitlines()],
                         [["POST", "http://a.example/x"], ["CONNECT", "b.example:443"],
                          ["HEAD", "http://c.example/"], ["GET", "http://d.example/"]])
