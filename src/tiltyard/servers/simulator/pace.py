"""One heap of due times for all streams of a loop, woken by one timer.

A stream is a generator that yields the time (ns of `perf_counter_ns`) at which it wants to go on. libuv and
epoll wait in whole milliseconds, so on Linux the waking is done by a timerfd; elsewhere by `call_at`.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import sys
import time
from collections.abc import Callable, Iterator

now_ns = time.perf_counter_ns

Play = Iterator[int]


class Pacer:
    """Resumes each generator when its time has come, in order of due time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Play, Callable[[], None]]] = []
        self._sequence = 0
        self._armed_for: int | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._timer = _linux_timer()
        if self._timer is not None:
            try:
                loop.add_reader(self._timer.fd, self._wake)
            except NotImplementedError:
                self._timer.close()
                self._timer = None

    def close(self) -> None:
        if self._timer is not None:
            self._loop.remove_reader(self._timer.fd)
            self._timer.close()
            self._timer = None
        if self._handle is not None:
            self._handle.cancel()
        heap, self._heap = self._heap, []
        for _, _, play, _ in heap:
            close = getattr(play, "close", None)
            if close is not None:
                close()

    def start(self, play: Play, settle: Callable[[], None]) -> None:
        """Run `play` until its first wait. `settle` is called after each stretch without a wait."""
        self._step(play, settle)
        self._arm()

    def _step(self, play: Play, settle: Callable[[], None]) -> None:
        # Overdue steps are taken at once, one after the other: a late server catches up, as real ones do.
        for due in play:
            if due > now_ns():
                self._sequence += 1
                heapq.heappush(self._heap, (due, self._sequence, play, settle))
                break
        settle()

    def _arm(self) -> None:
        if not self._heap:
            if self._timer is not None and self._armed_for is None:
                self._timer.set(0)
            return
        due = self._heap[0][0]
        if self._armed_for is not None and self._armed_for <= due:
            return
        self._armed_for = due
        if self._timer is not None:
            self._timer.set(max(1, due - now_ns()))
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0, due - now_ns()) / 1e9, self._wake)

    def _wake(self) -> None:
        self._armed_for = None
        heap = self._heap
        try:
            while heap and heap[0][0] <= now_ns():
                _, _, play, settle = heapq.heappop(heap)
                self._step(play, settle)
        finally:
            self._arm()  # a mistake in one stream must not stop the others


class _TimerFd:
    """timerfd_create(2) through libc: Python has it itself only from 3.13 on."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self._set = libc.timerfd_settime
        self.fd: int = libc.timerfd_create(1, 0o2000000 | 0o4000)  # CLOCK_MONOTONIC, CLOEXEC | NONBLOCK
        self._spec = (ctypes.c_long * 4)()

    def set(self, delay_ns: int) -> None:
        """Fire once after this delay; 0 disarms. Either way what has fired is no longer readable."""
        self._spec[2], self._spec[3] = divmod(delay_ns, 1_000_000_000)
        self._set(self.fd, 0, self._spec, None)

    def close(self) -> None:
        os.close(self.fd)


def _linux_timer() -> _TimerFd | None:
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "timerfd_create"):
        return None
    timer = _TimerFd(libc)
    return timer if timer.fd >= 0 else None
