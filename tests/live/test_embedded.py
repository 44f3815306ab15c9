# SPDX-License-Identifier: Apache-2.0
"""What only the embedded engine has: a world that can be killed, limits of its own, a machine that
may not let it run."""

import base64
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import harness
from harness import APP, MEMCACHED, POSTGRES, REDIS, LiveTest, on, wait_until

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = f"""\
services: [redis, memcache]
redis: {{image: "{REDIS}"}}
memcache: {{image: "{MEMCACHED}"}}
"""


@on("embedded", "rootless")
class Moments(LiveTest):
    """kill -9 whenever it hurts: nothing is left after ten seconds."""

    args = ("--shards", 2, APP)
    phases = {"yaml": SERVICES, "deploy": "say deploying", "test": "say running; elapse 0.1"}

    def at_moments(self, count, act):
        """Calls act() with a run like all others, each as old as chance will have it."""
        whole = self.run_cleanroom(*self.args, **self.phases)
        self.assert_exit(whole, 0)
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        for number in range(count):
            moment = dice.uniform(0, whole.seconds * 1.1)
            with self.subTest(seed=seed, number=number, moment=moment):
                process = self.start(*self.args, **self.phases)
                time.sleep(moment)
                self.engine.ours()  # so that who loses its parents is known
                act(process)

    def test_main(self):
        def act(process):
            process.popen.kill()
            process.wait()
            self.assert_nothing_left()
            self.assert_not_green(process)
        self.at_moments(50, act)

    def own(self):
        return set(self.own_processes()) - self.processes_before

    def assert_recycled(self):
        """All that is the kernel's goes by itself, the rest by `recycle`."""
        kernels = ("process", "namespace", "mount")
        wait_until(lambda: not [name for name in self.left() if name.startswith(kernels)], 10,
                   lambda: f"the kernel took back all but {self.left()}")
        said = self.run_cleanroom("recycle")
        self.assert_exit(said, 0)
        self.assertEqual(self.left(), set(), f"\n{said}")

    def test_main_and_janitor(self):
        def act(process):
            process.signal(signal.SIGSTOP)
            for pid in self.own() - {process.pid, *self.keepers(process)}:
                self.kill(pid)
            process.popen.kill()
            process.wait()
            self.assert_recycled()
        self.at_moments(15, act)

    def test_everything_of_ours_at_once(self):
        """As the kernel does it when memory ends, or an impatient administrator."""
        def act(process):
            for pid in self.own():
                self.kill(pid)
            process.wait()
            self.assert_recycled()
        self.at_moments(10, act)

    def test_keeper(self):
        """Before it is there and after it has gone, nothing happens to the run."""
        def act(process):
            keepers = self.keepers(process)
            for keeper in keepers:
                self.kill(keeper)
            result = process.wait(30)
            self.assertIn(result.code, (0, 3) if keepers else (0,), f"\n{result}")
            self.assert_exit(result, result.code)
            self.assert_valid_junit(result)
            self.assert_nothing_left()
        self.at_moments(15, act)

    def keepers(self, process):
        """Without asking for the run's id, which it may not have yet."""
        found = []
        for task in self.engine.family().values():
            status = pathlib.Path(f"/proc/{task.pid}/status")
            if task.parent == process.pid and status.exists() and \
                    re.search(r"^NSpid:\s+\d+\s+1$", status.read_text(), re.M):
                found.append(task.pid)
        return found


