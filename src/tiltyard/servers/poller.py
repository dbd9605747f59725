"""Who wakes a connection when bytes are there.

On Linux one epoll set of our own hangs in the event loop as a single descriptor. Because the kernel stamps
what arrives, nobody has to hurry: many streams are looked at every few milliseconds, as long as two packets
of one stream are unlikely to fall into one look (they would merge into one stamp), or when they merge anyway.
The set is edge-triggered: the kernel need not look again at every stream that was just read empty.
"""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from typing import Final, Protocol

from tiltyard.servers.clock import now_ns

_LAZY_S: Final = 0.003  # a look wakes a core that was asleep: as dear as reading a dozen packets
_WINDOW_NS: Final = 50_000_000  # the rate of reads is judged over at least this long
_MANY_PER_S: Final = 2_000  # reads of all streams from which waking for each is wasteful ...
_RARE_PER_STREAM: Final = 125  # ... if each stream has at most this many a second
_FLOOD_PER_S: Final = 20_000  # reads from which the client would soon be the bottleneck
_BATCH: Final = 1024

Readable = Callable[[], bool]  # reads once; True when there may be more to read


class Poller(Protocol):
    def add(self, fd: int, readable: Readable) -> None: ...

    def remove(self, fd: int) -> None: ...

    def close(self) -> None: ...


class LoopPoller:
    """The event loop's own readiness callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fds: set[int] = set()

    def add(self, fd: int, readable: Readable) -> None:
        self._fds.add(fd)
        self._loop.add_reader(fd, readable)

    def remove(self, fd: int) -> None:
        self._fds.discard(fd)
        if not self._loop.is_closed():
            self._loop.remove_reader(fd)

    def close(self) -> None:
        for fd in list(self._fds):
            self.remove(fd)


if sys.platform == "linux":
    _EDGE: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET

    class EpollPoller:
        """Many descriptors behind one, looked at eagerly or every few milliseconds."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop
            self._set = select.epoll()
            self._readable: dict[int, Readable] = {}
            self._timer: asyncio.TimerHandle | None = None  # while lazy
            self._reads = 0
            self._since = now_ns()
            loop.add_reader(self._set.fileno(), self._look)

        def add(self, fd: int, readable: Readable) -> None:
            self._readable[fd] = readable
            self._set.register(fd, _EDGE)

        def remove(self, fd: int) -> None:
            if self._readable.pop(fd, None) is not None:
                self._set.unregister(fd)

        def close(self) -> None:
            if self._set.closed:
                return
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif not self._loop.is_closed():
                self._loop.remove_reader(self._set.fileno())
            self._readable.clear()
            self._set.close()

        def _look(self) -> None:
            ready = self._set.poll(0, _BATCH)
            readable = self._readable
            for fd, events in ready:
                callback = readable.get(fd)
                if callback is None:  # an earlier one of this batch closed it
                    continue
                if (callback() or events != select.EPOLLIN) and fd in readable:
                    self._set.modify(fd, _EDGE)  # there is more, or an end behind the data: ask again
            self._reads += len(ready)
            now = now_ns()
            if now - self._since >= _WINDOW_NS:
                self._judge(now)

        def _look_lazily(self) -> None:
            self._timer = self._loop.call_later(_LAZY_S, self._look_lazily)
            self._look()

        def _judge(self, now: int) -> None:
            """Choose between eager and lazy by the reads of the last window."""
            if self._set.closed:
                return
            per_s = self._reads * 1_000_000_000 / (now - self._since)
            per_stream = per_s / max(len(self._readable), 1)
            self._reads = 0
            self._since = now
            lazy = self._timer is not None
            many = _MANY_PER_S / 2 if lazy else _MANY_PER_S
            flood = min(_FLOOD_PER_S / 2, len(self._readable) * 250) if lazy else _FLOOD_PER_S
            wanted = (per_s > many and per_stream < _RARE_PER_STREAM) or per_s > flood
            if wanted and not lazy:
                self._loop.remove_reader(self._set.fileno())
                self._timer = self._loop.call_later(_LAZY_S, self._look_lazily)
            elif lazy and not wanted:
                assert self._timer is not None
                self._timer.cancel()
                self._timer = None
                self._loop.add_reader(self._set.fileno(), self._look)


def open_poller(loop: asyncio.AbstractEventLoop, kernel_stamps: bool) -> Poller:
    """The best poller here; waiting on purpose is right only where the kernel stamps arrivals."""
    if sys.platform == "linux" and kernel_stamps:
        return EpollPoller(loop)
    return LoopPoller(loop)
