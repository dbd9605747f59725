"""One TCP connection that carries one exchange after another, read with exact stamps.

Linux and macOS read in a callback of the event loop straight from the non-blocking socket; Windows' Proactor
loop has no such callback, there a task reads. Opening, reusing and deadlines' timer are in `pool.py`, HTTP
in `answer.py`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from tiltyard.records import Ending, Timeouts
from tiltyard.servers.answer import Answer, AnswerError
from tiltyard.servers.clock import ANCILLARY_BYTES, now_ns

if TYPE_CHECKING:
    from tiltyard.servers.pool import Pool

_BUFFER: Final = memoryview(bytearray(262144))  # shared: a fresh buffer per read costs twice as much
_FIRST_READ: Final = 4096  # small reads keep tokens apart; a connection that fills them reads larger
_SMALL: Final = [_BUFFER[:_FIRST_READ]]
_LARGE: Final = [_BUFFER]
_SECOND: Final = 1_000_000_000
_AT_ONCE: Final = 100_000_000  # a close that crossed the request comes within a round trip; later, it failed


class ExchangeError(Exception):
    """An exchange that did not end well, as data: how it ended and one clean line why."""

    def __init__(self, ending: Ending, error: str, *, stale: bool = False) -> None:
        super().__init__(error)
        self.ending: Ending = ending
        self.error = error
        self.stale = stale  # a reused connection was closed before any byte of the answer


class Connection:
    """One TCP connection: idle in its pool, or carrying one exchange."""

    __slots__ = (
        "_buffers",
        "_outgoing",
        "_reader_task",
        "_recvmsg_into",
        "answer",
        "connected_ns",
        "done",
        "fd",
        "pool",
        "quiet_since",
        "reused",
        "seen",
        "sock",
        "timeouts",
    )

    def __init__(self, pool: Pool, sock: socket.socket) -> None:
        self.pool = pool
        self.sock = sock
        self.fd = sock.fileno()
        self.connected_ns = now_ns()
        self.reused = False
        self.answer: Answer | None = None
        self.done: asyncio.Future[ExchangeError | None] | None = None
        self.timeouts = Timeouts()
        self.seen = 0  # reads counted at the last sweep
        self.quiet_since = 0
        self._buffers = _SMALL
        self._outgoing: memoryview | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._recvmsg_into = sock.recvmsg_into if hasattr(sock, "recvmsg_into") else None
        if pool.poller is not None:
            pool.poller.add(self.fd, self._readable)

    # -------------------------------------------------------------- one exchange

    async def exchange(self, request: bytes, answer: Answer, timeouts: Timeouts) -> ExchangeError | None:
        """Send a request and receive its whole answer; None when it is complete.

        A cancellation closes the connection and goes on to the caller.
        """
        self.answer = answer
        self.timeouts = timeouts
        self.seen = 0
        self._buffers = _SMALL
        done: asyncio.Future[ExchangeError | None] = self.pool.loop.create_future()
        self.done = done
        self.pool.watch(self)
        try:
            self._send(request, answer)
            if self.pool.poller is None and not done.done():
                self._reader_task = self.pool.loop.create_task(self._read_in_task(answer))
            return await done
        except asyncio.CancelledError:
            if self.done is done:  # else it is already idle, or another's
                self.answer = self.done = None
                self.close()
            raise

    def _send(self, request: bytes, answer: Answer) -> None:
        answer.sent_ns = self.quiet_since = now_ns()
        try:
            sent = self.sock.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        if sent < len(request):
            self._outgoing = memoryview(request)[sent:]
            if self.pool.poller is not None:
                self.pool.loop.add_writer(self.fd, self._writable)

    def _writable(self) -> None:
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[self.sock.send(self._outgoing) :]
                self.quiet_since = now_ns()
        except BlockingIOError:
            return
        except OSError:
            pass  # the server may have answered and closed already: reading tells
        self._outgoing = None
        self.pool.loop.remove_writer(self.fd)

    # -------------------------------------------------------------- reading

    def _readable(self) -> bool:
        """The hot path: one system call and two list appends per read. True when that read was a full one."""
        try:
            if self._recvmsg_into is not None:
                count, ancillary, _, _ = self._recvmsg_into(self._buffers, ANCILLARY_BYTES)
            else:
                count, ancillary = self.sock.recv_into(self._buffers[0]), []
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._broken(error)
            return False
        answer = self.answer
        if not count or answer is None:
            self._ended()
            return False
        try:
            may_be_complete = answer.add(_BUFFER[:count], ancillary[0][2] if ancillary else now_ns())
        except AnswerError as error:
            self._bad(error)
            return False
        if may_be_complete:
            self.pool.settle_later(self, answer)
        if count < _FIRST_READ:
            return False
        full = bool(count == len(self._buffers[0]))
        self._buffers = _LARGE
        return full

    def settle(self, answer: Answer) -> None:
        """Look whether the answer is complete, unless something else has ended it meanwhile."""
        if self.answer is not answer:
            return
        try:
            if answer.complete():
                self._finish(None)
        except AnswerError as error:
            self._bad(error)

    async def _read_in_task(self, answer: Answer) -> None:
        """The same where the loop has no readiness callbacks: stamped by us, right after each read."""
        loop = self.pool.loop
        buffer = bytearray(65536)
        view = memoryview(buffer)
        try:
            if self._outgoing is not None:
                await loop.sock_sendall(self.sock, self._outgoing)
                self._outgoing = None
            while self.answer is answer:
                count = await loop.sock_recv_into(self.sock, buffer)
                if not count:
                    self._ended()
                elif answer.add(view[:count], now_ns()) and answer.complete():
                    self._finish(None)
        except AnswerError as error:
            self._bad(error)
        except OSError as error:
            self._broken(error)

    # -------------------------------------------------------------- endings

    def _finish(self, failure: ExchangeError | None) -> None:
        done, answer = self.done, self.answer
        if failure is not None and answer is not None and answer.eof_ns is None:
            answer.eof_ns = now_ns()  # we gave up
        reusable = failure is None and answer is not None and answer.keeps_alive and self._outgoing is None
        self.answer = self.done = None  # before it is given back: the next exchange may begin at once
        self.reused = True
        if reusable:
            self.pool.give(self)
        else:
            self.close()
        if done is not None and not done.done():
            done.set_result(failure)

    def _bad(self, error: AnswerError) -> None:
        begun = self.answer is not None and self.answer.has_body_bytes
        self._finish(ExchangeError("error_midstream" if begun else "connect_error", str(error)))

    def _ended(self) -> None:
        """The other side closed, in an exchange or between two."""
        answer = self.answer
        if answer is None:
            self.close()
            return
        answer.eof_ns = now_ns()
        try:
            complete = answer.close()
        except AnswerError as error:
            self._bad(error)
            return
        self._finish(None if complete else self._cut_off("the server closed the connection"))

    def _broken(self, error: OSError) -> None:
        if self.answer is None:
            self.close()
            return
        self.answer.eof_ns = now_ns()
        self._finish(self._cut_off(f"the connection broke ({os_error_words(error)})"))

    def _cut_off(self, what: str) -> ExchangeError:
        answer = self.answer
        if answer is None or not answer.raw:
            at_once = answer is not None and now_ns() - answer.sent_ns < _AT_ONCE
            return ExchangeError("connect_error", f"{what} without an answer", stale=self.reused and at_once)
        if answer.status is None:
            return ExchangeError("connect_error", f"{what} within the answer's headers")
        return ExchangeError("error_midstream", f"{what} in the middle of the answer")

    def expire(self, now: int) -> None:
        """Called by the sweep: give up when a limit has passed."""
        answer = self.answer
        if answer is None:
            return
        reads = len(answer.ends)
        if reads != self.seen:
            self.seen = reads
            self.quiet_since = now
            self._expire_endless(answer)
            return
        try:
            if answer.recheck():
                self._finish(None)
                return
        except AnswerError as error:
            self._bad(error)
            return
        limits = self.timeouts
        begun = answer.has_body_bytes
        quiet_s = (now - (self.quiet_since if begun else answer.sent_ns)) / _SECOND
        if not begun and quiet_s > limits.first_byte_s:
            self._finish(ExchangeError("timeout_first_byte", f"no answer within {limits.first_byte_s:g} s"))
        elif begun and quiet_s > limits.gap_s:
            limit_s = limits.gap_s if answer.has_spoken else limits.before_words_s
            if quiet_s > limit_s:
                silence = f"silence for more than {limit_s:g} s within the answer"
                self._finish(ExchangeError("timeout_gap", silence))

    def _expire_endless(self, answer: Answer) -> None:
        """Give up when far more has come than was asked for."""
        most = self.timeouts.most_bytes
        if most is not None and len(answer.raw) > most:
            self._finish(ExchangeError("timeout_gap", self.timeouts.endless))

    def expire_total(self, now: int) -> None:
        total = self.timeouts.total_s
        answer = self.answer
        if answer is not None and total is not None and now - answer.sent_ns > total * _SECOND:
            if answer.has_body_bytes:
                late = ExchangeError("timeout_gap", f"the whole answer took longer than {total:g} s")
            else:
                late = ExchangeError("timeout_first_byte", f"no answer within {total:g} s")
            self._finish(late)

    def close(self) -> None:
        if self.fd < 0:
            return
        self.pool.forget(self)
        if self.pool.poller is not None and not self.pool.loop.is_closed():
            self.pool.poller.remove(self.fd)
            if self._outgoing is not None:
                self.pool.loop.remove_writer(self.fd)
        task = self._reader_task
        if task is not None and not self.pool.loop.is_closed() and task is not _running_task():
            task.cancel()
        self._reader_task = None
        self.fd = -1
        self.sock.close()


def os_error_words(error: OSError) -> str:
    """The system's own words in lower case, without numbers and without file names."""
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many open files: `ulimit -n` sets how many there may be"
    words = os.strerror(error.errno) if error.errno else str(error)
    return words[:1].lower() + words[1:] or "network error"


def _running_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
