# SPDX-License-Identifier: Apache-2.0
"""What the whole machine spends while something runs: time, processors, memory."""

import os
import pathlib
import statistics
import threading
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")


def cpu():
    """Seconds that all processors have worked: whoever did the work, daemons and kernel included."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) * TICK


def settle(limit=3.0):
    """Waits until the work that the last one left behind (engines clean up late) is done."""
    deadline = time.monotonic() + limit
    calm = 0
    while calm < 2 and time.monotonic() < deadline:
        before = cpu()
        time.sleep(0.05)
        calm = calm + 1 if cpu() - before <= TICK else 0


def available():
    """Bytes of MemAvailable."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable in /proc/meminfo")


def peak_of(pid):
    """The most memory that a process ever held (VmHWM), in bytes; 0 once it has ended.

    Not ru_maxrss: that also remembers what the process was before it executed its program, us.
    """
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


class Sampler(threading.Thread):
    """Looks at memory every few milliseconds for as long as it is entered."""

    def __init__(self):
        super().__init__(daemon=True)
        self.pid = None  # to be set by whoever starts the process of interest
        self.own = 0
        self.lowest = self.before = 0
        self.ended = threading.Event()

    def __enter__(self):
        self.lowest = self.before = available()
        self.start()
        return self

    def run(self):
        while not self.ended.wait(0.004):
            self.lowest = min(self.lowest, available())
            if self.pid:
                self.own = max(self.own, peak_of(self.pid))

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    @property
    def dip(self):
        return max(0, self.before - self.lowest)


class Cost:
    """What several runs of one contender took."""

    def __init__(self):
        self.walls, self.cpus = [], []
        self.own = self.dip = None  # bytes, of the one run in which they were looked at

    def measure(self, job, *, memory=False, repeat=1):
        """Runs job(sampler) `repeat` times on end and keeps the mean, as one round."""
        settle()
        if memory:
            with Sampler() as sampler:
                self.timed(lambda: job(sampler), 1)
            self.own, self.dip = sampler.own, sampler.dip
        else:
            self.timed(lambda: job(None), repeat)
        return self

    def timed(self, job, repeat):
        busy, begun = cpu(), time.monotonic()
        for _ in range(repeat):
            job()
        self.walls.append((time.monotonic() - begun) / repeat)
        self.cpus.append((cpu() - busy) / repeat)

    @property
    def wall(self):
        return statistics.median(self.walls)

    @property
    def cpu(self):
        return statistics.median(self.cpus)
