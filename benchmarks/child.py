"""Runs a command as a child and tells what it cost: wall and CPU seconds, its tree included, and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.02


class Cost(NamedTuple):
    """What a run cost. `cpu_s` covers all its processes, `peak_mb` the most they held together."""

    rc: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    stdout: str
    stderr: str


def run(
    words: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, limit_s: float = 120
) -> Cost:
    """Run to the end, or to `limit_s` (return code 124). Load per process is summed, shared pages counted twice."""
    before = os.times()
    start = time.perf_counter()
    child = subprocess.Popen(
        words,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=sys.platform != "win32",
    )
    peak = Peak(child.pid)
    peak.start()
    rc: int | None
    try:
        out, err = child.communicate(timeout=limit_s)
        rc = child.returncode
    except subprocess.TimeoutExpired:
        stop_tree(child.pid)
        out, err = child.communicate()
        rc = 124
    peak.done.set()
    peak.join()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(rc, time.perf_counter() - start, cpu, peak.bytes / 1e6, out, err)


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
    """Watches the resident memory of a process and its children; the kernel's own peak where it is one process."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        import psutil

        try:
            parent = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return
        while not self.done.wait(SAMPLE_S):
            total = 0
            try:
                members = [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for member in members:
                try:
                    total += peak_of(member.pid) if len(members) == 1 else member.memory_info().rss
                except (psutil.Error, OSError):
                    continue
            self.bytes = max(self.bytes, total)


def peak_of(pid: int) -> int:
    """Bytes at the process's peak (VmHWM), or now, off Linux."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import psutil

    return int(psutil.Process(pid).memory_info().rss)
