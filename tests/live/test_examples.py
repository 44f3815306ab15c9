# SPDX-License-Identifier: Apache-2.0
"""The apps in examples/, each with its own forklift.yaml, but with services built from Debian
packages instead of the official images.

That each test runs exactly once is seen by comparing with what one shard alone reports, and with
the number of tests that the sources declare.
"""

import collections
import email
import email.policy
import re
import signal
import urllib.request

from harness import MEMCACHED, POSTGRES, RABBITMQ, REDIS, TOP, LiveTest, on, wait_until

SHARDS = 4
SERVICE_IMAGES = {"postgres": POSTGRES, "redis": REDIS, "memcache": MEMCACHED, "amqp": RABBITMQ}


@on("embedded")
class Example(LiveTest):
    # Its directory and image; the services it asks for; what counts its tests in which files; what
    # makes which of them fail.
    name = services = declares = breaks = None

    @property
    def source(self):
        return TOP / "examples" / self.name

    def begin(self, *args, words=()):
        images = [word for service in self.services
                  for word in (f"--{service}.image", SERVICE_IMAGES[service])]
        return self.start(
            *args, "--pull", "never", "--application-id", self.name, "--start-timeout", "3m", *images,
            f"cleanroom-example/{self.name}:latest", *words,
            # The images are those of the store: a Docker on this machine may have older ones.
            env={"DOCKER_HOST": "unix:///nowhere/docker.sock"},
            yaml=(self.source / "forklift.yaml").read_text())

    def go(self, *args, shards=SHARDS, code=0, words=()):
        result = self.begin("--shards", shards, *args, words=words).wait(400)
        self.assert_exit(result, code)
        self.assert_valid_junit(result)
        self.assert_nothing_left_now(result)
        return result

    @staticmethod
    def reported(result):
        """{"class.test": [(suite, outcome), ...]} of what is not a phase of cleanroom's."""
        found = collections.defaultdict(list)
        for suite in result.suites:
            for case in suite.iter("testcase"):
                if case.get("classname").partition(".")[0] == "cleanroom":
                    continue
                bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
                found[f"{case.get('classname')}.{case.get('name')}"].append(
                    (suite.get("name"), bad[0] if bad else "passed"))
        return found

    def declared(self):
        """How many tests the sources have."""
        pattern, files = self.declares
        return sum(len(re.findall(pattern, file.read_text(), re.M)) for file in self.source.glob(files))

    def assert_each_once(self, result, shards):
        found = self.reported(result)
        self.assertEqual({test: runs for test, runs in found.items() if len(runs) != 1}, {})
        self.assertEqual({test for test, runs in found.items() if runs[0][1] != "passed"}, set())
        self.assertEqual(len({runs[0][0] for runs in found.values()}), shards)
        return set(found)

    def check_shards(self):
        alone = self.assert_each_once(self.go(shards=1), 1)
        self.assertEqual(len(alone), self.declared(), sorted(alone))
        self.assertEqual(self.assert_each_once(self.go(), SHARDS), alone)

    def check_serve(self, path, text):
        """`cleanroom serve`: after `deploy` there is a page."""
        process = self.begin("serve")
        process.wait_for_output("serves at", 200)
        url = re.search(r"http://localhost:\d+", process.output()[0])[0] + path
        self.assertIn(text, wait_until(lambda: self.page(url), 30, f"{url} answers"))
        process.signal(signal.SIGINT)
        result = process.wait()
        self.assert_exit(result, 0)
        self.assert_nothing_left_now(result)

    @staticmethod
    def page(url):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def check_red(self):
        """One test that fails makes one red case, and the run."""
        result = self.go("--environment", f"{self.breaks[0]}=1", code=1)
        red = [(test, runs) for test, runs in self.reported(result).items() if runs[0][1] != "passed"]
        self.assertEqual([test for test, _ in red], [self.breaks[1]])
        self.assert_red_case(result, self.breaks[1].rpartition(".")[2])


class GTest(Example):
    name, services = "gtest", ["redis"]
    declares = (r"^TEST(?:_F)?\(", "*_test.cc")
    breaks = ("TURNSTILE_BROKEN", "Broken.OnDemand")

    def test_shards(self):
        self.check_shards()

    def test_red(self):
        self.check_red()

    def test_arguments_are_its_own(self):
        result = self.go(words=("--", "--gtest_filter=FirstHost.*"), shards=2)
        self.assertEqual(len(self.reported(result)), 4)


class Node(Example):
    name, services = "node", ["redis"]
    breaks = ("GUESTBOOK_BROKEN", "test.is not broken on demand")

    def declared(self):
        # One call of test() stands in a loop over six cases.
        self.declares = (r"^test\(", "test/*.test.js")
        return super().declared() + 6

    def test_shards(self):
        self.check_shards()

    def test_red(self):
        self.check_red()

    def test_serve(self):
        self.check_serve("/health", '{"redis":"PONG"}')

    def test_the_lockfile_names_no_registry(self):
        self.assertNotIn("resolved", (self.source / "package-lock.json").read_text())


class Legacy(Example):
    name, services = "legacy", ["postgres", "memcache"]
    breaks = ("PHONEBOOK_BROKEN", "alone_t.5 - not broken on demand")
    declares = (r"^(?:is|is_deeply|like|ok)\b", "t/*.t")

    def test_serve(self):
        self.check_serve("/", "<title>Telephone book</title>")

    def test_shards(self):
        self.check_shards()

    def test_red(self):
        self.check_red()


class Django(Example):
    name, services = "django", ["postgres", "redis", "memcache", "amqp"]
    declares = (r"^ +def test_", "tests/test_*.py")

    def test_shards(self):
        """Each test once, and what the tests have sent is kept by the shard in which they ran."""
        result = self.go()
        found = self.assert_each_once(result, SHARDS)
        self.assertEqual(len(found), self.declared())
        mail = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                for file in result.results.glob("shard-*/mail/*.eml")]
        self.assertEqual(sorted((letter["To"], letter["Subject"]) for letter in mail), [
            ("m9001@members.example", "Żółć, “gęś” & 漢字 is here"),
            ("m9002@members.example", "Test Title is here"),
        ])
        lines = [line for file in result.results.glob("shard-*/syslog.log")
                 for line in file.read_text().splitlines()]
        self.assertEqual(sum("the journal is open" in line for line in lines), 1, lines)
        self.assertEqual(sum("letter to M9002 about 9789999999991" in line for line in lines), 4, lines)

    def test_red(self):
        """Without a post office, those tests are red that deliver something, and no others."""
        result = self.go("--environment", "EMAIL_PORT=1", code=1)
        red = {test for test, runs in self.reported(result).items() if runs[0][1] != "passed"}
        self.assertEqual(red, {"tests.test_letters.PostTest.test_it_is_delivered",
                               "tests.test_letters.PostTest.test_any_letters_are_delivered"})

    def test_serve(self):
        self.check_serve("/", "The Hound of the Baskervilles")
