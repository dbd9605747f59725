"""The wire over https, against a local server with a certificate made for the test."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import best_of
from tests.servers.scripted import Script, ScriptedServer, chunk, head, sized
from tiltyard.errors import NoServer
from tiltyard.records import Capture, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.tls import TlsWire
from tiltyard.servers.wires import open_wire

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl command makes the certificate"
)

CHUNKED = head(more=b"Transfer-Encoding: chunked\r\n")
LIMITS = Timeouts(connect_s=60, first_byte_s=60, gap_s=60)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for 127.0.0.1, key and certificate in one file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    key, cert = file.with_name("key.pem"), file.with_name("cert.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tiltyard"
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", *words.split(), *alternative, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_bytes(key.read_bytes() + cert.read_bytes())
    return file


@pytest.fixture
def tls_server(certificate: Path) -> Callable[[Script], ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def make(script: Script) -> ScriptedServer:
        return ScriptedServer(lambda _: script, wrap=lambda s: context.wrap_socket(s, server_side=True))

    return make


def ask(
    server: ScriptedServer, trusted: Path | None, times: int = 1, limits: Timeouts = LIMITS
) -> list[Capture]:
    async def main() -> list[Capture]:
        context = ssl.create_default_context(cafile=trusted) if trusted else None
        wire = TlsWire(Address(url=server.url, api_key="sk-secret"), context=context)
        captures = [await wire.stream("/v1/x", b"{}", timeouts=limits, request_id="r1") for _ in range(times)]
        await wire.close()
        return captures

    with server:
        return asyncio.run(main())


@pytest.mark.slow
@best_of()
def test_a_stream_over_tls(tls_server, certificate):
    script = [CHUNKED, 0.02, chunk(b"data: 1\n\n"), 0.05, chunk(b"data: 2\n\n"), b"0\r\n\r\n"]
    server = tls_server(script)
    first, second = ask(server, certificate, times=2)
    assert (first.status, first.body, first.failure) == (200, b"data: 1\n\ndata: 2\n\n", None)
    line = first.timeline
    assert line.clock == "user"
    assert line.arrivals_end == (9, 18)
    assert line.started_ns <= line.connected_ns <= line.sent_ns <= line.headers_ns <= line.arrivals_ns[0]
    assert line.arrivals_ns[1] - line.arrivals_ns[0] > 30e6
    assert line.closed_ns >= line.arrivals_ns[1]
    assert (first.timeline.reused, second.timeline.reused) == (False, True)
    request = server.requests[0].decode()
    assert "Authorization: Bearer sk-secret" in request
    assert "X-Request-Id: r1" in request
    assert "chunked" not in request


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ([1.0], "timeout_first_byte"),
        ([CHUNKED, 1.0], "timeout_first_byte"),
        ([CHUNKED + chunk(b'{"content":"a"}'), 1.0], "timeout_gap"),
        ([CHUNKED + chunk(b'{"con'), 0.05, chunk(b'tent":"a"}'), 1.0], "timeout_gap"),
        (["close"], "connect_error"),
        ([CHUNKED + chunk(b"a"), 0.05, "close"], "error_midstream"),
        ([head(more=b"Content-Length: 9\r\n") + b"a", 0.05, "close"], "error_midstream"),
    ],
)
def test_failures_are_those_of_plain_http(tls_server, certificate, script, failure):
    first, gap = (0.3, 60.0) if failure == "timeout_first_byte" else (60.0, 0.3)
    limits = Timeouts(connect_s=60, first_byte_s=first, gap_s=gap)
    capture = ask(tls_server(script), certificate, limits=limits)[0]
    assert capture.failure == failure, capture.error
    assert capture.error
    assert "\n" not in capture.error
    limit_s = 0.3 if failure.startswith("timeout") else 0.0
    assert capture.timeline.closed_ns >= capture.timeline.started_ns + limit_s * 1e9
    if failure in ("timeout_gap", "error_midstream"):
        assert capture.body in (b"a", b'{"content":"a"}')


@pytest.mark.slow
def test_a_ping_ahead_of_the_first_words_ends_no_waiting_for_them(tls_server, certificate):
    limits = Timeouts(connect_s=60, first_byte_s=60, gap_s=0.1)
    script = [CHUNKED + chunk(b": ping\n\n"), 0.6, chunk(b"a"), b"0\r\n\r\n"]
    assert ask(tls_server(script), certificate, limits=limits)[0].failure is None


def test_words_far_beyond_the_limit_of_the_answer_end_it(tls_server, certificate):
    script = [CHUNKED, chunk(b": ping\n\n"), *[chunk(b'{"content":"a"}' * 20_000), 0.0002] * 200]
    capture = ask(tls_server(script), certificate, limits=LIMITS.of_answer(4))[0]
    assert (capture.failure, capture.error) == (
        "timeout_gap",
        "the answer did not end at its limit of 4 tokens",
    )


def test_an_unknown_certificate_is_one_clear_line(tls_server):
    capture = ask(tls_server([sized(b"{}")]), None)[0]
    assert capture.failure == "connect_error"
    assert "certificate" in capture.error
    assert "not trusted" in capture.error
    assert "\n" not in capture.error


def test_a_plain_server_does_not_speak_tls():
    def refuse(connection: socket.socket) -> socket.socket:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return connection

    with ScriptedServer(lambda _: ["close"], wrap=refuse) as server:

        async def main() -> Capture:
            wire = open_wire(Address(url=server.url))
            assert isinstance(wire, TlsWire)
            capture = await wire.stream("/", b"{}", timeouts=LIMITS)
            with pytest.raises(NoServer):
                await wire.call("GET", "/", timeout_s=60)
            await wire.close()
            return capture

        capture = asyncio.run(main())
    assert capture.failure == "connect_error"
    assert "TLS" in capture.error


def test_plain_http_through_a_proxy():
    with ScriptedServer(lambda _: [sized(b'{"via": "proxy"}')]) as proxy:

        async def main() -> object:
            wire = TlsWire(Address(url="http://model.example:8000"), proxy=proxy.url)
            reply = await wire.call("GET", "/v1/models")
            await wire.close()
            return reply.json()

        assert asyncio.run(main()) == {"via": "proxy"}
    assert proxy.requests[0].startswith(b"GET http://model.example:8000/v1/models HTTP/1.1")
