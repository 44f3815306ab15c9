# SPDX-License-Identifier: Apache-2.0
"""Services that a project file defines: declared ones, several of a kind, ports that are moved."""

from harness import APP, MEMCACHED, POSTGRES, REDIS, LiveTest

# Answers its path with 503 three times, and listens where it was told.
HTTP_SERVER = r"""
          use IO::Socket::INET;
          my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => ${port}, Listen => 8) or die;
          while (my $c = $s->accept) {
              my $line = <$c>;
              my $code = $line !~ m{^GET /health HTTP} ? "404 No" : $n++ < 3 ? "503 Later" : "204 Well";
              while (my $head = <$c>) { last if $head =~ /^\r/ }
              print $c "HTTP/1.1 $code\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
              print "answered $code\n";
              $| = 1;
          }
"""

DECLARED = f"""
services: [byhand, redis, lines, asked, web]
cleanroom:
  services:
    byhand:
      image: {REDIS}
      command: redis-server /etc/mine/by/hand.conf
      port: 6379
      files: {{/etc/mine/by/hand.conf: "port ${{port}}\\nsave ''\\nrequirepass ${{password}}\\n"}}
      app_environment: {{MINE_PORT: "${{port}}", MINE_PASSWORD: "${{password}}"}}
    lines:
      image: {REDIS}
      entrypoint: [sh, -c]
      command: ["printf 'now it'; sleep 0.3; printf ' serves\\n'; exec sleep 1000"]
      probe: {{log: now it serves}}
    asked:
      image: {REDIS}
      command: [sh, -c, 'sleep 0.3; touch /tmp/$WORD; exec sleep 1000']
      user: "65534"
      environment: {{WORD: "it-${{shard}}-of-${{shards}}"}}
      probe: {{exec: [sh, -c, 'test -e /tmp/it-${{shard}}-of-2 && test "$WORD" && test "$(id -u)" = 65534
               && grep -q "^Seccomp:.*2" /proc/self/status']}}
    web:
      image: {APP}
      entrypoint: [perl, /srv/serve.pl]
      port: 8080
      files:
        /srv/serve.pl: |{HTTP_SERVER}
      probe: {{http: /health, status: 204}}
      app_environment: {{WEB: "http://${{host}}:${{port}}"}}
"""


class Declared(LiveTest):
    def test_each_says_in_its_own_way_that_it_is_ready(self):
        result = self.run_cleanroom(
            "--shards", 2, "--redis.image", REDIS, APP, yaml=DECLARED,
            test='redis 127.0.0.1 "$MINE_PORT" PING; reach 127.0.0.1 8080; say "$WEB"; redis_here PING;'
                 'exec 3<>"/dev/tcp/127.0.0.1/$MINE_PORT"; printf "AUTH $MINE_PASSWORD\\r\\nPING\\r\\n" >&3;'
                 'head -n 2 <&3')
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        for shard in (1, 2):
            words = result.log(shard).split("\n")
            self.assertIn("NOAUTH", words[0])  # its file was there, and with the password
            self.assertEqual([word.strip() for word in words[1:5]],
                             ["http://127.0.0.1:8080", "+PONG", "+OK", "+PONG"])
            self.assertEqual(result.log(shard, "web.log").count("503 Later"), 3)
            self.assertIn("answered 204", result.log(shard, "web.log"))
        # What took its time was waited for.
        for suite in result.suites:
            took = {case.get("name"): float(case.get("time")) for case in suite.iter("testcase")}
            self.assertGreater(took["service lines"], 0.3)
            self.assertGreater(took["service asked"], 0.3)

    def not_ready(self, definition, *words):
        result = self.run_cleanroom("--start-timeout", "4s", APP,
                                    yaml="services: [it]\ncleanroom: {services: {it: {" + definition + "}}}\n")
        self.assert_exit(result, 124)
        self.assert_one_sentence(result, "service 'it' was not ready within", *words)
        self.assert_red_case(result, "service it", *words)

    def test_a_text_that_is_never_written(self):
        self.not_ready(f"image: {REDIS}, command: [echo, nearly], entrypoint: [tail, -f, /dev/null], "
                       "probe: {log: quite}", "its output has no 'quite'")

    def test_words_that_fail(self):
        self.not_ready(f"image: {REDIS}, command: sleep 1000, probe: {{exec: sh -c 'exit 7'}}", "ended with 7")

    def test_words_that_hang(self):
        self.not_ready(f"image: {REDIS}, command: sleep 1000, probe: {{exec: [sleep, '1000']}}",
                       "'sleep 1000' has not ended")

    def test_a_page_that_is_another(self):
        self.not_ready(f"image: {REDIS}, command: redis-server --port 9000, port: 9000, probe: {{http: /}}",
                       "closed without an answer")

    def test_nobody_listens(self):
        self.not_ready(f"image: {REDIS}, command: sleep 1000, port: 9", "connection refused")

    def test_its_end_is_told(self):
        result = self.run_cleanroom(
            APP, yaml=f"services: [it]\ncleanroom: {{services: {{it: {{image: {REDIS}, command: sh -c 'exit 5', "
                      "probe: {log: x}}}}\n")
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "service 'it'", "ended before it was ready: exit code 5")


SEVERAL = f"""
services: [redis, postgres, reports, memcache, queue]
redis: {{image: {REDIS}, count: 2}}
memcache: {{image: {MEMCACHED}, count: 3}}
postgres: {{image: {POSTGRES}}}
reports: {{name: figures}}
cleanroom:
  services:
    reports: {{service: postgres, image: {POSTGRES}}}
    queue: {{service: redis, image: {REDIS}}}
"""


class Several(LiveTest):
    PORTS = (6379, 6380, 6381, 5432, 5433, 11211, 11212, 11213)

    def check(self, result):
        self.assert_exit(result, 0)
        log = result.log(1)
        for line in ("MEMCACHE_HOSTS=127.0.0.1:11211|127.0.0.1:11212|127.0.0.1:11213",
                     "REDIS_HOSTS=127.0.0.1:6379|127.0.0.1:6380", "QUEUE_REDIS_HOSTS=127.0.0.1:6381"):
            self.assertIn(line + "\n", log)
        self.assertRegex(log, r"DB_REPORTS_URL=postgres://\w+:\w{32}@127.0.0.1:5433/figures\n")
        self.assertEqual(log.count("\nlistens"), len(self.PORTS))

    def test_each_listens_where_the_app_is_told(self):
        test = "print_env; for p in {}; do reach 127.0.0.1 $p; say listens; done".format(
            " ".join(map(str, self.PORTS)))
        self.check(self.run_cleanroom(APP, yaml=SEVERAL, test=test))

    def test_deployed_to_once(self):
        test = "print_env; for p in {}; do reach 127.0.0.1 $p; say listens; done".format(
            " ".join(map(str, self.PORTS)))
        result = self.run_cleanroom("--shards", 2, APP, "--environment", "TESTAPP_DEPLOY=redis_here SET a b",
                                    "--deploy", "once", yaml=SEVERAL, test=test + "; redis_here STRLEN a")
        self.check(result)
        self.assertIn(":1", result.log(2))