@on("embedded", "rootless")
class World(LiveTest):
    def running(self, *args, test="say running; hang", **options):
        process = self.start(*args, APP, test=test, **options)
        process.wait_for_output("running")
        return process

    def test_keeper_is_killed(self):
        process = self.running("--shards", 2, yaml=SERVICES)
        self.kill(self.engine.keeper(process.run).pid)
        result = process.wait(30)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result)
        self.assert_valid_junit(result)
        self.assertEqual(len({row[0] for row in result.red()}), 2, "both shards are red")
        self.assert_nothing_left_now(result)

    def test_keeper_is_stopped(self):
        """Not even an answer: the deadlines hold all the same."""
        process = self.running("--test-timeout", "2s", "--teardown-timeout", "3s")
        os.kill(self.engine.keeper(process.run).pid, signal.SIGSTOP)
        result = process.wait(40)
        self.assertIn(result.code, (3, 4, 124), f"\n{result}")
        self.assert_nothing_left()

    def test_keeper_is_stopped_and_we_are_to_end(self):
        """It is not asked for long: its end is everything's."""
        process = self.running("--teardown-timeout", "4s", yaml=SERVICES)
        os.kill(self.engine.keeper(process.run).pid, signal.SIGSTOP)
        process.signal(signal.SIGINT)
        result = process.wait(20)
        self.assertEqual(result.code, 130, f"\n{result}")
        self.assertNotIn("left behind", result.err)
        self.assert_nothing_left_now(result)

    def test_runtime_ignores_the_filter(self):
        """A crun before 0.18 does not know how it is given to it: nothing runs without."""
        place = self.make_directory("bin")
        place.chmod(0o755)
        crun = place / "crun"
        crun.write_text(f"""#!/bin/sh
for word; do case $word in --bundle=*) bundle=${{word#*=}} ;; esac; done
[ -z "$bundle" ] || sed -i s/run.oci.seccomp_bpf_data/unknown/ "$bundle/config.json"
exec {shutil.which("crun")} "$@"
""")
        crun.chmod(0o755)
        result = self.run_cleanroom(APP, env={"PATH": f"{place}:{os.environ['PATH']}"}, test="say ran")
        self.assert_exit(result, 3)
        self.assertIn("seccomp", result.err)
        self.assertIn("crun 0.18", result.err)
        self.assertNotIn("ran", result.out)
        self.assert_nothing_left_now(result)

    def test_what_a_container_sees(self):
        """Own namespaces, Docker's capabilities, a filter; and of the host neither files nor processes."""
        result = self.run_cleanroom(APP, test="""
            say "pid $$"; cat /proc/self/status; say "procs $(ls -d /proc/[0-9]* | wc -l)"
            say "mounts $(awk '{ print $5 }' /proc/self/mountinfo | tr '\\n' ' ')"
            (: > /proc/sys/kernel/hostname) 2>&1; (: > /sys/x) 2>&1; ls /proc/kcore /proc/acpi -la
            mount -t tmpfs x /mnt 2>&1; unshare -U true 2>&1; say "device $(ls /dev | tr '\\n' ' ')" """)
        self.assert_exit(result, 1 if "unshare" in result.out.splitlines()[-1] else 0)
        log = result.log(1)
        # Docker's but for CAP_MKNOD: there is not always a control group to keep devices closed.
        self.assertRegex(log, r"CapEff:\s+00000000a00425fb")
        self.assertRegex(log, r"CapBnd:\s+00000000a00425fb")
        self.assertRegex(log, r"Seccomp:\s+2")
        self.assertRegex(log, r"procs [1-9]\n")
        self.assertNotIn("/var/lib", log)
        self.assertNotIn(" sda", log)
        self.assertRegex(log, "mount: .*(permission denied|not permitted)")
        self.assertRegex(log, "unshare: .*not permitted")

    def test_users_of_an_image(self):
        """postgres is 999 there, whoever we are here."""
        process = self.running("--postgres.image", POSTGRES, yaml="services: [postgres]\n")
        server = self.engine.service(process.run, 1, "postgres")
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M)[1])
        outer = {int(line.split()[0]): (int(line.split()[1]), int(line.split()[2])) for line in
                 pathlib.Path(f"/proc/{server.pid}/uid_map").read_text().splitlines()}
        inner = next(uid - first + begin for begin, (first, count) in outer.items()
                     if first <= uid < first + count)
        self.assertEqual(inner, 999)
        self.assertEqual(uid == 999, self.engine.kind() == "embedded")
        process.signal(signal.SIGTERM)
        process.wait(30)

    def test_files_are_the_callers(self):
        """What a run leaves belongs to who started it."""
        result = self.run_cleanroom(APP, test='ack; put "$TEST_UNDECLARED_OUTPUTS_DIR/x" y')
        self.assert_exit(result, 0)
        wanted = harness.USER.uid if harness.USER else os.getuid()
        for path in [result.results, *result.results.rglob("*")]:
            self.assertEqual(path.lstat().st_uid, wanted, path)

    def test_shared_memory_and_pipes_are_apart(self):
        result = self.run_cleanroom(
            "--shards", 2, APP,
            test="put /dev/shm/mine $CLEANROOM_SHARD_NUMBER; elapse 0.5; "
                 '[ "$(ls /dev/shm)" = mine ] && got /dev/shm/mine $CLEANROOM_SHARD_NUMBER')
        self.assert_exit(result, 0)

    def test_bare_machine_is_not_touched(self):
        """No link, no route, no rule of a firewall: nothing that is the whole machine's."""
        def state():
            words = (["ip", "-o", "link"], ["ip", "route"]) if os.path.exists("/usr/sbin/ip") else ()
            return [subprocess.run(argv, capture_output=True, text=True, check=True).stdout
                    for argv in words] + [sorted(os.listdir("/sys/class/net"))]
        before = state()[-1]
        process = self.running("--shards", 2)
        self.assertEqual(state()[-1], before)
        process.signal(signal.SIGTERM)
        process.wait(30)


