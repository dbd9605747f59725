"""The connections to one origin: opening, reusing, and giving up in time.

One coarse timer per pool watches all deadlines. What happens on a connection is in `connection.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import deque
from typing import Final

from tiltyard.servers.answer import Answer
from tiltyard.servers.clock import KernelClock, now_ns
from tiltyard.servers.connection import Connection, ExchangeError, os_error_words
from tiltyard.servers.poller import open_poller

_SWEEP_S: Final = 0.25
_MIN_SWEEP_S: Final = 0.005


class Pool:
    """The connections to one host and port, on one event loop."""

    def __init__(self, host: str, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = KernelClock()
        self.poller = open_poller(self.loop, self.clock.possible) if _has_callbacks(self.loop) else None
        self.active: set[Connection] = set()
        self._host = host
        self._port = port
        self._idle: list[Connection] = []
        self._addresses: list[tuple[int, tuple[object, ...]]] = []
        self._unsettled: deque[tuple[Connection, Answer]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wait_s = _SWEEP_S

    async def take(self, connect_s: float, *, fresh: bool = False) -> Connection:
        """An idle connection that is still open, else a new one. Raises ExchangeError."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if _still_open(connection.sock):
                return connection
            connection.close()
        try:
            async with asyncio.timeout(connect_s):
                return Connection(self, await self._connect())
        except TimeoutError:
            raise ExchangeError(
                "connect_error", f"no connection to {self._where} within {connect_s:g} s"
            ) from None
        except OSError as error:
            raise ExchangeError(
                "connect_error", f"cannot connect to {self._where}: {os_error_words(error)}"
            ) from None

    def unspoken(self) -> bool:
        """Is there an answer under way of which no word has come?"""
        return any(each.answer is not None and not each.answer.has_spoken for each in self.active)

    async def open_ahead(self, count: int, connect_s: float) -> None:
        """Have that many idle connections; those that cannot be opened are left to `take` to report."""
        missing = count - len(self._idle)
        opened = await asyncio.gather(
            *(self.take(connect_s, fresh=True) for _ in range(missing)), return_exceptions=True
        )
        for connection in opened:
            if isinstance(connection, Connection):
                connection.reused = True  # its opening is no part of any request's time
                self.give(connection)
            elif not isinstance(connection, ExchangeError):
                raise connection

    @property
    def _where(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def _connect(self) -> socket.socket:
        if not self._addresses:
            self._addresses = await self._resolve()
        last: OSError | None = None
        for i, (family, address) in enumerate(self._addresses):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                self.clock.enable(sock)  # before connecting: the first packet is stamped too
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await self.loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                last = error
                continue
            except asyncio.CancelledError:
                sock.close()
                raise
            if i:  # the next connection starts with the address that answers
                self._addresses.insert(0, self._addresses.pop(i))
            return sock
        raise last if last is not None else OSError(errno.EHOSTUNREACH, "no address for this host")

    async def _resolve(self) -> list[tuple[int, tuple[object, ...]]]:
        for family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                socket.inet_pton(family, self._host)
                return [(family, (self._host, self._port))]
        found = await self.loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return [(entry[0], entry[4]) for entry in found]

    def give(self, connection: Connection) -> None:
        self.active.discard(connection)
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        self.active.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    # -------------------------------------------------------------- complete answers

    def settle_later(self, connection: Connection, answer: Answer) -> None:
        """Have an answer that may be complete looked at, one per turn of the loop.

        Streams that started together end together; between the work on two of them the others are read, so
        that their last tokens do not merge.
        """
        self._unsettled.append((connection, answer))
        if len(self._unsettled) == 1:
            self.loop.call_soon(self._settle)

    def _settle(self) -> None:
        connection, answer = self._unsettled[0]
        connection.settle(answer)
        self._unsettled.popleft()
        if self._unsettled:
            self.loop.call_soon(self._settle)

    # -------------------------------------------------------------- deadlines

    def watch(self, connection: Connection) -> None:
        """Have the sweep look after a connection; one timer serves them all."""
        self.active.add(connection)
        limits = connection.timeouts
        wanted = min(limits.first_byte_s, limits.gap_s, limits.total_s or limits.gap_s) / 8
        wait_s = max(_MIN_SWEEP_S, min(_SWEEP_S, wanted))
        if self._timer is None or wait_s < self._wait_s:
            if self._timer is not None:
                self._timer.cancel()
            self._wait_s = wait_s
            self._timer = self.loop.call_later(wait_s, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self.clock.check(force=True)
        now = now_ns()
        for connection in list(self.active):
            connection.expire_total(now)
            connection.expire(now)
        if self.active:
            self._timer = self.loop.call_later(self._wait_s, self._sweep)
        else:
            self._wait_s = _SWEEP_S

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in [*self._idle, *self.active]:
            connection.close()
        self._idle.clear()
        if self.poller is not None:
            self.poller.close()


def _still_open(sock: socket.socket) -> bool:
    """False when the other side has closed, or has sent something nobody asked for."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return True
    except OSError:
        return False
    return False


def _has_callbacks(loop: asyncio.AbstractEventLoop) -> bool:
    return not type(loop).__name__.startswith("Proactor") and not type(loop).__name__.startswith("Iocp")
