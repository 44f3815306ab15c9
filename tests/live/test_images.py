# SPDX-License-Identifier: Apache-2.0
"""The image store of the embedded engine, on real images: from archives, a local daemon, a registry.

Each test has a store of its own, below its directory.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import time
import urllib.request

from harness import APP, REDIS, USER, LiveTest, on, wait_until

# What `test` is in an image of nothing else: it needs no libraries, no shell.
PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char text[64] = "";
    FILE *f = fopen("/etc/word", "r");
    if (argc > 1 && strcmp(argv[1], "test") == 0 && f && fgets(text, sizeof(text), f))
        printf("the word is %s, and I am %d\n", text, (int)getuid());
    return *text == 0;
}
"""


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(files):
    """An archive of [(name, mode, bytes)]; the owner is 4711."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode, data in files:
            info = tarfile.TarInfo(name)
            info.mode, info.size, info.uid, info.gid = mode, len(data), 4711, 4711
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def snapshot(top):
    """{path: what lstat, the content and the extended attributes say}, overlayfs's own apart."""
    found = {}
    for directory, names, files in os.walk(top):
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        for name in files + links + [""]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            content = None
            if stat.S_ISREG(info.st_mode):
                content = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            attributes = {word: os.getxattr(path, word, follow_symlinks=False)
                          for word in os.listxattr(path, follow_symlinks=False) if "overlay" not in word}
            # What no archive holds is the top itself.
            when = int(info.st_mtime) if path.rstrip("/") != str(top).rstrip("/") else 0
            found[os.path.relpath(path, top)] = (
                info.st_mode, info.st_uid, info.st_gid, when, content, attributes,
                info.st_rdev if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode) else None)
    return found


class StoreTest(LiveTest):
    """With a store of its own."""

    def setUp(self):
        super().setUp()
        self.cache = self.make_directory("cache")
        self.store = self.cache / "cleanroom/store"

    def environment(self, extra=None):
        return super().environment({"CLEANROOM_ENGINE": "embedded", "XDG_CACHE_HOME": str(self.cache),
                                    **(extra or {})})

    def references(self):
        """What was put there; our own helper's image apart."""
        found = {line.split()[0] for line in self.image("ls").splitlines()[1:]}
        return {name for name in found if not name.startswith("cleanroom-import:")}

    def names(self, below):
        return set(os.listdir(self.store / below)) if self.store.exists() else set()

    def assert_tidy(self):
        """Nothing half, and no layer that no image has."""
        self.image("prune")
        self.assertEqual(self.names("tmp"), set())
        named = {layer["id"].removeprefix("sha256:")[:24]
                 for path in (self.store / "images").glob("*.json")
                 for layer in json.loads(path.read_text())["layers"]}
        self.assertEqual(self.names("layers"), named)


