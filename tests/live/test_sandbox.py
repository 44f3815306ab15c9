# SPDX-License-Identifier: Apache-2.0
"""What a container may do, on each engine the same: Docker's defaults (docs.docker.com, "Seccomp
security profiles for Docker"; github.com/moby/profiles; github.com/moby/moby daemon/pkg/oci).

Where a Docker older than that profile does otherwise it is said in OLDER below; where the embedded
engine does, in each test.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tarfile

from harness import APP, APP_USER, LiveTest, on
from test_embedded import copy_image

PROBE = base64.b64encode((pathlib.Path(__file__).parent / "sandbox.pl").read_bytes()).decode()
SCRIPT = 'printf %s "$SANDBOX" | base64 -d > /tmp/sandbox.pl && perl /tmp/sandbox.pl'


def numbers(text):
    found = set()
    for word in text.split():
        first, _, last = word.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


# x86_64. Not among them: what depends on its arguments (clone 56, personality 135, socket 41).
ALLOWED = numbers("""0-40 42-55 57-102 104-133 137-138 140-152 154 157-162 186-211 213-226 228-235
    240-245 247 251-255 257-271 273-278 280-297 299 301-303 305-307 309-311 314-319 322 324-335 424
    434 436-437 439 441 444-449 451-458 462-466""")
CONDITIONAL = {41, 56, 135}
NEWEST = 466
CLONE3 = 435
# What the kernel itself says ENOSYS to: futex(-1), calls of i386, calls that never were, and those
# that it may be too old or configured without.
KERNEL_LACKS = numbers("154 202 205-206 208-211 214-215 324 329-331 444-449 451-466")
# What the kernel itself forbids whoever has neither privileges nor given them up.
KERNEL_FORBIDS = numbers("446")
# What Docker 20.10 to 28 do otherwise: io_uring was let through; process_vm_readv and _writev,
# pkey_* and name_to_handle_at were not; and they did not know what came after 449 yet.
OLDER = numbers("303 310-311 329-331 425-427 450-466")

FAMILIES = numbers("0-11 13-18 21-22 24 26-33 35-36 39 41-45")
PERSONALITIES = {"0", "8", "20000", "20008", "ffffffff"}

CAPABILITIES = 0xa80425fb
CAP_MKNOD = 1 << 27

MOUNTS = {  # target: type, options
    "/proc": ("proc", "rw nosuid nodev noexec"),
    "/dev": ("tmpfs", "rw nosuid size=65536k mode=755"),
    "/dev/pts": ("devpts", "rw nosuid noexec mode=620 ptmxmode=666"),
    "/sys": ("sysfs", "ro nosuid nodev noexec"),
    "/dev/mqueue": ("mqueue", "rw nosuid nodev noexec"),
    "/dev/shm": ("tmpfs", "rw nosuid nodev noexec size=65536k"),
    "/proc/bus": ("proc", "ro"),
    "/proc/fs": ("proc", "ro"),
    "/proc/irq": ("proc", "ro"),
    "/proc/sys": ("proc", "ro"),
}
ETC = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
DEVICES = {"fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
           "tty", "urandom", "zero"}


NODES = {"loop": (tarfile.BLKTYPE, 7, 0), "loop-control": (tarfile.CHRTYPE, 10, 237)}


def layer_of_nodes():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, (kind, major, minor) in NODES.items():
            info = tarfile.TarInfo(f"nodes/{name}")
            info.type, info.devmajor, info.devminor, info.mode = kind, major, minor, 0o666
            tar.addfile(info)
        info = tarfile.TarInfo("nodes/file")
        info.mode = 0o666
        tar.addfile(info)
    return out.getvalue()


def with_nodes(archive, out, ref):
    """The image of an archive of `docker save`, with one more layer."""
    layer = layer_of_nodes()
    with tarfile.open(archive) as old, tarfile.open(out, "w") as new:
        manifest = json.load(old.extractfile("manifest.json"))
        config = json.load(old.extractfile(manifest[0]["Config"]))
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(layer).hexdigest())
        config.pop("history", None)
        added = {"config.json": json.dumps(config).encode(), "nodes.tar": layer}
        manifest = [{"Config": "config.json", "RepoTags": [ref],
                     "Layers": manifest[0]["Layers"] + ["nodes.tar"]}]
        added["manifest.json"] = json.dumps(manifest).encode()
        for member in old:
            if member.name != "manifest.json":
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for name, data in added.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))


@on("docker", "embedded", "rootless")
class Sandbox(LiveTest):
    def facts(self, image, *args):
        """{"call": {"0": "EBADF", ...}, "mount": ...}: what sandbox.pl says in that image."""
        result = self.run_cleanroom("--environment", f"SANDBOX={PROBE}", *args, image, test=SCRIPT)
        self.assert_exit(result, 0)
        facts = {}
        for line in result.log(1).splitlines():
            kind, _, rest = line.partition(" ")
            key, _, value = rest.partition(" ")
            facts.setdefault(kind, {})[key] = value
            if kind in ("mount", "limit"):
                facts.setdefault(f"{kind} lines", []).append(rest)
        self.assertIn("done", facts, result.log(1))
        return facts

    @property
    def kind(self):
        return self.engine.kind()

    def check_call(self, number, got):
        # runc has its filter made by a libseccomp, which may know no more than an old Docker's.
        older = number in OLDER and (self.kind == "docker" or not shutil.which("crun"))
        if number in ALLOWED:
            bad = {"signal"}
            if not older:
                bad |= set() if number in KERNEL_LACKS else {"ENOSYS"}
                bad |= set() if number in KERNEL_FORBIDS else {"EPERM"}
            return got not in bad
        if number == CLONE3 or number > NEWEST:
            return got == "ENOSYS"
        return got == "EPERM" or older

    def test_system_calls(self):
        facts = self.facts(APP)
        for number, got in facts["call"].items():
            if int(number) not in CONDITIONAL:
                self.assertTrue(self.check_call(int(number), got), f"system call {number}: {got}")
        self.assertGreater(len(facts["call"]), 470)
        for family, got in facts["socket"].items():
            want = {"EINVAL"} if int(family) in FAMILIES else {"EPERM"}
            self.assertIn(got, want | ({"EINVAL"} if self.kind == "docker" else set()), f"family {family}")
        for personality, got in facts["personality"].items():
            self.assertEqual(got, "0" if personality in PERSONALITIES else "EPERM", personality)
        for flags, got in facts["clone"].items():
            self.assertEqual(got, "0" if flags == "0" else "EPERM", flags)

    def test_rights_of_root(self):
        status = self.facts(APP)["status"]
        # No control group keeps devices closed, so the embedded engine lets none be made.
        want = CAPABILITIES if self.kind == "docker" else CAPABILITIES & ~CAP_MKNOD
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[name], 16), want, name)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["Uid"].split(), ["0"] * 4)
        self.assertEqual(status["Gid"].split(), ["0"] * 4)
        self.assertEqual(status["Groups"], "0")
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], status["Umask"]), ("0", "2", "0022"))

    def test_rights_of_others(self):
        facts = self.facts(APP_USER)
        status = facts["status"]
        for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(int(status["CapBnd"], 16) | CAP_MKNOD, CAPABILITIES)
        self.assertEqual(status["Uid"].split(), ["4711"] * 4)
        self.assertEqual(status["Gid"].split(), ["0"] * 4)
        self.assertEqual(status["Groups"], "0")
        self.assertEqual(facts["env"].keys(), facts["env"].keys() | {"HOME=/"})

    def test_mounts(self):
        facts = self.facts(APP)
        seen = {}
        for line in facts["mount lines"]:
            _, target, kind, options, *_ = line.split()
            seen[target] = kind, options.split(",")
        for target, (kind, options) in MOUNTS.items():
            self.assertIn(target, seen)
            self.assertEqual(seen[target][0], kind, target)
            missing = set(options.split()) - set(seen[target][1])
            self.assertFalse(missing, f"{target}: {seen[target]}")
        self.assertLessEqual(ETC, set(seen))
        # Not Docker's, who has a control group for it; and runc is not asked for the root.
        for target in seen if self.kind == "embedded" and shutil.which("crun") else ():
            if target != "/dev" and not target.startswith(("/dev/", "/proc/", "/sys")):
                self.assertIn("nodev", seen[target][1], target)
        others = {target for target in set(seen) - set(MOUNTS) - ETC - {"/"}
                  if not target.startswith(("/sys/fs/cgroup", "/proc/", "/sys/", "/dev/"))}
        self.assertLessEqual(others, {"/storage", "/static", "/cleanroom"}, seen)
        self.assertEqual(set(facts["device"]) - {"core"}, DEVICES)

    def test_devices_of_an_image(self):
        """An image may come with the node of any device: it opens none."""
        ref = "cleanroom-test/with-nodes:1"
        plain, archive = self.directory / "plain.tar", self.directory / "nodes.tar"
        if self.kind == "docker":
            docker = ["docker", "--host", self.engine.host]
            subprocess.run([*docker, "save", "-o", plain, APP], check=True)
            with_nodes(plain, archive, ref)
            subprocess.run([*docker, "load", "-qi", archive], check=True, stdout=subprocess.DEVNULL)
            self.addCleanup(subprocess.run, [*docker, "rmi", ref], check=True, stdout=subprocess.DEVNULL)
        else:
            copy_image(APP, f"docker-archive:{plain}:{APP}")
            with_nodes(plain, archive, ref)
            archive.chmod(0o644)
            self.assert_exit(self.run_cleanroom("image", "load", archive), 0)
            self.addCleanup(self.run_cleanroom, "image", "rm", ref)
        words = " ".join([*NODES, "file"])
        result = self.run_cleanroom(ref, test=f"for name in {words}; do (: < /nodes/$name) 2>/dev/null && "
                                              'say "opened $name" || say "closed $name"; done')
        self.assert_exit(result, 0)
        for name in NODES:
            self.assertIn(f"closed {name}\n", result.log(1))
        self.assertIn("opened file\n", result.log(1))

    def test_what_is_hidden(self):
        facts = self.facts(APP)
        for path, seen in facts["masked"].items():
            if path != "/proc/interrupts" or self.kind != "docker":  # since Docker 28.5
                self.assertIn(seen, ("0", "absent"), path)
        for path, count in facts["emptied"].items():
            self.assertEqual(count, "0", path)
        self.assertIn("/proc/sys/kernel/hostname", facts["writable"])
        for path, writable in facts["writable"].items():
            self.assertEqual(writable, "no", path)
        self.assertEqual(facts["node"], {"/dev/probe": "closed", "/root/probe": "closed"})
        pids = list(facts["pids"]) + " ".join(facts["pids"].values()).split()
        self.assertEqual(pids[0], "1")
        self.assertLess(len(pids), 10)

    def test_environment(self):
        facts = self.facts(APP)
        variables = dict(line.split("=", 1) for line in facts["env"])
        self.assertEqual(variables["HOME"], "/root")
        self.assertEqual(variables["PATH"],
                         "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.assertEqual([variables["HOSTNAME"]], list(facts["hostname"]))
        self.assertEqual(list(facts["oom"]), ["0"])
        self.assertEqual(facts["sysctl"]["ip_unprivileged_port_start"], "0")
        highest = "65535" if self.kind == "rootless" else "2147483647"
        self.assertEqual(facts["sysctl"]["ping_group_range"].split(), ["0", highest])

    @on("embedded", "rootless")
    def test_rights_of_the_holder(self):
        """Our own program, in what holds for others and with less: no rights, no /proc, no way out."""
        process = self.start(APP, test="say running; hang")
        process.wait_for_output("running")
        keeper = self.engine.keeper(process.run)
        holder = next(task for task in self.engine.cells(process.run) if "hold" in task.words())
        app = self.engine.app(process.run, 1)
        here = pathlib.Path(f"/proc/{holder.pid}")
        status = dict(line.split(":", 1) for line in (here / "status").read_text().splitlines())
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
        self.assertEqual(status["NSpid"].split()[-1], "1")
        if self.kind == "embedded":
            self.assertEqual(status["Groups"].split(), [])
        for kind in ("mnt", "pid", "uts", "ipc", "net"):
            self.assertNotEqual(holder.namespaces()[kind], keeper.namespaces()[kind], kind)
        self.assertEqual(holder.namespaces()["net"], app.namespaces()["net"])
        mounts = {line.split()[4]: line.split()[5] for line in (here / "mountinfo").read_text().splitlines()}
        self.assertEqual(set(mounts), {"/", "/storage", "/static", "/cleanroom"})
        if self.kind == "embedded":
            self.assertEqual([target for target in mounts if "nodev" not in mounts[target].split(",")], [])
        open_files = {int(fd.name): os.readlink(fd) for fd in (here / "fd").iterdir()}
        others = {name for fd, name in open_files.items()
                  if fd > 2 and not name.startswith(("anon_inode:[signalfd]", "socket:"))}
        self.assertEqual(others, set(), open_files)
        process.signal(signal.SIGTERM)
        process.wait(30)

    @on("embedded", "rootless")
    def test_limits_are_ours(self):
        """Docker's are its daemon's."""
        limits = {line.split("|")[0]: line.split("|")[1:3] for line in self.facts(APP)["limit lines"]}
        for name, number in (("Max open files", resource.RLIMIT_NOFILE),
                             ("Max stack size", resource.RLIMIT_STACK),
                             ("Max core file size", resource.RLIMIT_CORE)):
            want = ["unlimited" if value == resource.RLIM_INFINITY else str(value)
                    for value in resource.getrlimit(number)]
            self.assertEqual(limits[name], want, name)
