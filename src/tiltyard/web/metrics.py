"""GET /metrics over HTTP, in threads of its own: JSON, or Prometheus' text for scrapers; and /healthz.

Small and bounded, since it runs beside a measurement: a few connections at once, each with little time. A
client that holds one open keeps nobody waiting but itself.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tiltyard import __version__
from tiltyard.errors import UsageError
from tiltyard.web.exposition import exposition, wants_exposition
from tiltyard.web.figures import RunFigures, flat

AT_ONCE = 16  # connections; the oldest one makes room for the next
ROOM_WITHIN_S = 1.0
PATIENCE_S = 5.0  # for a request to arrive, and for an answer to be taken

Source = Callable[[], Iterable[RunFigures]]


class MetricsServer:
    """`with MetricsServer(source, host, port) as server:` serves until the block ends."""

    def __init__(self, source: Source, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Raises UsageError where the address cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = type("Server", (Bounded,), {"address_family": family})
        try:
            self.server: Bounded = kind((host, port), Handler)
        except (OSError, TypeError) as error:  # the latter where a name cannot be encoded
            words = f"/metrics cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}"
            raise UsageError(words, remedy_for(error)) from None
        except OverflowError:
            raise UsageError(f"{port} is no port", "choose one from 0 to 65535") from None
        self.server.source = source
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.1,), name="tiltyard-metrics", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self.server.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else host
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


def remedy_for(error: Exception) -> str:
    """Is the port at fault, or the address?"""
    if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES, errno.EPERM):
        return "choose another --metrics-port (0 takes any free one), or stop what listens there"
    return "choose another --metrics-host: 127.0.0.1, 0.0.0.0, or an address of this machine"


class Bounded(ThreadingHTTPServer):
    """A thread for each connection, and only so many of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512  # a burst of connections must not make a scraper wait for its turn
    source: Source

    def __init__(self, *words: Any) -> None:
        self.room = threading.BoundedSemaphore(AT_ONCE)
        self.held: dict[Any, None] = {}  # connections, the oldest first
        super().__init__(*words)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.room.acquire(blocking=False):
            for oldest in list(self.held)[:1]:  # whoever needs so long has had a turn
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            if not self.room.acquire(timeout=ROOM_WITHIN_S):
                self.shutdown_request(request)
                return
        self.held[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.held.pop(request, None)
            self.room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of two paths."""

    server: Bounded
    timeout = PATIENCE_S
    protocol_version = "HTTP/1.0"  # one request each: nothing is held open
    server_version = f"tiltyard/{__version__}"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self.reply(200, b'{"status": "ok"}\n', "application/json")
        elif path == "/metrics":
            accept = ",".join(self.headers.get_all("Accept", ()))
            runs = list(self.server.source())
            if wants_exposition(accept):
                self.reply(200, *exposition(runs, accept))
            else:
                body = json.dumps(flat(runs), ensure_ascii=True).encode() + b"\n"
                self.reply(200, body, "application/json")
        else:
            self.reply(404, b'{"error": "only /metrics and /healthz are here"}\n', "application/json")

    do_HEAD = do_GET  # noqa: N815

    def refuse(self) -> None:
        self.reply(405, b'{"error": "read only"}\n', "application/json", allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = refuse  # noqa: N815

    def reply(self, status: int, body: bytes, content_type: str, allow: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if allow is not None:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
