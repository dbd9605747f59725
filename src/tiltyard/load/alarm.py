"""Wakes a coroutine at an absolute time of the clock, to some ten microseconds, without spinning.

Event loops round their timers to milliseconds. On Linux a timer file descriptor (`timerfd_create`, reached
through ctypes since Python has it only from 3.13) is exact and as cheap; elsewhere the loop's own timer is
used.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from types import TracebackType

from tiltyard.servers.clock import now_ns

CLOCK_MONOTONIC = 1
NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
ABSOLUTE = 1
NEAR_NS = 20_000  # due within that: now


class _Spec(ctypes.Structure):
    """struct itimerspec: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class Alarm:
    """`async with Alarm() as alarm: await alarm.until(t_ns)`; one waiter at a time."""

    def __init__(self) -> None:
        self._fd = -1
        self._libc: ctypes.CDLL | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Alarm:
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC)
            if self._fd >= 0:
                asyncio.get_running_loop().add_reader(self._fd, self._ring)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    async def until(self, t_ns: int) -> None:
        """Return at `t_ns` of the monotonic clock, or at once where that has passed."""
        while (left := t_ns - now_ns()) > NEAR_NS:
            if self._fd < 0 or self._libc is None:
                await asyncio.sleep(left / 1e9)
                continue
            seconds, rest = divmod(t_ns, 1_000_000_000)
            spec = _Spec(0, 0, seconds, rest)
            self._waiting = asyncio.get_running_loop().create_future()
            self._libc.timerfd_settime(self._fd, ABSOLUTE, ctypes.byref(spec), None)
            try:
                await self._waiting
            finally:
                self._waiting = None

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew before the old expiry was read
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