@on("embedded", "rootless")
class Archives(StoreTest):
    """Made by hand: no daemon, no tool but a compiler."""

    def setUp(self):
        super().setUp()
        path = self.directory / "program"
        subprocess.run(["gcc", "-static", "-Os", "-s", "-x", "c", "-o", path, "-"],
                       input=PROGRAM.encode(), check=True)
        self.program = path.read_bytes()

    def layers(self):
        lower = tar_of([("entry", 0o755, self.program), ("etc/word", 0o644, b"wrong"),
                        ("etc/old/file", 0o644, b"x")])
        upper = tar_of([("etc/word", 0o640, b"right"), ("etc/.wh.old", 0o644, b"")])
        return [lower, upper]

    def config(self, layers):
        return json.dumps({
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()], "os": "linux",
            "config": {"Entrypoint": ["/entry"], "User": "4711"},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}}).encode()

    def saved(self, name):
        layers = self.layers()
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["0.tar", "1.tar"]}]
        return tar_of([("0.tar", 0o644, layers[0]), ("1.tar", 0o644, layers[1]),
                       ("config.json", 0o644, self.config(layers)),
                       ("manifest.json", 0o644, json.dumps(manifest).encode())])

    def run_it(self, ref):
        result = self.run_cleanroom("--pull", "never", ref)
        self.assert_exit(result, 0)
        self.assertIn("the word is right, and I am 4711", result.log(1))
        self.assert_nothing_left_now(result)
        return result

    def test_docker_archive(self):
        archive = self.directory / "app.tar"
        archive.write_bytes(self.saved("hand/made:1"))
        self.assertRegex(self.image("load", archive), r"^loaded hand/made:1 [0-9a-f]{12}\n$")
        self.run_it("hand/made:1")
        self.image("load", "--name", "other", "-", stdin=gzip.compress(archive.read_bytes()))
        self.assertEqual(self.references(), {"hand/made:1", "other:latest"})
        self.run_it("other")
        self.assertEqual(len(self.names("layers")), 3)  # two, and that of our own helper
        self.image("rm", "hand/made:1", "other")
        self.assertIn("there is no image", self.image("rm", "other", code=2))

    def test_oci_layout(self):
        layout = self.make_directory("layout")
        blobs = layout / "blobs/sha256"
        blobs.mkdir(parents=True)

        def put(data):
            (blobs / digest(data)[7:]).write_bytes(data)
            return {"digest": digest(data), "size": len(data)}

        layers = self.layers()
        manifest = put(json.dumps({
            "schemaVersion": 2, "config": put(self.config(layers)),
            "layers": [put(gzip.compress(layer, mtime=0)) for layer in layers]}).encode())
        manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "quay.example/app:oci"}
        (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        self.assertIn("loaded quay.example/app:oci", self.image("load", layout))
        self.run_it("quay.example/app:oci")

        # The same, but for one bit of a layer.
        blob = blobs / digest(gzip.compress(layers[0], mtime=0))[7:]
        damaged = bytearray(blob.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        blob.write_bytes(damaged)
        self.image("prune", "--all")
        self.assertIn("the layer", self.image("load", layout, code=3))
        self.assert_tidy()
        self.assertEqual(self.names("layers"), set())

    def test_killed_at_any_moment(self):
        archive = self.directory / "app.tar"
        files = [(f"d{number % 50}/f{number}", 0o644, os.urandom(3000)) for number in range(3000)]
        layers = [*self.layers(), tar_of(files)]
        manifest = [{"Config": "c", "RepoTags": ["killed"], "Layers": ["0", "1", "2"]}]
        archive.write_bytes(tar_of(
            [(str(number), 0o644, layer) for number, layer in enumerate(layers)] +
            [("c", 0o644, self.config(layers)), ("manifest.json", 0o644, json.dumps(manifest).encode())]))
        begun = time.monotonic()
        self.image("load", archive)
        whole = time.monotonic() - begun
        self.image("prune", "--all")
        chance = random.Random(4711)
        for _ in range(10):
            process = self.start("image", "load", archive, yaml=None)
            try:
                process.popen.wait(chance.random() * whole)
            except subprocess.TimeoutExpired:
                process.popen.send_signal(signal.SIGKILL)
            process.popen.wait()
            if "killed:latest" in self.references():
                self.run_it("killed")
            self.assert_tidy()
            self.image("prune", "--all")
            self.assertEqual(self.names("layers"), set())
        self.image("load", archive)
        self.run_it("killed")

    def test_many_at_once(self):
        archive = self.directory / "app.tar"
        archive.write_bytes(self.saved("once"))
        processes = [self.start("image", "load", archive, yaml=None) for _ in range(6)]
        for process in processes:
            self.assert_exit(process.wait(), 0)
        self.run_it("once")
        self.assert_tidy()

    def test_what_is_not_there(self):
        result = self.run_cleanroom("--pull", "never", "no/such:image")
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "'no/such:image' is not there and --pull never")
        result = self.run_cleanroom("127.0.0.1:1/no/such:image")
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "'127.0.0.1:1/no/such:image'", "refused")
        self.assertEqual(self.names("tmp"), set())


