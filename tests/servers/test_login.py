"""A user name and password in a server's address: sent to that server, and neither shown nor kept."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tiltyard.errors import ServerError, UsageError
from tiltyard.servers.connect import connect
from tiltyard.servers.replies import base_url
from tiltyard.settings import connectable

SECRET = "top-secret-word"
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


@contextmanager
def guarded() -> Iterator[tuple[str, set[str | None]]]:
    """A server that lets nobody in and repeats what it was told; with what that was."""
    told: set[str | None] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.headers.get("Authorization")
            told.add(said)
            body = f'{{"error": {{"message": "not let in: {said} {SECRET}"}}}}'.encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("dialect", [None, "openai", "ollama", "llamacpp"])
def test_it_is_sent_before_any_key_that_is_set(dialect: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "sk-another-secret")
    with guarded() as (place, told), pytest.raises(ServerError) as caught:
        asyncio.run(connect(f"http://me:{SECRET}@{place}", dialect))
    assert told == {BASIC}
    shown = f"{caught.value} {caught.value.remedy}"
    assert SECRET not in shown
    assert BASIC.split()[1] not in shown


def test_a_login_and_a_named_key_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="two ways to log in at http://h:1: a user name in its address"):
        asyncio.run(connect(f"http://me:{SECRET}@h:1", "openai", "sk-key"))


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@h:port",
        f"http://me:{SECRET}@h:99999",
        f"me:{SECRET}@h:port",
        f"ftp://me:{SECRET}@h",
        f"http://me:x/{SECRET}@h",
        f"http://me:{SECRET}@h o",
        f"http://me:{SECRET}@[::1",
    ],
)
def test_an_address_that_is_none_is_named_without_it(address: str) -> None:
    for read in (base_url, lambda text: connectable(text, None)):
        with pytest.raises(UsageError) as caught:
            read(address)
        assert SECRET not in f"{caught.value} {caught.value.remedy}"
