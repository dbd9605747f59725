"""Runs a command as a child and tells what it cost: wall and CPU seconds of its whole tree, and peak memory.

CPU is the kernel's own account. Memory is the high-water mark of one process, read from /proc now and then
(`ru_maxrss` would count what the parent held at the fork), or the sampled sum over a tree. POSIX only.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.02  # reading one line of /proc
TREE_SAMPLE_S = 0.25  # looking through all processes


class Cost(NamedTuple):
    """What a run cost. `cpu_s` covers all its processes, `peak_mb` the most that they held together."""

    rc: int  # 124: stopped at its limit
    wall_s: float
    cpu_s: float
    peak_mb: float
    stdout: str
    stderr: str


def run(
    words: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit_s: float = 120,
    tree: bool = False,
) -> Cost:
    """Run to the end, or to `limit_s`. `tree`: add up its processes' memory (shared pages count twice)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(
            words,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        late = threading.Event()
        timer = threading.Timer(limit_s, lambda: (late.set(), stop_tree(child.pid)))
        timer.start()
        peak = Peak(child.pid, tree)
        peak.start()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        timer.cancel()
        peak.done.set()
        peak.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Cost(
            rc=124 if late.is_set() else child.returncode,
            wall_s=wall,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_mb=peak.bytes / 1e6,
            stdout=texts[0],
            stderr=texts[1],
        )


def stop_tree(pid: int) -> None:
    """End a process that we started, and everything it started."""
    import psutil

    try:
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


class Peak(threading.Thread):
    """Watches the memory of a process, or of it and its children added up."""

    def __init__(self, pid: int, tree: bool) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self.done = pid, 0, threading.Event()
        self.tree = tree or not Path("/proc/self/status").exists()

    def run(self) -> None:
        if self.tree:
            self.watch_tree()
            return
        status = Path(f"/proc/{self.pid}/status")
        while not self.done.wait(SAMPLE_S):
            try:
                lines = status.read_text().splitlines()
            except OSError:  # it has ended
                return
            marks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
            self.bytes = max([self.bytes, *marks])

    def watch_tree(self) -> None:
        import psutil

        while not self.done.wait(TREE_SAMPLE_S):
            total = 0
            try:
                parent = psutil.Process(self.pid)
                members = [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for member in members:
                try:
                    total += member.memory_info().rss
                except psutil.Error:
                    continue
            self.bytes = max(self.bytes, total)
