# SPDX-License-Identifier: Apache-2.0
"""How the engine is reached, and registries that want a password: by tests/live/engine_docker.c."""

import base64
import http.client
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import unittest

import harness
import tls

BUILD = pathlib.Path(harness.CLEANROOM).parent
PROGRAM = BUILD / "tests/live_engine"
# Docker takes any address of 127.0.0.0/8 for a registry without TLS; Podman must be told which.
REGISTRY_PORT = int(os.environ.get("LIVE_REGISTRY_PORT", "5000"))

REGISTRY = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {directory}/data}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}
"""

HELPER = """\
#!/bin/sh
read server
[ "$1" = get ] && [ "$server" = 127.0.0.1:{port} ] || {{ echo "credentials not found"; exit 1; }}
printf '{{"ServerURL":"%s","Username":"{user}","Secret":"{secret}"}}' "$server"
"""


def setUpModule():
    target = os.path.relpath(PROGRAM, harness.TOP)
    build = subprocess.run(["make", "-s", f"BUILD={os.path.relpath(BUILD, harness.TOP)}",
                            f"VARIANT={'asan' if harness.SANITIZED else 'release'}", target],
                           cwd=harness.TOP, capture_output=True, text=True, check=False)
    if build.returncode != 0:
        raise AssertionError(build.stdout + build.stderr)


def small_tar():
    """A root file system of one file, with content of its own each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        content = os.urandom(4096)
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@harness.on("docker", "podman")
class EngineTest(unittest.TestCase):
    engine = harness.LiveTest.engine

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cleanroom-engine-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def program(self, *args, host=None, env=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory),
                       "DOCKER_HOST": host or self.engine.host, "CLEANROOM_ENGINE": "docker"}
        environment.update(env or {})
        environment = {name: value for name, value in environment.items() if value is not None}
        return subprocess.run([PROGRAM, *args], env=environment, capture_output=True, text=True,
                              timeout=300, check=False)

    def spawn(self, *argv, **options):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   **options)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return process

    def assert_says(self, result, code, *words):
        for word in words:
            self.assertIn(word, result.stdout, result.stderr)
        self.assertEqual((result.returncode, result.stderr), (code, ""), result.stdout)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Registry(EngineTest):
    """A registry with a password; the image in it is our own."""

    user, secret = "tester", "s3cret:with colon"

    def setUp(self):
        super().setUp()
        self.assertFalse(listens(REGISTRY_PORT), f"port {REGISTRY_PORT} is taken")
        line = subprocess.run(["htpasswd", "-Bbn", self.user, self.secret], capture_output=True,
                              text=True, check=True).stdout
        (self.directory / "htpasswd").write_text(line)
        config = self.directory / "registry.yml"
        config.write_text(REGISTRY.format(directory=self.directory, port=REGISTRY_PORT))
        self.spawn("docker-registry", "serve", config, stderr=subprocess.DEVNULL)
        harness.wait_until(lambda: listens(REGISTRY_PORT), 10, "the registry listens")
        self.ref = f"127.0.0.1:{REGISTRY_PORT}/cleanroom/app:1"
        self.push()

    def push(self):
        self.addCleanup(self.forget)
        self.raw("POST", f"/images/create?fromSrc=-&repo={self.ref}",
                 {"Content-Type": "application/x-tar"}, small_tar())
        login = base64.urlsafe_b64encode(json.dumps(
            {"username": self.user, "password": self.secret}).encode()).decode()
        answer = self.raw("POST", f"/images/{self.ref}/push", {"X-Registry-Auth": login})
        self.assertNotIn("error", answer)
        self.engine.request("DELETE", f"/images/{self.ref}")

    def forget(self, ref=None):
        try:
            self.engine.request("DELETE", f"/images/{ref or self.ref}")
        except AssertionError:
            pass

    def raw(self, method, path, headers, body=None):
        connection = http.client.HTTPConnection("engine", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.engine.path)
        connection.request(method, path, body, headers)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def config(self, **content):
        where = self.directory / ".docker"
        where.mkdir(exist_ok=True)
        (where / "config.json").write_text(json.dumps(content))

    def helper(self, name, secret):
        program = self.directory / f"docker-credential-{name}"
        program.write_text(HELPER.format(port=REGISTRY_PORT, user=self.user, secret=secret))
        program.chmod(0o755)
        return {"PATH": f"{self.directory}:{os.environ['PATH']}"}

    def test_without_credentials(self):
        result = self.program("pull", self.ref)
        self.assert_says(result, 1, f"failed: could not pull image '{self.ref}': ", "docker login")

    def test_auths(self):
        auth = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        self.config(auths={f"http://127.0.0.1:{REGISTRY_PORT}/v2/": {"auth": auth}})
        self.assert_says(self.program("pull", self.ref), 0, "pulled 127.0.0.1", "@sha256:")

    def test_digest(self):
        auth = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        self.config(auths={f"127.0.0.1:{REGISTRY_PORT}": {"auth": auth}})
        first = self.program("pull", self.ref)
        digest = first.stdout.split("pulled ")[-1].strip()
        self.assertIn("@sha256:", digest, first.stdout)
        self.forget()
        self.addCleanup(self.forget, digest)
        self.assert_says(self.program("pull", digest), 0, f"pulled {digest}")

    def test_wrong_password(self):
        auth = base64.b64encode(f"{self.user}:wrong".encode()).decode()
        self.config(auths={f"127.0.0.1:{REGISTRY_PORT}": {"auth": auth}})
        self.assert_says(self.program("pull", self.ref), 1, "failed: ", "docker login")

    def test_no_such_tag(self):
        auth = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        self.config(auths={f"127.0.0.1:{REGISTRY_PORT}": {"auth": auth}})
        self.assert_says(self.program("pull", self.ref + "99"), 1, "no such image or tag")

    def test_credential_store(self):
        self.config(credsStore="teststore")
        path = self.helper("teststore", self.secret)
        self.assert_says(self.program("pull", self.ref, env=path), 0, "pulled 127.0.0.1")

    def test_credential_helper_of_a_registry(self):
        self.config(credsStore="missing",
                    credHelpers={f"127.0.0.1:{REGISTRY_PORT}": "testhelper"})
        path = self.helper("testhelper", self.secret)
        self.assert_says(self.program("pull", self.ref, env=path), 0, "pulled 127.0.0.1")

    def test_helper_that_is_missing(self):
        self.config(credsStore="missing")
        self.assert_says(self.program("pull", self.ref), 1,
                         "could not run 'docker-credential-missing'")

    def test_helper_without_an_entry(self):
        self.config(credsStore="none")
        program = self.directory / "docker-credential-none"
        program.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
        program.chmod(0o755)
        path = {"PATH": f"{self.directory}:{os.environ['PATH']}"}
        self.assert_says(self.program("pull", self.ref, env=path), 1, "docker login")


