"""A lean HTTP/1.1 server connection: requests in, answers out, every write stamped.

Bytes go straight to the socket with `os.write` where that works, because a transport of uvloop would hold
them until the end of the loop's turn and the stamp would be wrong. No TLS, no HTTP/2, no trailers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, unquote

import msgspec

from tiltyard.servers.simulator.truth import Entry

now_ns = time.perf_counter_ns
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_DIRECT = sys.platform != "win32"
_MAX_HEAD = 65_536
_MAX_BODY = 256 << 20


class Request(NamedTuple):
    """One HTTP request. Header names are lower-case."""

    connection: Connection
    received_ns: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return None


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(value))


class Connection(asyncio.Protocol):
    """One client. `handle` is called per request; it answers now with `reply`, or later."""

    def __init__(self, handle: Callable[[Request], None], server: str, http10: bool = False) -> None:
        self._handle = handle
        self.server = server
        self.http10 = http10
        self.transport: asyncio.Transport
        self.closed = False
        self.on_lost: Callable[[], None] | None = None
        self.log: set[Connection] | None = None
        self._buffer = bytearray()
        self._busy = False
        self._fd = -1
        self._keep = not http10
        self._head_only = False

    # ---- in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        sock = transport.get_extra_info("socket")
        self._fd = sock.fileno()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.log is not None:
            self.log.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self.log is not None:
            self.log.discard(self)
        lost, self.on_lost = self.on_lost, None
        if lost is not None:
            lost()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        received = now_ns()
        self._buffer += data
        if not self._busy:
            self._next(received)

    def _next(self, received: int) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                self.transport.close()
            return
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self.transport.close()
            return
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue" and len(self._buffer) == end + 4:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, used = self._body(headers, end + 4)
        if body is None:
            return
        del self._buffer[:used]
        self._busy = True
        keep = headers.get("connection", "").lower()
        self._keep = not self.http10 and keep != "close" and (words[2] == "HTTP/1.1" or keep == "keep-alive")
        self._head_only = words[0] == "HEAD"
        path, _, query = words[1].partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        self._handle(Request(self, received, words[0], unquote(path), pairs, headers, body))

    def _body(self, headers: Mapping[str, str], start: int) -> tuple[bytes | None, int]:
        """The body and where it ends in the buffer; None while it is incomplete."""
        buffer = self._buffer
        if self.http10 or "chunked" not in headers.get("transfer-encoding", "").lower():
            length = headers.get("content-length", "0")
            size = int(length) if length.isdigit() else _MAX_BODY + 1
            if size > _MAX_BODY:
                self.transport.close()
                return None, 0
            return (
                (bytes(buffer[start : start + size]), start + size)
                if len(buffer) >= start + size
                else (None, 0)
            )
        parts, at = [], start
        while True:
            line = buffer.find(b"\r\n", at)
            if line < 0:
                return None, 0
            try:
                size = int(buffer[at:line].split(b";")[0], 16)
            except ValueError:
                self.transport.close()
                return None, 0
            at = line + 2
            if len(buffer) < at + size + 2:
                return None, 0
            parts.append(bytes(buffer[at : at + size]))
            at += size + 2
            if size == 0:
                return b"".join(parts), at

    # ---- out

    def write(self, data: bytes) -> int:
        """Send now; gives the time just before the bytes went to the kernel."""
        if self.closed or self.transport.is_closing():
            return now_ns()
        if not _DIRECT or self.transport.get_write_buffer_size():
            stamp = now_ns()
            self.transport.write(data)
            return stamp
        stamp = now_ns()
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.transport.abort()
            return stamp
        if sent < len(data):
            self.transport.write(data[sent:])
        return stamp

    def head(self, status: int, content_type: str, extra: str) -> bytes:
        """Status line and headers; `extra` holds further header lines, each ended."""
        version = "1.0" if self.http10 else "1.1"
        end = "" if self._keep else "Connection: close\r\n"
        return (
            f"HTTP/{version} {status} {REASONS.get(status, 'Status')}\r\nServer: {self.server}\r\n"
            f"Content-Type: {content_type}\r\n{extra}{end}\r\n"
        ).encode("latin-1", "replace")

    def reply(self, answer: Reply, entry: Entry | None = None, tokens: int = 0) -> None:
        """A whole answer with its length."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        if not self.http10:
            extra = f"Content-Length: {len(answer.body)}\r\n{extra}"
        body = b"" if self._head_only else answer.body
        stamp = self.write(self.head(answer.status, answer.content_type, extra) + body)
        if entry is not None:
            entry.writes.extend((stamp, 0 if tokens else -1, tokens))
        self.done()

    def done(self) -> None:
        """The answer is complete: take up the next request, or close."""
        self.on_lost = None
        self._busy = False
        if not self._keep:
            self.transport.close()
        elif self._buffer and not self.closed:
            asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        if not self._busy and not self.closed:
            self._next(now_ns())

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.transport.abort()
