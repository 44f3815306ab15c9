# SPDX-License-Identifier: Apache-2.0
"""A shard is a private world: its own services, secrets, volumes, variables and network."""

import os
import re
import socket
import subprocess
import threading

from harness import APP, APP_USER, POSTGRES, POSTGRES_SEEDED, REDIS, LiveTest, on, wait_until

# Serves on port 9000 of every address for as long as the shell lives, and says whose it is.
SERVE = """perl -MIO::Socket -e '$s = IO::Socket::INET->new(LocalPort => 9000, Listen => 9, ReuseAddr => 1)
    or die; while ($c = $s->accept) { print $c "shard $ENV{CLEANROOM_SHARD_NUMBER}\\n"; close $c }' &
    server=$!; elapse 0.5; """


class Network(LiveTest):
    # netavark 1.4 takes its isolation rule away for all networks whenever one of them goes, so on
    # Podman pods are apart only until the first one ends; tests/live/engine_docker.c holds that much.
    @on("docker", "embedded", "rootless")
    def test_shards_cannot_reach_each_other(self):
        """Each serves on its address; we knock at every door from every shard, at no other address.
        With pasta all have the same address, the host's, and everyone knocks at his own door."""
        process = self.start("--shards", 3, "--network", "outside", APP, test=SERVE + r'''
            mine=$(hostname -I); say "address ${mine%% *}"; hang''')
        address = r"\[(\d)\] address (\S+)"
        wait_until(lambda: len(re.findall(address, process.output()[0])) == 3, 60, "three addresses")
        doors = dict(re.findall(address, process.output()[0]))
        for shard in doors:
            for owner, door in doors.items():
                # Where all have the same address, each is at home there.
                at_home = door == doors[shard]
                self.assertEqual(self.knock(process.run, shard, door, 9000),
                                 f"shard {shard}" if at_home else "", f"from {shard} to {owner}: {doors}")
        process.popen.terminate()
        process.wait(30)

    def knock(self, run, shard, host, port):
        """What somebody says there; nothing, when there is no way."""
        done = self.engine.enter(run, shard, "timeout", "2", "bash", "-c",
                                 f"exec 3<>/dev/tcp/{host}/{port} && head -n 1 <&3")
        return done.stdout.strip()

    @on("docker", "embedded", "rootless")
    def test_the_way_out_leads_past_the_machine(self):
        """To other addresses (one more of this machine stands for them), but not to what the machine
        serves to itself alone."""
        away = "198.51.100.7"
        subprocess.run(["ip", "address", "add", f"{away}/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", f"{away}/32", "dev", "lo"], check=True)
        public, private = (socket.create_server((host, 0)) for host in (away, "127.0.0.1"))
        for server, word in ((public, b"public\n"), (private, b"private\n")):
            self.addCleanup(server.close)
            threading.Thread(target=self.greet, args=(server, word), daemon=True).start()
        process = self.start("--network", "outside", APP, test="""
            say "gateway $(awk '$2 == "00000000" { print $3 }' /proc/net/route) $(hostname -I)"; hang""")
        process.wait_for_output("gateway ")
        raw, own = re.search(r"gateway (\w{8}) (\S+)", process.output()[0]).groups()
        gateway = ".".join(str(int(raw[i:i + 2], 16)) for i in (6, 4, 2, 0))
        self.assertEqual(self.knock(process.run, 1, away, public.getsockname()[1]), "public")
        for host in (own, gateway, "127.0.0.1"):
            self.assertEqual(self.knock(process.run, 1, host, private.getsockname()[1]), "", host)
        process.popen.terminate()
        process.wait(30)

    @staticmethod
    def greet(server, word):
        while True:
            try:
                peer = server.accept()[0]
            except OSError:
                return
            peer.sendall(word)
            peer.close()

    def test_hermetic_without_asking(self):
        """By default there is nothing but loopback, and each shard's is its own."""
        process = self.start("--shards", 2, APP, test=SERVE + "say serves; hang")
        for shard in (1, 2):
            wait_until(lambda n=shard: f"[{n}] serves" in process.output()[0], 60, f"shard {shard} serves")
        for shard in (1, 2):
            links = self.engine.enter(process.run, shard, "ls", "/sys/class/net")
            self.assertEqual(links.stdout.split(), ["lo"], links.stderr)
            away = self.engine.enter(process.run, shard, "timeout", "5", "bash", "-c",
                                     "exec 3<>/dev/tcp/192.0.2.1/80")
            self.assertIn("unreachable", away.stderr)
        process.popen.terminate()
        process.wait(30)

    def test_no_network_at_all(self):
        result = self.run_cleanroom("--network", "none", "--redis.image", REDIS, APP,
                                    yaml="services: [redis]\n",
                                    test='[ "$(redis_here PING)" = +PONG ] && [ -z "$(hostname -I)" ]')
        self.assert_exit(result, 0)

    @on("docker", "podman")
    def test_nothing_is_published(self):
        process = self.start("--redis.image", REDIS, APP, yaml="services: [redis]\n",
                             test="say running; hang")
        process.wait_for_output("running")
        containers = self.engine.containers(process.run)
        self.assertGreaterEqual(len(containers), 3)
        for container in containers:
            bindings = container["HostConfig"].get("PortBindings") or {}
            self.assertEqual({port: to for port, to in bindings.items() if to}, {})
            ports = container["NetworkSettings"].get("Ports") or {}
            self.assertEqual({port: to for port, to in ports.items() if to}, {})
            self.assertFalse(container["HostConfig"].get("PublishAllPorts"))
            self.assertFalse(container["HostConfig"].get("Privileged"))
        process.popen.terminate()
        process.wait(30)

    def test_two_runs_side_by_side(self):
        test = "say running; elapse 2; say $(redis_here INCR n)"
        both = [self.start("--shards", 2, "--redis.image", REDIS, APP, yaml="services: [redis]\n",
                           test=test) for _ in range(2)]
        for process in both:
            process.wait_for_output("running")
        for process in both:
            result = process.wait()
            self.assert_exit(result, 0)
            for shard in (1, 2):
                self.assertIn(":1\n", result.log(shard))


