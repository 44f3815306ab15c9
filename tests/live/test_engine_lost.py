# SPDX-License-Identifier: Apache-2.0
"""The engine dies in the middle of a run. Only Docker: a dockerd of our own is started for it."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from harness import APP, LiveTest, on, wait_until
from views import LABEL, Docker


class PrivateDocker:
    """A dockerd beside the machine's, with nothing in common but the kernel."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cleanroom-dockerd-"))
        self.engine = Docker(f"unix://{self.directory}/docker.sock")
        self.log = open(self.directory / "log", "ab")
        self.popen = None

    def start(self):
        where = self.directory
        self.popen = subprocess.Popen(
            ["unshare", "--net",  # else --bridge none would take the machine's docker0 away
             "dockerd", "-H", self.engine.host, "--data-root", where / "data", "--exec-root", where / "exec",
             "--pidfile", where / "pid", "--bridge", "none", "--iptables=false", "--ip6tables=false"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        wait_until(self.answers, 30, f"dockerd answers; {where}/log")

    def answers(self):
        try:
            return self.engine.request("GET", "/version")
        except OSError:
            return None

    def load(self, image):
        save = subprocess.Popen(["docker", "--host", LiveTest.engine.host, "save", image],
                                stdout=subprocess.PIPE)
        subprocess.run(["docker", "--host", self.engine.host, "load", "-q"], stdin=save.stdout,
                       stdout=subprocess.DEVNULL, check=True)
        save.stdout.close()
        save.wait()

    def kill(self):
        """As if it had crashed: the containers live on, its containerd ends by and by (a new dockerd
        would take a dying one for alive)."""
        self.popen.kill()
        self.popen.wait()
        containerd = (self.directory / "exec/containerd/containerd.pid").read_text()
        wait_until(lambda: not os.path.exists(f"/proc/{containerd}"), 10, "its containerd ended")

    def remove(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait()
        self.log.close()
        for pid in self.processes():
            os.kill(pid, 9)
        subprocess.run(f"umount $(awk '$2 ~ \"^{self.directory}\" {{ print $2 }}' /proc/mounts | sort -r)",
                       shell=True, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def processes(self):
        """Its containerd and shims, which a killed dockerd leaves behind."""
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if str(self.directory).encode() in (entry / "cmdline").read_bytes():
                    yield int(entry.name)
            except OSError:
                continue


@on("docker")  # Podman has no daemon whose death would be a case of its own
class EngineLost(LiveTest):
    def setUp(self):
        super().setUp()
        self.docker = PrivateDocker()
        self.addCleanup(self.docker.remove)
        self.docker.start()
        self.docker.load(APP)

    def test_it_dies_and_comes_back(self):
        process = self.start("--shards", 2, "--teardown-timeout", "3s", APP, test="say running; hang",
                             env={"DOCKER_HOST": self.docker.engine.host})
        process.wait_for_output("running")
        self.docker.kill()
        result = process.wait(40)
        self.assertIn(result.code, (3, 4), f"\n{result}")
        self.assert_says(result, "cleanroom recycle")
        self.assert_valid_junit(result)
        self.assertTrue(result.red(), f"\n{result}")

        self.docker.start()
        recycle = self.start("recycle", env={"DOCKER_HOST": self.docker.engine.host}).wait(60)
        self.assert_exit(recycle, 0)
        # A janitor that still waits for its engine is as good, and makes recycle leave it the work.
        wait_until(lambda: not self.docker.engine.ours(), 20, f"nothing labelled {LABEL}\n{recycle}")
        wait_until(lambda: not self.left(), 20, "the janitor has ended, while its engine still answers")

