"""A server that writes chosen bytes at chosen times: real sockets, one thread per connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Step = bytes | float | str  # bytes to send, seconds to wait, or "reset"
Script = Sequence[Step]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(data: bytes, kind: bytes = b"text/event-stream") -> bytes:
    """A whole chunked answer with one chunk."""
    return head(kind, b"Transfer-Encoding: chunked\r\n") + chunk(data) + b"0\r\n\r\n"


def head(kind: bytes = b"text/event-stream", more: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\n" + more + b"\r\n"


def sized(data: bytes, kind: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    """A whole answer with a Content-Length."""
    return head(kind, b"Content-Length: %d\r\n" % len(data), status) + data


class ScriptedServer:
    """`answer` makes the script of the n-th request; the connection stays open unless that says "close".

    `requests` holds what was received, `writes` the monotonic time just before each send and its bytes.
    """

    def __init__(
        self, answer: Callable[[int], Script], *, wrap: Any = None, family: int = socket.AF_INET
    ) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.writes: list[tuple[int, bytes]] = []
        self.connections = 0
        self._wrap = wrap
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._listener.listen(64)
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        host = "[::1]" if family == socket.AF_INET6 else "127.0.0.1"
        self.url = f"{'https' if wrap else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._wrap is not None:
                connection = self._wrap(connection)
            self._open.append(connection)
            while True:
                request = self._receive(connection)
                if not request:
                    break
                self.requests.append(request)
                if not self._play(connection, self.answer(len(self.requests) - 1)):
                    break
        connection.close()

    def _receive(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        first, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in first.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(1 << 20)
        return first + b"\r\n\r\n" + body

    def _play(self, connection: socket.socket, script: Script) -> bool:
        for step in script:
            if isinstance(step, bytes):
                self.writes.append((time.perf_counter_ns(), step))
                connection.sendall(step)
            elif isinstance(step, str):
                if step == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                time.sleep(step)
        return True
