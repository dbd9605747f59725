"""Servers behind an HTTP proxy that asks for a password: a real proxy on a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Iterator

import pytest

from tests.servers.middle import Middle
from tiltyard.errors import UsageError
from tiltyard.records import Capture
from tiltyard.servers import Address
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.wires import open_wire

WORD = "PROXYWORD7"
LOGIN = base64.b64encode(f"me:{WORD}".encode())


class Proxy(Middle):
    """Hands every request on to one server, whatever host it names; CONNECT is refused."""

    def __init__(self, target: int) -> None:
        self.asked: list[bytes] = []  # first lines of what was let through
        super().__init__(target)

    def serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(65536)
                if not more:
                    return
                head += more
            first, _, rest = head.partition(b"\r\n")
            if b"proxy-authorization: basic " + LOGIN.lower() not in head.lower():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if first.startswith(b"CONNECT"):
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked.append(first)
            method, url, version = first.split(b" ")
            path = b"/" + url.split(b"/", 3)[3]
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                server.sendall(b" ".join((method, path, version)) + b"\r\nConnection: close\r\n" + rest)
                while data := server.recv(65536):
                    client.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    model = SimModel(name="m", loaded=True)
    with running(SimConfig(models=(model,), dialects=("openai",))) as simulator:
        made = Proxy(int(simulator.url("openai").rsplit(":", 1)[1].split("/")[0]))
        yield made
        made.close()


@pytest.mark.slow
def test_a_server_behind_a_proxy_is_found_and_asked(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:{WORD}@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")

    async def main() -> list[str]:
        server = await connect("http://gpu-box.invalid:8000")
        try:
            return [model.name for model in await server.models()]
        finally:
            await server.close()

    assert asyncio.run(main()) == ["m"]
    assert any(b"http://gpu-box.invalid:8000/v1/models" in first for first in proxy.asked)


def test_what_is_in_no_proxy_is_asked_directly(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:{WORD}@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "gpu-box.invalid")
    assert asked("http://gpu-box.invalid:8000").failure == "connect_error"
    assert proxy.asked == []


@pytest.mark.parametrize(("login", "status"), [("", 407), (f"me:{WORD}@", 403)])
def test_a_proxy_that_refuses_is_named_without_its_password(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, login: str, status: int
) -> None:
    monkeypatch.setenv("https_proxy", f"http://{login}127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    capture = asked("https://gpu-box.invalid")
    assert capture.failure == "connect_error"
    assert f"through the proxy 127.0.0.1:{proxy.port}: it answers {status}" in (capture.error or "")
    assert WORD not in str(capture)


def test_a_proxy_of_another_kind_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"socks5://me:{WORD}@127.0.0.1:1080")
    with pytest.raises(UsageError, match="http_proxy names no HTTP proxy") as caught:
        open_wire(Address(url="http://gpu-box.invalid:8000"))
    assert WORD not in str(caught.value)


def asked(url: str) -> Capture:
    async def main() -> Capture:
        wire = open_wire(Address(url=url))
        try:
            return (await wire.stream("/v1/chat/completions", json.dumps({}).encode())).opened()
        finally:
            await wire.close()

    return asyncio.run(main())
