# SPDX-License-Identifier: Apache-2.0
"""The embedded engine's ways to the outside, where `the outside` is a network namespace of the
test's, and so is the host that the program sees: nothing here touches the machine's own network.

    shards ... [host: 198.51.100.1, its loopback, its firewall] --- [outside: 198.51.100.2]
"""

import contextlib
import ctypes
import os
import pathlib
import re
import socket
import subprocess
import threading

import views
from harness import APP, REDIS, LiveTest, on, wait_until

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"

CONNECT = 'connect() { timeout 2 bash -c "cat < /dev/tcp/$1/$2"; }; '
SERVE = """perl -MIO::Socket -e '$s = IO::Socket::INET->new(LocalPort => 9000, Listen => 9, ReuseAddr => 1)
    or die; close $c while $c = $s->accept' & elapse 0.3; """


class Net:
    """A network namespace."""

    def __init__(self, name):
        self.name = f"cleanroom-{os.getpid()}-{name}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        run("ip", "-n", self.name, *args)

    def run(self, *args):
        return run("ip", "netns", "exec", self.name, *args)

    def sysctl(self, name, value):
        with self.inside():
            pathlib.Path("/proc/sys/net", name).write_text(value)

    def delete(self):
        run("ip", "netns", "delete", self.name)

    @property
    def namespace(self):
        with self.inside():
            return os.readlink("/proc/thread-self/ns/net")

    @contextlib.contextmanager
    def inside(self):
        """Sockets made and programs begun meanwhile are there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            enter(there)
            try:
                yield
            finally:
                enter(home)


def enter(namespace):
    if LIBC.setns(namespace.fileno(), CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


def run(*args):
    done = subprocess.run(args, check=False, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(args)}: {done.stderr}")
    return done.stdout


class Server:
    """Tells whoever connects to a TCP port of a namespace who he is, and remembers."""

    def __init__(self, net, address, port):
        self.seen = []
        with net.inside():
            self.socket = socket.create_server((address, port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, (address, _) = self.socket.accept()
                self.seen.append(address)
                with peer:
                    peer.sendall(f"hello {address}\n".encode())

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


class NameServer(Server):
    """Answers each question for an IPv4 address (RFC 1035, 4.1) with that of the outside."""

    def __init__(self, net, address):  # pylint: disable=super-init-not-called
        self.seen = []
        with net.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            if question == b"end":
                return
            self.seen.append(peer[0])
            asked = question[12:question.index(0, 12) + 5]
            count = 1 if asked[-4:-2] == b"\0\1" else 0
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(OUTSIDE)
            self.socket.sendto(question[:2] + bytes([0x85, 0x80, 0, 1, 0, count, 0, 0, 0, 0]) + asked
                               + answer * count, peer)

    def close(self):
        self.socket.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@on("embedded", "rootless")
class Outside(LiveTest):
    @classmethod
    def setUpClass(cls):
        cls.host, cls.outside = Net("host"), Net("outside")
        cls.addClassCleanup(cls.host.delete)
        cls.addClassCleanup(cls.outside.delete)
        run("ip", "link", "add", "uplink", "netns", cls.host.name, "type", "veth",
            "peer", "name", "eth0", "netns", cls.outside.name)
        for net, device, address in ((cls.host, "uplink", HOST), (cls.outside, "eth0", OUTSIDE)):
            net.ip("address", "add", f"{address}/24", "dev", device)
            net.ip("link", "set", device, "up")
        cls.host.ip("route", "add", "default", "via", OUTSIDE)
        cls.engine.apart.add(cls.host.namespace)
        cls.server = Server(cls.outside, OUTSIDE, 80)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.server.seen.clear()
        self.host.sysctl("ipv4/ip_forward", "1")

    def start(self, *args, **options):
        with self.host.inside():
            return super().start(*args, **options)

    def open_server(self, *args):
        server = Server(*args)
        self.addCleanup(server.close)
        return server

    # --- no way

    def test_nowhere_unless_asked(self):
        result = self.run_cleanroom(APP, test=CONNECT + f"connect {OUTSIDE} 80 && exit 9; "
                                    "[ -z \"$(hostname -I)\" ]; ! grep nameserver /etc/resolv.conf")
        self.assert_exit(result, 0)
        self.assertEqual(self.server.seen, [])

    # --- pasta

    def test_pasta(self):
        loopback = self.open_server(self.host, "127.0.0.1", 90)
        result = self.run_cleanroom(
            "--shards", 3, "--network", "pasta", APP,
            test=CONNECT + f"connect {OUTSIDE} 80 && ! connect {OUTSIDE} 90 && ! connect 127.0.0.1 90")
        self.assert_exit(result, 0)
        for shard in (1, 2, 3):
            self.assertIn(f"hello {HOST}", result.log(shard))
        self.assertEqual(self.server.seen, [HOST] * 3)
        self.assertEqual(loopback.seen, [])

    def test_outside_is_pasta_where_it_is(self):
        process = self.start("--network", "outside", "--redis.image", REDIS, APP,
                             yaml="services: [redis]\n",
                             test=CONNECT + f"connect {OUTSIDE} 80 && redis_here PING && hang")
        process.wait_for_output("hanging")
        carriers = [task for task in views.tasks().values()  # pasta is passt, by another name
                    if task.name.startswith(("pasta", "passt"))
                    and task.namespaces().get("net") == self.host.namespace]
        self.assertEqual(len(carriers), 1)
        process.popen.terminate()
        process.wait(30)
        wait_until(lambda: carriers[0].pid not in views.tasks(), 5, "pasta ends with its run")

    def test_nobody_can_come_in(self):
        process = self.start("--shards", 2, "--network", "pasta", APP, test=SERVE + "say up; hang")
        wait_until(lambda: process.output()[0].count("up\n") >= 2, 30, "both serve")
        for net in (self.outside, self.host):
            with net.inside(), self.assertRaises(ConnectionRefusedError):
                socket.create_connection((HOST, 9000), timeout=5)
        process.popen.terminate()
        process.wait(30)

    def test_pasta_that_fails(self):
        """It wants a default route."""
        self.host.ip("route", "delete", "default")
        self.addCleanup(self.host.ip, "route", "add", "default", "via", OUTSIDE)
        result = self.run_cleanroom("--network", "pasta", APP, test="true")
        self.assert_exit(result, 3)
        self.assert_says(result, "pasta could not connect a pod: .")

    # --- host-nat

    def rules(self):
        """What is in the host's firewall beyond the chains that are always there."""
        return sorted(line for line in self.host.run("iptables-save").splitlines()
                      if re.match(r"-|:\S+ - ", line))

    @on("embedded")
    def test_host_nat(self):
        self.host.run("iptables", "-P", "FORWARD", "DROP")  # as Docker does
        self.addCleanup(self.host.run, "iptables", "-P", "FORWARD", "ACCEPT")
        before = self.rules()
        result = self.run_cleanroom("--shards", 3, "--network", "host-nat", APP,
                                    test=CONNECT + f"connect {OUTSIDE} 80")
        self.assert_exit(result, 0)
        for shard in (1, 2, 3):
            self.assertIn(f"hello {HOST}", result.log(shard))
        self.assertEqual(self.server.seen, [HOST] * 3)
        self.assertEqual(self.rules(), before)
        self.assertNotIn("clnr", self.host.run("ip", "link"))

    @on("embedded")
    def test_host_nat_keeps_shards_apart(self):
        """Those of this run, and of another."""
        both = [self.start("--shards", 2, "--network", "host-nat", APP,
                           test=SERVE + "say address $(hostname -I); hang") for _ in range(2)]
        addresses = []
        for process in both:
            wait_until(lambda p=process: len(re.findall(r"address \S+", p.output()[0])) == 2, 30,
                       "two addresses")
            addresses += re.findall(r"address (\S+)", process.output()[0])
        self.assertEqual(len(set(addresses)), 4)
        run_id = re.search(r"run (\w+):", both[0].output()[0])[1]
        own = self.engine.enter(run_id, 1, "hostname", "-I").stdout.strip()
        for address in addresses:
            with self.host.inside():  # it can, so somebody listens
                socket.create_connection((address, 9000), timeout=5).close()
            knock = self.engine.enter(run_id, 1, "timeout", "2", "bash", "-c",
                                      f"exec 3<>/dev/tcp/{address}/9000")
            self.assertEqual(knock.returncode == 0, address == own, f"from {own} to {address}: {knock}")
        self.outside.ip("route", "add", "10.0.0.0/8", "via", HOST)
        self.addCleanup(self.outside.ip, "route", "delete", "10.0.0.0/8")
        with self.outside.inside(), self.assertRaises(TimeoutError):
            socket.create_connection((addresses[0], 9000), timeout=1)
        for process in both:
            process.popen.terminate()
            process.wait(30)

    @on("embedded")
    def test_host_nat_of_a_killed_run(self):
        before = self.rules()
        process = self.start("--network", "host-nat", APP, test="say up; hang")
        process.wait_for_output("up")
        self.assertNotEqual(self.rules(), before)
        process.popen.kill()
        wait_until(lambda: self.rules() == before, 10, self.rules)

    @on("embedded")
    def test_host_nat_is_recycled(self):
        before = self.rules()
        process = self.start("--network", "host-nat", APP, test="say up; hang")
        process.wait_for_output("up")
        for janitor in self.janitors():
            self.kill(janitor)
        self.kill(process.pid)
        process.wait(30)
        self.assertNotEqual(self.rules(), before)
        self.assert_exit(self.run_cleanroom("recycle", process.run, yaml=None), 0)
        self.assertEqual(self.rules(), before)

    @on("embedded")
    def test_host_that_forwards_nothing(self):
        self.host.sysctl("ipv4/ip_forward", "0")
        result = self.run_cleanroom("--network", "host-nat", APP, test="true")
        self.assert_exit(result, 3)
        self.assert_says(result, "this host forwards no packets: run 'sysctl -w net.ipv4.ip_forward=1'")

    @on("rootless")
    def test_host_nat_is_roots(self):
        result = self.run_cleanroom("--network", "host-nat", APP, test="true")
        self.assert_exit(result, 3)
        self.assert_says(result, "the host's NAT is root's to set up: use --network pasta")

    # --- names

    def resolve(self, network, server):
        """getent's answer in a shard while the host's resolv.conf names that server."""
        conf = self.directory / "resolv.conf"
        conf.write_text(f"search cleanroom.test\nnameserver {server}\n")
        result = self.run_cleanroom(
            "--network", network, APP, test="cat /etc/resolv.conf; getent ahostsv4 somewhere.cleanroom.test",
            within=("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', conf))
        self.assert_exit(result, 0)
        self.assertIn("search cleanroom.test", result.log(1))
        return result.log(1)

    @on("embedded")
    def test_name_server_of_the_outside(self):
        names = NameServer(self.outside, OUTSIDE)
        self.addCleanup(names.close)
        for network in ("pasta", "host-nat"):
            names.seen.clear()
            self.assertRegex(self.resolve(network, OUTSIDE), rf"(?m)^{OUTSIDE} ")
            self.assertEqual(set(names.seen), {HOST})

    @on("embedded")
    def test_name_server_on_the_loopback(self):
        names = NameServer(self.host, "127.0.0.1")
        self.addCleanup(names.close)
        self.assertRegex(self.resolve("pasta", "127.0.0.1"), rf"(?m)^{OUTSIDE} ")
        self.assertEqual(set(names.seen), {"127.0.0.1"})