@on("embedded", "rootless")
class Limits(LiveTest):
    def test_memory(self):
        result = self.run_cleanroom("--memory", "64m", APP, test="eat_memory 300000000 || exit 7",
                                    seconds=60)
        if "limits of memory, CPU and processes are not held" in result.err:
            # Said, and only where control groups are not ours.
            self.assertEqual(self.engine.kind(), "rootless", f"\n{result}")
            self.assert_one_sentence(result, "control groups", "doctor")
            return
        self.assert_exit(result, 1)
        self.assert_red_case(result, "test", "memory")

    def test_disk_is_full(self):
        """What is written goes to a disk with no room: the app is told, and all is removed."""
        self.check_full("--scratch", "disk")

    def check_full(self, *args):
        cache = self.make_directory("cache")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0777", "cleanroom-live", cache],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", cache], check=True)
        here = {"XDG_CACHE_HOME": str(cache)}
        self.load(APP, here)
        result = self.run_cleanroom(*args, APP, env=here, seconds=60,
                                    test="head -c 200000000 /dev/zero > /big; say never")
        self.assertIn(result.code, (0, 1), f"\n{result}")
        self.assertIn("No space left", result.log(1))
        again = self.run_cleanroom(*args, APP, env=here, test="head -c 20000000 /dev/zero > /big")
        self.assert_exit(again, 0)
        left = [path for path in cache.rglob("*") if path.lstat().st_size > 10_000_000]
        self.assertEqual([path for path in left if "layers" not in str(path)], [])

    def load(self, image, env):
        """From the storage where ci/images has built it."""
        archive = self.directory / "image.tar"
        copy_image(image, f"docker-archive:{archive}:{image}")
        archive.chmod(0o644)
        self.assert_exit(self.run_cleanroom("image", "load", archive, env=env), 0)


def copy_image(image, *where):
    store = "/var/lib/cleanroom-images"
    subprocess.run(["skopeo", "copy", "-q", f"containers-storage:[overlay@{store}/root+{store}/run]"
                    f"docker.io/{image}", *where], stderr=subprocess.DEVNULL, check=True)


@on("embedded", "rootless")
class Scratch(LiveTest):
    def test_on_disk(self):
        result = self.run_cleanroom("--scratch", "disk", "--shards", 2, APP, yaml=SERVICES,
                                    test='awk \'$2 == "/" { print $1, $4 }\' /proc/mounts; '
                                         '[ "$(redis_here PING)" = +PONG ] && put /x y')
        self.assert_exit(result, 0)
        self.assert_nothing_left_now(result)

    def test_killed_on_disk(self):
        process = self.start("--scratch", "disk", "--shards", 2, APP, yaml=SERVICES,
                             test="put /x y; say running; hang")
        process.wait_for_output("running")
        process.popen.kill()
        process.wait()
        self.assert_nothing_left()