class Tls(EngineTest):
    """The engine behind TLS that wants a certificate of its clients."""

    def setUp(self):
        super().setUp()
        tls.make_certificates(self.directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        d = self.directory
        self.spawn("socat",
                   f"OPENSSL-LISTEN:{self.port},bind=127.0.0.1,fork,reuseaddr,verify=1,"
                   f"cert={d}/server.pem,key={d}/server.key,cafile={d}/ca.pem",
                   f"UNIX-CONNECT:{self.engine.path}", stderr=subprocess.DEVNULL)
        harness.wait_until(lambda: listens(self.port), 10, "socat listens")
        self.host = f"tcp://127.0.0.1:{self.port}"

    def tls(self, directory):
        return tls.environment(self.directory / directory)

    def test_with_certificate(self):
        result = self.program("hello", host=self.host, env=self.tls("good"))
        self.assert_says(result, 0, self.engine.kind(), self.host)

    def test_promises_over_tls(self):
        result = self.program(host=self.host, env=self.tls("good"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_without_certificate(self):
        result = self.program("hello", host=self.host, env=self.tls("bare"))
        self.assert_says(result, 1, f"failed: no engine answers at {self.host}: ")

    def test_server_of_another_authority(self):
        tls.openssl(self.directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "x.key",
                    "-out", "good/ca.pem", "-subj", "/CN=other", "-days", "2")
        result = self.program("hello", host=self.host, env=self.tls("good"))
        self.assert_says(result, 1, "certificate")

    def test_certificates_that_are_not_there(self):
        result = self.program("hello", host=self.host, env=self.tls("nowhere"))
        self.assert_says(result, 1, "has no readable ca.pem")

    def test_context(self):
        """A docker context with TLS, current in config.json, and by name."""
        config = self.directory / ".docker"
        meta = config / "contexts/meta/0123abcd"
        meta.mkdir(parents=True)
        shutil.copytree(self.directory / "good", config / "contexts/tls/0123abcd/docker")
        (meta / "meta.json").write_text(json.dumps(
            {"Name": "far", "Endpoints": {"docker": {"Host": self.host, "SkipTLSVerify": False}}}))
        (config / "config.json").write_text(json.dumps({"currentContext": "far"}))
        self.assert_says(self.program("hello", env={"DOCKER_HOST": None}), 0, self.host)
        (config / "config.json").write_text("{}")
        self.assert_says(self.program("hello", env={"DOCKER_HOST": None, "DOCKER_CONTEXT": "far"}),
                         0, self.host)
        self.assert_says(self.program("hello", env={"DOCKER_HOST": None, "DOCKER_CONTEXT": "x"}),
                         1, "docker context 'x' does not exist")


class Nowhere(EngineTest):
    def test_socket_that_is_not_there(self):
        result = self.program("hello", host="unix:///no/such.sock")
        self.assert_says(result, 1, "failed: no engine answers at unix:///no/such.sock: ",
                         "No such file", "--host")

    def test_something_else_listens(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def answer():
            while True:
                try:
                    peer = server.accept()[0]
                except OSError:
                    return
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                peer.close()
        threading.Thread(target=answer, daemon=True).start()
        result = self.program("hello", host=f"tcp://127.0.0.1:{server.getsockname()[1]}")
        self.assert_says(result, 1, "failed: the engine at tcp://127.0.0.1:", "is not JSON")

    def test_ssh(self):
        self.assert_says(self.program("hello", host="ssh://me@far"), 1, "ssh is not supported")
