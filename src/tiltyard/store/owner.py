"""Who is working on a run, and is that process still alive?

A process is its number, its start time (numbers are reused) and its host. On another host nobody can look, so
there the run's last sign of life decides.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

SILENCE = timedelta(minutes=10)  # of an owner on another host, after which it counts as gone


class Owner(NamedTuple):
    pid: int
    started: float  # seconds since boot on Linux (no clock jump moves it), else Unix time
    host: str


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(pid, _start_of(pid) or 0.0, platform.node())


def alive(owner: Owner, active_at: str | None) -> bool:
    """Does the owner still run? `active_at` is its last write, ISO-8601."""
    if owner.host != platform.node():
        last = datetime.fromisoformat(active_at) if active_at else datetime.min.replace(tzinfo=UTC)
        return datetime.now(UTC) - last < SILENCE
    started = _start_of(owner.pid)
    return started is not None and abs(started - owner.started) < 2.0


if sys.platform == "linux":

    def _start_of(pid: int) -> float | None:
        """Start time of a living process, or None; a zombie does not live."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        state, *fields = stat[stat.rindex(b")") + 2 :].split()  # the name before it may hold anything
        if state in (b"Z", b"X"):
            return None
        return int(fields[18]) / os.sysconf("SC_CLK_TCK")

else:

    def _start_of(pid: int) -> float | None:
        """Start time of a living process, or None; a zombie does not live."""
        import psutil

        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return float(process.create_time())
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            return 0.0