class Refused(LiveTest):
    """A machine that does not let us: one sentence, exit code 3, and nothing left."""

    def check_refused(self, *words, engine="embedded", **options):
        result = self.run_cleanroom("--engine", engine, APP, seconds=60, **options)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result)
        for word in words:
            self.assertRegex(result.err, word, f"\n{result}")
        self.assert_valid_junit(result)
        return result

    @on("embedded", "rootless")
    def test_in_a_container_without_privileges(self):
        self.check_refused("namespace|CAP_SYS_ADMIN|privilege|newuidmap", within=[str(HERE / "locked.py")])

    @on("embedded", "rootless")
    def test_and_no_daemon_either(self):
        """`auto` says why not the one and why not the other."""
        self.check_refused("embedded", "(?i)docker", engine="auto", env={"CLEANROOM_ENGINE": None},
                           within=hidden("/run/docker.sock", "/run/podman/podman.sock")
                           + [str(HERE / "locked.py")])

    @on("docker")
    def test_in_a_container_of_docker(self):
        """With Docker's own capabilities and seccomp profile; / of the container is this machine's."""
        done = subprocess.run(
            ["docker", "--host", self.engine.host, "run", "--rm", "--volume", "/:/host",
             "--workdir", "/", "--entrypoint", "chroot", APP, "/host", "env", "-C", self.directory,
             f"HOME={self.directory}", harness.CLEANROOM, "--engine", "embedded", "--services", "", APP],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        said = [line for line in done.stderr.splitlines() if line.startswith("cleanroom: ")]
        self.assertEqual(len(said), 1, done.stderr)
        self.assertRegex(said[0], "namespace|CAP_SYS_ADMIN|privilege|mount")

    @on("rootless")
    def test_user_namespaces_are_switched_off(self):
        self.check_refused("user namespaces", within=[str(HERE / "no-user-namespaces")])

    @on("rootless")
    def test_no_subordinate_ids(self):
        self.check_refused("subuid", within=hidden("/etc/subuid"))

    @on("rootless")
    def test_no_newuidmap(self):
        self.check_refused("newuidmap", "uidmap", within=hidden("/usr/bin/newuidmap"))

    @on("embedded", "rootless")
    def test_no_runtime(self):
        places = [f"{directory}/{name}" for name in ("crun", "runc")
                  for directory in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")]
        self.check_refused("crun", within=hidden(*places), env={"PATH": "/usr/bin:/bin"})


def hidden(*files):
    """Words of a command that cannot see what is in files, nor run or speak to them."""
    mounts = [f"mount --bind /dev/null {file}" for file in files if os.path.exists(file)]
    return ["unshare", "--mount", "sh", "-ec", "\n".join([*mounts, 'exec "$@"']), "sh"]


@on("embedded", "rootless")
class Registry(LiveTest):
    """A registry with a password, reached by skopeo."""

    user, secret = "tester", "s3cret:with colon"

    def setUp(self):
        super().setUp()
        line = subprocess.run(["htpasswd", "-Bbn", self.user, self.secret], capture_output=True,
                              text=True, check=True).stdout
        (self.directory / "htpasswd").write_text(line)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = self.directory / "registry.yml"
        config.write_text(f"""\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {self.directory}/data}}}}
http: {{addr: "127.0.0.1:{self.port}"}}
auth: {{htpasswd: {{realm: test, path: {self.directory}/htpasswd}}}}
""")
        registry = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (registry.kill(), registry.wait()))
        self.ref = f"127.0.0.1:{self.port}/cleanroom/app:1"
        wait_until(self.pushed, 15, "the registry has the image")
        self.addCleanup(self.run_cleanroom, "image", "rm", self.ref)

    def pushed(self):
        try:
            copy_image(APP, "--dest-tls-verify=false", f"--dest-creds={self.user}:{self.secret}",
                       f"docker://{self.ref}")
        except subprocess.CalledProcessError:
            return False
        return True

    def docker_config(self, secret):
        """As `docker login` leaves it."""
        where = self.make_directory("docker")
        auth = base64.b64encode(f"{self.user}:{secret}".encode()).decode()
        (where / "config.json").write_text(
            f'{{"auths": {{"127.0.0.1:{self.port}": {{"auth": "{auth}"}}}}}}')
        return {"DOCKER_CONFIG": str(where)}

    def test_with_credentials(self):
        result = self.run_cleanroom(self.ref, env=self.docker_config(self.secret), test="say pulled")
        self.assert_exit(result, 0)
        self.assertIn("pulled", result.log(1))
        self.assertRegex(result.run_json[f"image {self.ref}"], "sha256:[0-9a-f]{64}")
        # Now it is here, and the registry is not asked.
        self.assert_exit(self.run_cleanroom(self.ref), 0)

    def test_without_credentials(self):
        result = self.run_cleanroom(self.ref)
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, self.ref, "authentication required")

    def test_wrong_password(self):
        result = self.run_cleanroom(self.ref, env=self.docker_config("wrong"))
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, self.ref)

    def test_no_such_tag(self):
        result = self.run_cleanroom(self.ref + "99", env=self.docker_config(self.secret))
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, self.ref + "99")