class Secrets(LiveTest):
    def test_password_per_shard(self):
        result = self.run_cleanroom("--shards", 2, "--postgres.image", POSTGRES, APP,
                                    yaml="services: [postgres]\n", test="say $DB_DEFAULT_URL")
        self.assert_exit(result, 0)
        passwords = [re.search(r"postgres://[^:]+:([^@]+)@", result.log(shard))[1] for shard in (1, 2)]
        self.assertNotEqual(*passwords)
        for password in passwords:
            self.assertGreaterEqual(len(password), 16)
            self.assertNotIn(password, result.text("run.json"))

    def test_data_of_a_shard_is_its_own(self):
        result = self.run_cleanroom("--shards", 3, "--redis.image", REDIS, APP,
                                    yaml="services: [redis]\n",
                                    test="redis_here SET who $CLEANROOM_SHARD; elapse 1; "
                                         "[ \"$(redis_here DBSIZE)\" = :1 ]")
        self.assert_exit(result, 0)

    def test_preseeded_postgres(self):
        result = self.run_cleanroom(
            "--postgres.image", POSTGRES_SEEDED, "--postgres.user", "seed", "--postgres.password", "seed",
            "--postgres.name", "seed", APP, yaml="services: [postgres]\n", test="say $DB_DEFAULT_URL")
        self.assert_exit(result, 0)
        self.assertRegex(result.log(1), r"postgres://seed:seed@[^/]+:5432/seed")


class Storage(LiveTest):
    def test_the_same_in_both_phases(self):
        result = self.run_cleanroom("--shards", 2, APP, deploy="store word$CLEANROOM_SHARD_NUMBER",
                                    test="stored word$CLEANROOM_SHARD_NUMBER")
        self.assert_exit(result, 0)

    def test_user_who_is_not_root(self):
        result = self.run_cleanroom(APP_USER, deploy="need_user 4711; store mine",
                                    test='need_user 4711; stored mine; junit "by user" passed; '
                                         'put "$TEST_TMPDIR/x" y; ack')
        self.assert_exit(result, 0)
        self.assertIn("by user", [row[1] for row in result.cases])

    def test_nothing_is_kept_between_runs(self):
        for _ in range(2):
            result = self.run_cleanroom(APP, test="[ -z \"$(ls -A /storage /static | grep -v :)\" ] && store x")
            self.assert_exit(result, 0)


