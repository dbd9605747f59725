"""A server that answers with canned bodies over real sockets, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from tiltyard.records import Capture, Message, Request, Timeline


class Page(NamedTuple):
    body: Any = b""  # bytes, or what becomes JSON
    status: int = 200
    kind: str = "application/json"

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


NOT_FOUND = Page(b"not found", 404, "text/plain")


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


Pages = Mapping[str, Any]  # "GET /path" -> Page, JSON, or a function of Asked giving one of them


class Canned:
    """`pages` may be changed while it runs. Pages that are not there are answered with `missing`."""

    def __init__(self, pages: Pages, missing: Any = NOT_FOUND, banner: str = "canned") -> None:
        self.pages = dict(pages)
        self.asked: list[Asked] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def version_string(self) -> str:
                return banner

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                asked = Asked(self.command, self.path, dict(self.headers), json.loads(text) if text else None)
                canned.asked.append(asked)
                page = canned.pages.get(f"{self.command} {self.path}", missing)
                page = page(asked) if callable(page) else page
                page = page if isinstance(page, Page) else Page(page)
                self.send_response(page.status)
                self.send_header("Content-Type", page.kind)
                self.send_header("Content-Length", str(len(page.data)))
                self.end_headers()
                self.wfile.write(page.data)

            do_POST = do_GET  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def bodies(self, path: str) -> list[Any]:
        """What was posted to a path."""
        return [each.body for each in self.asked if each.path == path and each.method == "POST"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Canned]]:
    """Start canned servers; they stop after the test."""
    started: list[Canned] = []

    def start(pages: Pages, **more: Any) -> Canned:
        started.append(Canned(pages, **more))
        return started[-1]

    yield start
    for canned in started:
        canned.close()


def ask_for(model: str, text: str = "hi", **more: Any) -> Request:
    return Request(model=model, messages=(Message(role="user", content=text),), **more)


def captured(body: bytes, **more: Any) -> Capture:
    """A body as if it had arrived in one read."""
    timeline = Timeline(
        scheduled_ns=0,
        started_ns=0,
        sent_ns=1,
        headers_ns=2,
        arrivals_ns=(10,),
        arrivals_end=(len(body),),
        closed_ns=11,
    )
    return Capture(**{"timeline": timeline, "status": 200, "body": body, **more})


def spread(body: bytes, step_ms: int) -> Capture:
    """A body as if each of its lines had arrived by itself, so many ms after the one before."""
    ends = [n + 1 for n, byte in enumerate(body) if byte == ord("\n")]
    times = tuple(10 + n * step_ms * 1_000_000 for n in range(len(ends)))
    whole = captured(body)
    timeline = replace(
        whole.timeline, arrivals_ns=times, arrivals_end=tuple(ends), closed_ns=times[-1] + 1, clock="kernel"
    )
    return replace(whole, timeline=timeline)


def lines(*values: Any) -> bytes:
    """NDJSON."""
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def events(*values: Any, done: bool = True) -> bytes:
    """Server-sent events."""
    body = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    return body + b"data: [DONE]\n\n" if done else body


def chunk(model: str = "m", finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def run(server: Any, *calls: Callable[[], Any]) -> list[Any]:
    """What these calls of a server give, one after the other; it is closed after them."""

    async def main() -> list[Any]:
        try:
            return [await call() for call in calls]
        finally:
            await server.close()

    return asyncio.run(main())
