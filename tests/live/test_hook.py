# SPDX-License-Identifier: Apache-2.0
"""ci/pre-push in a real repository, with real pushes."""

import os
import pathlib
import shutil
import signal
import subprocess

from harness import CLEANROOM, SWEEP, TOP, LiveTest, on, wait_until

# The app is a program that is as red or green as its commit says, and as told hangs.
PROGRAM = """#!/bin/sh
[ "$1" = test ] || exit 64
echo "shard $CLEANROOM_SHARD of $(cat state), built: $(cat built)"
[ $# -eq 1 ] || echo "$WORDS: $2"
[ "$(cat state)" != hanging ] || { : >"$HOME/up"; exec tail -f /dev/null; }
[ "$(cat state)" = green ]
"""


class Repository(LiveTest):
    def setUp(self):
        super().setUp()
        self.temporary = self.make_directory("tmp")
        self.home = self.make_directory("home")
        self.work = self.make_directory("My.App")
        self.remote = self.directory / "remote.git"
        self.git("init", "-q", "--bare", self.remote)
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", self.remote)
        self.hook = self.work / ".git/hooks/pre-push"
        self.hook.parent.mkdir(exist_ok=True)
        shutil.copy(TOP / "ci/pre-push", self.hook)
        (self.work / "forklift.yaml").write_text("services: []\n")

    def variables(self):
        return self.environment({
            "PATH": f"{pathlib.Path(CLEANROOM).parent}:{os.environ['PATH']}",
            "HOME": str(self.home), "TMPDIR": str(self.temporary), "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"})

    def git(self, *words, code=0, cwd=None, stderr=subprocess.STDOUT):
        """What it says, on both streams."""
        done = subprocess.run(["git", *map(str, words)], cwd=cwd or self.work, env=self.variables(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                              timeout=300, check=False)
        text = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, code, text)
        return text.strip()

    def commit(self, **files):
        for name, text in files.items():
            (self.work / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "change", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def pushed(self, ref):
        """What the remote has there."""
        return self.git("ls-remote", self.remote, ref).partition("\t")[0]

    def leftovers(self):
        return ([str(path) for path in self.temporary.iterdir()] +
                self.git("worktree", "list", "--porcelain").split("\n\n")[1:])

    def assert_tidy(self):
        self.assertEqual(self.leftovers(), [])

    def report(self, name):
        return (self.work / ".git/cleanroom-results" / name).read_text()


@on("embedded")
class Program(Repository):
    """The target is a program of the commit."""

    def setUp(self):
        super().setUp()
        (self.work / "run").write_text(PROGRAM)
        (self.work / "run").chmod(0o755)
        self.git("config", "cleanroom.image", "./run")
        self.git("config", "cleanroom.build", "echo \"for $IMAGE\" >built")

    def test_green_is_pushed(self):
        commit = self.commit(state="green")
        self.git("config", "cleanroom.args", "--environment 'WORDS=one two' -- 'three four'")
        text = self.git("-c", "cleanroom.shards=2", "push", "origin", "main")
        self.assertIn(f"pre-push: refs/heads/main at {commit}\n", text)
        self.assertEqual(self.pushed("refs/heads/main"), commit)
        for shard in ("1/2", "2/2"):
            self.assertIn(f"shard {shard} of green, built: for ./run\n",
                          self.report(f"shard-{shard[0]}/app.log"))
        self.assertIn("\none two: three four\n", self.report("shard-1/app.log"))
        self.assert_tidy()

    def test_what_scripts_read_of_git_stays(self):
        self.commit(state="green")
        text = self.git("push", "--porcelain", "origin", "main", stderr=subprocess.DEVNULL)
        self.assertRegex(text, r"\ATo .*\n\*\trefs/heads/main:refs/heads/main\t\[new branch\]\nDone\Z")

    def test_red_is_not(self):
        self.commit(state="red")
        text = self.git("push", "origin", "main", code=1)
        self.assertIn("pre-push: refs/heads/main: cleanroom ended with exit code 1 (its report: ", text)
        self.assertIn("<failure", self.report("junit.xml"))
        self.assertEqual(self.pushed("refs/heads/main"), "")
        self.assert_tidy()
        self.git("push", "--no-verify", "origin", "main")
        self.assertNotEqual(self.pushed("refs/heads/main"), "")

    def test_exit_code_is_cleanrooms(self):
        commit = self.commit(state="green", **{"forklift.yaml": "services: [postgrse]\n"})
        self.assertEqual(self.run_hook(commit).wait(60), 2)
        self.assert_tidy()

    def test_failed_build(self):
        self.commit(state="green")
        self.git("config", "cleanroom.build", "exit 7")
        text = self.git("push", "origin", "main", code=1)
        self.assertIn("refs/heads/main: the build failed with exit code 7: nothing is pushed", text)
        self.assertFalse((self.work / ".git/cleanroom-results").exists())
        self.assert_tidy()

    def test_the_commit_counts_not_what_lies_about(self):
        self.commit(state="green")
        (self.work / "state").write_text("red")
        (self.work / "built").write_text("by hand")
        self.git("push", "origin", "main")
        self.commit(state="red")
        (self.work / "state").write_text("green")
        self.git("push", "origin", "main", code=1)
        # Nor does the branch that happens to be checked out.
        self.git("reset", "-q", "--hard")
        self.git("push", "origin", "HEAD~1:refs/heads/earlier")
        self.assert_tidy()

    def test_tags_deletions_and_nothing(self):
        self.commit(state="green")
        self.git("push", "origin", "main", "main:refs/heads/old")
        self.commit(state="red")
        self.git("tag", "-a", "-m", "one", "v1")
        for words in (["v1"], ["--delete", "old"], ["HEAD~1:refs/heads/main"]):
            self.assertNotIn("pre-push:", self.git("push", "origin", *words))
        self.assertEqual(self.pushed("refs/heads/old"), "")
        self.assertNotEqual(self.pushed("refs/tags/v1"), "")

    def test_two_refs_at_once(self):
        green = self.commit(state="green")
        red = self.commit(state="red")
        text = self.git("push", "origin", f"{green}:refs/heads/a", f"{green}:refs/heads/b")
        self.assertEqual(text.count("pre-push: "), 1, text)  # one commit is tested once
        text = self.git("push", "origin", f"{green}:refs/heads/c", f"{red}:refs/heads/d", code=1)
        self.assertEqual(text.count(" at "), 2, text)
        self.assertIn("refs/heads/d: cleanroom ended with exit code 1", text)
        self.assertEqual(self.pushed("refs/heads/c") + self.pushed("refs/heads/d"), "")
        self.assert_tidy()

    def test_from_another_worktree(self):
        """There git tells the hook which repository it is of, and the build's own git must not see it."""
        commit = self.commit(state="green")
        self.git("config", "cleanroom.build", "git rev-parse HEAD >built")
        other = self.directory / "other"
        self.git("worktree", "add", "-q", "-b", "side", other)
        self.git("commit", "-q", "--allow-empty", "-m", "later", cwd=other)
        self.git("push", "origin", "side~1:refs/heads/side", cwd=other)
        log = (self.work / ".git/worktrees/other/cleanroom-results/shard-1/app.log").read_text()
        self.assertIn(f"built: {commit}\n", log)
        self.git("worktree", "remove", "--force", other)
        self.assert_tidy()

    # --- interrupted

    def run_hook(self, commit):
        """As git would, but so that its exit code is seen."""
        lines = self.directory / "refs"
        lines.write_text(f"refs/heads/main {commit} refs/heads/main {'0' * 40}\n")
        return self.begin([self.hook, "origin", self.remote], stdin=lines.open())

    def begin(self, argv, stdin=subprocess.DEVNULL):
        process = subprocess.Popen(list(map(str, argv)), cwd=self.work, env=self.variables(), stdin=stdin,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_up(self):
        wait_until((self.home / "up").exists, 60, "the tests run")

    def test_ctrl_c(self):
        """Git goes at once, and the hook when everything is put away."""
        self.commit(state="hanging")
        push = self.begin(["git", "push", "origin", "main"])
        self.wait_up()
        os.killpg(push.pid, signal.SIGINT)
        self.assertEqual(push.wait(60), -signal.SIGINT)
        wait_until(lambda: not self.leftovers(), SWEEP, self.leftovers)
        self.assertEqual(self.pushed("refs/heads/main"), "")

    def test_signal_to_the_hook_alone(self):
        hook = self.run_hook(self.commit(state="hanging"))
        self.wait_up()
        hook.terminate()
        self.assertEqual(hook.wait(60), 128 + signal.SIGTERM)
        self.assert_tidy()


@on("docker")
class Image(Repository):
    """Built from the commit, and gone afterwards."""

    def test_default_image(self):
        self.commit(Dockerfile="FROM cleanroom-test/app:latest\nCOPY word /word\n", word="here\n")
        self.git("config", "cleanroom.args", "--environment 'TESTAPP_TEST=cat /word'")
        text = self.git("push", "origin", "main")
        self.assertRegex(text, r"my-app:pre-push-[0-9a-f]{40}")
        self.assertEqual(self.report("shard-1/app.log"), "here\n")
        images = subprocess.run(["docker", "image", "ls", "-q", "my-app"], env=self.variables(),
                                capture_output=True, check=True)
        self.assertEqual(images.stdout, b"")
        self.assert_tidy()