class Variables(LiveTest):
    # What the outer CI says of its own shards; none of it is true inside of ours.
    OUTER = {name: "77" for name in (
        "CI_NODE_INDEX", "CI_NODE_TOTAL", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL",
        "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", "GTEST_SHARD_INDEX",
        "GTEST_TOTAL_SHARDS", "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", "LIT_RUN_SHARD",
        "LIT_NUM_SHARDS", "KNAPSACK_PRO_CI_NODE_INDEX", "SEMAPHORE_JOB_INDEX", "TEST_ENV_NUMBER",
        "BUILD_ID", "GITLAB_CI", "XML_OUTPUT_FILE", "TEST_TMPDIR", "SECRET_OF_THE_HOST")}

    def test_shard_variables(self):
        total = 3
        result = self.run_cleanroom("--shards", total, APP, test="print_env", env=self.OUTER)
        self.assert_exit(result, 0)
        for shard in range(1, total + 1):
            told = dict(line.split("=", 1) for line in result.log(shard).splitlines() if "=" in line)
            index, count, number = str(shard - 1), str(total), str(shard)
            wanted = {
                "CLEANROOM_SHARD_INDEX": index, "CLEANROOM_SHARD_NUMBER": number,
                "CLEANROOM_SHARD_TOTAL": count, "CLEANROOM_SHARD": f"{number}/{count}",
                "TEST_SHARD_INDEX": index, "TEST_TOTAL_SHARDS": count,
                "GTEST_SHARD_INDEX": index, "GTEST_TOTAL_SHARDS": count,
                "CIRCLE_NODE_INDEX": index, "CIRCLE_NODE_TOTAL": count,
                "BUILDKITE_PARALLEL_JOB": index, "BUILDKITE_PARALLEL_JOB_COUNT": count,
                "KNAPSACK_PRO_CI_NODE_INDEX": index, "KNAPSACK_PRO_CI_NODE_TOTAL": count,
                "LIT_RUN_SHARD": number, "LIT_NUM_SHARDS": count,
            }
            self.assertEqual({name: told.get(name) for name in wanted}, wanted)
            for name in ("TEST_SHARD_STATUS_FILE", "GTEST_SHARD_STATUS_FILE", "XML_OUTPUT_FILE",
                         "TEST_UNDECLARED_OUTPUTS_DIR", "TEST_TMPDIR"):
                self.assertTrue(told[name].startswith("/"), f"{name}={told.get(name)}")
            self.assertRegex(told["GTEST_OUTPUT"], r"^xml:/.*/$")
            for name in ("CI_NODE_INDEX", "CI_NODE_TOTAL", "SEMAPHORE_JOB_INDEX", "TEST_ENV_NUMBER",
                         "BUILD_ID", "GITLAB_CI", "SECRET_OF_THE_HOST", "DOCKER_HOST"):
                self.assertNotIn(name, told)
            self.assertNotIn("77", told.values())

    def test_pallet_variables(self):
        result = self.run_cleanroom(APP, test="need_env ENVIRONMENT dev_local; need_env DEVNAME; "
                                              "need_env SITE_PROTOCOL; need_env SITE_DOMAIN")
        self.assert_exit(result, 0)

    def test_environment_of_every_source(self):
        yaml = "services: []\nenvironment: {FROM_FILE: one, BOTH: file}\n"
        result = self.run_cleanroom("--environment", "BOTH=flag", APP, yaml=yaml,
                                    test="need_env FROM_FILE one; need_env BOTH flag")
        self.assert_exit(result, 0)


class Scale(LiveTest):
    def test_sixty_four_shards(self):
        result = self.run_cleanroom("--shards", 64, APP, seconds=300,
                                    test="say I am $CLEANROOM_SHARD_NUMBER of $CLEANROOM_SHARD_TOTAL")
        self.assert_exit(result, 0)
        self.assert_valid_junit(result)
        self.assertEqual(len(result.suites), 64)
        for shard in (1, 33, 64):
            self.assertIn(f"I am {shard} of 64", result.log(shard))
        self.assert_nothing_left_now(result)

    def test_shards_run_side_by_side(self):
        """Each waits for a file that says all have begun: one after another they would wait for ever."""
        process = self.start("--shards", 4, "--quiet", "--test-timeout", "30s", APP,
                             test="say running; elapse 3")
        logs = [process.results / f"shard-{shard}/app.log" for shard in range(1, 5)]
        wait_until(lambda: all(os.path.exists(log) and b"running" in log.read_bytes() for log in logs),
                   30, "all four shards have begun")
        self.assertIsNone(process.popen.poll(), "and none had ended")
        self.assert_exit(process.wait(60), 0)