class DaemonTest(StoreTest):
    """With images that are built there."""

    def docker(self, *words, stdin=None):
        environment = {**os.environ, "DOCKER_HOST": self.engine.host, "DOCKER_BUILDKIT": "0",
                       "DOCKER_CLI_HINTS": "false"}
        done = subprocess.run(["docker", *words], input=stdin, capture_output=True, env=environment,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode().strip()

    def build(self, tag, text, base=APP):
        context = tar_of([("Dockerfile", 0o644, f"FROM {base}\n{text}\n".encode())])
        self.docker("build", "-q", "-t", tag, "-", stdin=context)
        self.addCleanup(subprocess.run, ["docker", "rmi", "-f", tag], capture_output=True, check=False,
                        env={**os.environ, "DOCKER_HOST": self.engine.host})

    def run_app(self, ref, *words, test="cat /word"):
        result = self.run_cleanroom(*words, ref, test=test)
        self.assert_exit(result, 0)
        return result

    def image_of(self, ref):
        return self.engine.request("GET", f"/images/{ref}/json")

    def id_of(self, ref):
        return self.image_of(ref)["Id"].removeprefix("sha256:")

    def mounted(self, ref, place, id_=None):
        """The image's root file system out of the store."""
        record = json.loads((self.store / f"images/{id_ or self.id_of(ref)}.json").read_text())
        lower = [f"layers/{layer['id'][7:31]}" for layer in reversed(record["layers"])]
        return self.mount(":".join(lower), place, cwd=self.store)

    def mount(self, lower, place, **options):
        top = self.make_directory(place)
        kind = ["-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}:{self.make_directory(place + '-empty')}"]
        subprocess.run(["mount", *kind, top], check=True, **options)
        self.addCleanup(subprocess.run, ["umount", top], check=True)
        return top


@on("docker", "podman")
class OfTheDaemon(DaemonTest):
    def test_built_here_runs_at_once(self):
        tag = "cleanroom-live/word:1"
        self.build(tag, "RUN echo first > /word")
        self.assertIn("first", self.run_app(tag).log(1))
        before = self.names("layers")

        # Built anew under its name: that is what runs, and only its top layer came.
        self.build(tag, "RUN echo second > /word")
        self.assertIn("second", self.run_app(tag).log(1))
        self.assertEqual(len(self.names("layers") - before), 1)
        self.assertEqual(before - self.names("layers"), set())

        # Gone from there: the store has it.
        self.docker("rmi", "-f", tag)
        self.assertIn("second", self.run_app(tag).log(1))
        self.assert_tidy()

    def test_two_runs_bring_the_same(self):
        first, second = (self.start(REDIS, yaml="services: []\n") for _ in range(2))
        first.wait()
        second.wait()
        self.assertIn(REDIS, self.references())
        self.assert_tidy()


@on("docker")
class OfDocker(DaemonTest):
    """With its overlay2 directories within reach."""

    def directories(self, ref):
        data = self.image_of(ref)["GraphDriver"]["Data"]
        return ":".join([data["UpperDir"], *data.get("LowerDir", "").split(":")]).rstrip(":")

    def test_nothing_is_copied_and_nothing_lost(self):
        self.run_cleanroom(REDIS)
        docker = self.mount(self.directories(REDIS), "docker")
        ours = self.mounted(REDIS, "ours")
        self.assertEqual(snapshot(ours), snapshot(docker))
        if os.stat(self.directory).st_dev == os.stat(self.directories(REDIS).split(":")[0]).st_dev:
            for layer in (self.store / "layers").iterdir():
                for path in layer.rglob("usr/bin/*"):
                    if stat.S_ISREG(path.lstat().st_mode):
                        self.assertGreater(path.lstat().st_nlink, 1, path)

    def test_saved_archives_give_the_same(self):
        archive = self.directory / "saved.tar"
        self.docker("save", "-o", str(archive), REDIS, APP)
        self.image("load", archive)
        self.assertEqual(self.references(), {REDIS, APP})
        for number, ref in enumerate((REDIS, APP)):
            docker = self.mount(self.directories(ref), f"docker-{number}")
            ours = self.mounted(ref, f"ours-{number}")
            self.assertEqual(snapshot(ours), {**snapshot(docker), ".": snapshot(ours)["."]})
        # Asked for by name, it is not brought again.
        before = {name: os.stat(self.store / "layers" / name).st_ino for name in self.names("layers")}
        self.run_app(APP, test="true")
        for name, inode in before.items():
            self.assertEqual(os.stat(self.store / "layers" / name).st_ino, inode)

    def test_skopeos_layouts(self):
        layout = self.directory / "layout"
        subprocess.run(["skopeo", "copy", "-q", f"docker-daemon:{APP}", f"oci:{layout}:copied:1"], check=True)
        self.image("load", layout)
        id_ = next((self.store / "images").glob("*.json")).stem
        docker = self.mount(self.directories(APP), "docker")
        ours = self.mounted("copied:1", "ours", id_)
        self.assertEqual(snapshot(ours), {**snapshot(docker), ".": snapshot(ours)["."]})
        archive = self.directory / "oci.tar"
        subprocess.run(["skopeo", "copy", "-q", f"oci:{layout}:copied:1", f"oci-archive:{archive}:again:2"],
                       check=True)
        self.assertRegex(self.image("load", archive), "^loaded again:2 " + id_[:12])

    def registry(self):
        """A real one, on loopback; its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        directory = self.make_directory("registry")
        (directory / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: '{address}'}}\n")
        process = subprocess.Popen(["docker-registry", "serve", directory / "config.yml"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def answers():
            try:
                return urllib.request.urlopen(f"http://{address}/v2/", timeout=1).status == 200
            except OSError:
                return False
        wait_until(answers, 10, "the registry answers")
        return address

    def test_a_registry(self):
        ref = f"{self.registry()}/cleanroom/word:1"
        self.build(ref, "RUN echo pulled > /word")
        self.docker("push", "-q", ref)
        id_ = self.id_of(ref)
        self.docker("rmi", "-f", ref)
        result = self.run_app(ref)
        self.assertIn("pulled", result.log(1))
        # The same image as it was in Docker, by the digest of the registry.
        self.assertIn(id_ + ".json", self.names("images"))
        self.assertRegex((result.results / "run.json").read_text(), ref[:-2] + "@sha256:")
        self.assert_tidy()

        # Replaced there: only who asks gets the new one.
        self.build(ref, "RUN echo newer > /word")
        self.docker("push", "-q", ref)
        self.docker("rmi", "-f", ref)
        self.assertIn("pulled", self.run_app(ref).log(1))
        self.assertIn("newer", self.run_app(ref, "--pull", "always").log(1))

        result = self.run_cleanroom(ref + "0")
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, f"'{ref}0'", "manifest unknown")

    def test_no_skopeo(self):
        binaries = self.make_directory("bin")
        for name in ("crun", "runc"):
            if shutil.which(name):
                (binaries / name).symlink_to(shutil.which(name))
        result = self.run_cleanroom("registry.example/no/such:1", env={"PATH": str(binaries)})
        self.assert_exit(result, 3)
        self.assert_one_sentence(result, "apt-get install skopeo")

    def test_ended_while_it_brings(self):
        chance = random.Random(42)
        for number in [signal.SIGKILL, signal.SIGINT] * 4:
            process = self.start(REDIS)
            try:
                process.popen.wait(0.02 + chance.random() * 0.3)
            except subprocess.TimeoutExpired:
                process.popen.send_signal(number)
            process.popen.wait(10)
            self.assert_nothing_left()
            self.assert_tidy()
            self.image("prune", "--all")
        self.run_app(APP, test="true")
