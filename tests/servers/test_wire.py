"""The wire against scripted servers on real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import base64
import gzip
import html
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import pytest

from tests.patience import best_of
from tests.servers.scripted import Script, ScriptedServer, chunk, chunked, head, sized
from tiltyard.errors import NoServer, UsageError
from tiltyard.records import Capture, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.wire import Wire, parse_origin
from tiltyard.servers.wires import open_wire

CHUNKED = head(more=b"Transfer-Encoding: chunked\r\n")
WORD = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
PATIENT = Timeouts(connect_s=60, first_byte_s=60, gap_s=60)


Run = Callable[..., Any]


def runners() -> list[Run]:
    if sys.platform == "win32":
        return [asyncio.run]
    import uvloop

    return [asyncio.run, uvloop.run]


@pytest.fixture(params=runners(), ids=lambda run: run.__module__.partition(".")[0])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def asked(run: Run, script: Script, timeouts: Timeouts = PATIENT, times: int = 1) -> list[Capture]:
    """The captures of `times` requests, one after the other, each answered by the script."""
    with ScriptedServer(lambda _: script) as server:

        async def main() -> list[Capture]:
            wire = Wire(Address(url=server.url))
            captures = [(await wire.stream("/v1/x", b"{}", timeouts=timeouts)).opened() for _ in range(times)]
            await wire.close()
            return captures

        return run(main())


def capture_of(run: Run, *script: bytes | float | str, timeouts: Timeouts = PATIENT) -> Capture:
    return asked(run, script, timeouts)[0]


@best_of()
def test_chunked_stream_is_captured_with_its_arrivals(run):
    capture = capture_of(
        run,
        CHUNKED,
        0.02,
        chunk(b"one"),
        0.02,
        chunk(b"two"),
        b"0\r\n\r\n",
    )
    line = capture.timeline
    assert (capture.status, capture.body, capture.failure) == (200, b"onetwo", None)
    assert line.arrivals_end == (3, 6)
    assert line.started_ns <= line.connected_ns <= line.sent_ns <= line.headers_ns <= line.arrivals_ns[0]
    assert line.arrivals_ns[1] - line.arrivals_ns[0] > 15e6
    assert line.closed_ns >= line.arrivals_ns[1]
    assert abs(line.arrivals_ns[0] + line.origin_unix_ns - time.time_ns()) < 60e9


def test_content_length_and_read_until_close(run):
    assert capture_of(run, sized(b"hello")).body == b"hello"
    until_close = capture_of(run, b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nhel", 0.01, b"lo", "close")
    assert (until_close.body, until_close.failure) == (b"hello", None)
    assert until_close.timeline.closed_ns is not None


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 4095, 4096, 4097, 8192, 4096 + 262_144, 4096 + 262_145, 1_000_000])
@pytest.mark.parametrize("closes", [False, True], ids=["sized", "until close"])
def test_what_lies_there_whole_is_read_whole(run, size, closes):
    """All bytes, and the end behind them, may be there before the first look, and fill reads to the byte."""
    start = b"HTTP/1.0 200 OK\r\n" if closes else b"HTTP/1.1 200 OK\r\n"
    start += b"Content-Type: x\r\n"
    if not closes:
        start += b"Content-Length: %-8d\r\n" % (size - len(start) - 28)
    body = b"x" * (size - len(start) - 2)
    with ScriptedServer(lambda _: [start + b"\r\n" + body, *(["close"] if closes else [])]) as server:

        async def main() -> Capture:
            wire = Wire(Address(url=server.url))
            asking = asyncio.ensure_future(wire.stream("/", b"{}", timeouts=PATIENT))
            while not server.requests:
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(time.sleep, 0.05)  # it stands still while the server writes
            capture = (await asking).opened()
            await wire.close()
            return capture

        capture = run(main())
    assert (capture.body, capture.failure) == (body, None)


def test_a_head_split_anywhere_is_read_once(run):
    raw = chunked(b"hello")
    capture = capture_of(run, raw[:7], 0.01, raw[7:30], 0.01, raw[30:])
    assert (capture.body, capture.status) == (b"hello", 200)


def test_connections_are_reused_and_a_stale_one_is_replaced(run):
    first, second = asked(run, [chunked(b"a")], times=2)
    assert (first.timeline.reused, second.timeline.reused) == (False, True)
    assert second.timeline.connected_ns is None
    closing = asked(run, [chunked(b"a"), "close"], times=3)
    assert [c.failure for c in closing] == [None] * 3
    assert [c.timeline.reused for c in closing] == [False] * 3


async def asked_twice(url: str) -> list[Capture]:
    wire = Wire(Address(url=url))
    captures = [(await wire.stream("/", b"{}", timeouts=PATIENT)).opened() for _ in range(2)]
    await wire.close()
    return captures


def test_a_reused_connection_that_dies_on_the_request_is_asked_again_once(run):
    def answer(n: int) -> Script:
        return ["close"] if n == 1 else [chunked(b"a")]

    with ScriptedServer(answer) as server:
        captures = run(asked_twice(server.url))
    assert [c.failure for c in captures] == [None, None]
    assert [c.notes for c in captures] == [(), ("sent_again",)]
    assert len(server.requests) == 3


@pytest.mark.slow
def test_a_connection_that_dies_while_the_server_works_is_a_failure(run):
    """It took the request, and a second one would hide that it failed."""

    def answer(n: int) -> Script:
        return [0.3, "close"] if n == 1 else [chunked(b"a")]

    with ScriptedServer(answer) as server:
        captures = run(asked_twice(server.url))
    assert [c.failure for c in captures] == [None, "connect_error"]
    assert "closed the connection without an answer" in captures[1].error
    assert len(server.requests) == 2


def test_many_streams_over_one_pool_keep_their_answers_apart(run):
    """A connection that is given back may be taken at once, before its last user looks at it."""

    def answer(n: int) -> Script:
        return [chunked(b"x" * 50)]

    with ScriptedServer(answer) as server:

        async def main() -> list[Capture]:
            wire = Wire(Address(url=server.url))

            async def user() -> list[Capture]:
                return [(await wire.stream("/", b"{}", timeouts=PATIENT)).opened() for _ in range(20)]

            captures = await asyncio.gather(*(user() for _ in range(8)))
            await wire.close()
            return [c for batch in captures for c in batch]

        captures = run(main())
    assert all(c.body == b"x" * 50 and c.failure is None for c in captures)
    for line in (c.timeline for c in captures):
        assert line.started_ns <= line.sent_ns <= line.arrivals_ns[0] <= line.closed_ns


FAILURES = {
    "silence": ([1.0], "timeout_first_byte"),
    "headers, then silence": ([CHUNKED, 1.0], "timeout_first_byte"),
    "gap": ([CHUNKED + chunk(WORD), 1.0], "timeout_gap"),
    "no answer": (["close"], "connect_error"),
    "half a head": ([b"HTTP/1.1 200 OK\r\nCont", "close"], "connect_error"),
    "closed in the body": ([head(more=b"Content-Length: 9\r\n") + b"abc", "close"], "error_midstream"),
    "closed in a chunk": (
        [CHUNKED + b"9\r\nabc", "close"],
        "error_midstream",
    ),
    "reset": ([CHUNKED + chunk(b"a"), 0.05, "reset"], "error_midstream"),
    "broken framing": (
        [CHUNKED + b"zz\r\nabc\r\n\r\n"],
        "error_midstream",
    ),
    "not HTTP": ([b"SSH-2.0-OpenSSH_9.6\r\n"], "connect_error"),
    "huge headers": ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000], "connect_error"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_data(name):
    script, ending = FAILURES[name]
    first, gap = (0.2, 60.0) if ending == "timeout_first_byte" else (60.0, 0.2)
    capture = capture_of(asyncio.run, *script, timeouts=Timeouts(connect_s=60, first_byte_s=first, gap_s=gap))
    assert capture.failure == ending
    assert capture.error
    assert "\n" not in capture.error
    limit_s = 0.2 if ending.startswith("timeout") else 0.0  # the stream is taken until we give up
    assert capture.timeline.closed_ns >= capture.timeline.started_ns + limit_s * 1e9
    if "body" in name or "chunk" in name or name == "gap":
        assert capture.body in (WORD, b"abc")


@pytest.mark.slow
def test_bytes_after_the_terminator_do_not_hide_the_end():
    capture = capture_of(asyncio.run, chunked(b"hello") + b"HTTP/1.1 400 Bad\r\nX", timeouts=PATIENT)
    assert (capture.body, capture.failure) == (b"hello", None)


@pytest.mark.slow
@best_of()
def test_pings_keep_a_stream_alive_and_a_total_limit_ends_it(run):
    steps: list[bytes | float] = [CHUNKED]
    for _ in range(10):
        steps += [chunk(b": ping\n\n"), 0.06]
    limits = Timeouts(connect_s=60, first_byte_s=60, gap_s=0.4)
    assert capture_of(run, *steps, b"0\r\n\r\n", timeouts=limits).failure is None
    limits = Timeouts(connect_s=60, first_byte_s=60, gap_s=60, total_s=0.2)
    capture = capture_of(run, *steps, timeouts=limits)
    assert (capture.failure, capture.error) == ("timeout_gap", "the whole answer took longer than 0.2 s")


def endlessly(piece: bytes) -> Iterator[bytes | float]:
    """Until the client goes."""
    yield CHUNKED
    while True:
        yield chunk(piece)
        yield 0.0002


@pytest.mark.slow
def test_words_far_beyond_the_limit_of_the_answer_end_it(run):
    limits = PATIENT.of_answer(4)
    capture = capture_of(run, *islice(endlessly(WORD * 2_000), 4_000), timeouts=limits)
    assert (capture.failure, capture.error) == (
        "timeout_gap",
        "the answer did not end at its limit of 4 tokens",
    )


@pytest.mark.parametrize("pieces", [1_500, 20_000])
def test_a_limit_that_is_not_kept_is_no_missing_end(run, pieces):
    """A model that thinks beyond it, and words that come in many small pieces."""
    script = [CHUNKED, *islice(endlessly(WORD), 2, 2 * pieces), b"0\r\n\r\n"]
    script = [piece for piece in script if isinstance(piece, bytes)]
    assert capture_of(run, *script, timeouts=PATIENT.of_answer(4)).failure is None


def test_an_answer_may_take_as_long_as_a_slow_model_needs():
    limits = Timeouts(first_byte_s=600, gap_s=60).of_answer(256)
    assert limits.total_s > 600 + 256 / 0.5
    assert Timeouts(first_byte_s=3, gap_s=2).of_answer(4).total_s == 3 + 3 + 5 * 2
    assert Timeouts().of_answer(None).total_s is None
    assert Timeouts(total_s=1.0).of_answer(4).total_s == 1.0


AHEAD = {
    "role": b'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
    "ping": b": keepalive 0/8192\n\n",
    "Ollama's role": b'{"message":{"role":"assistant","content":"","thinking":""},"done":false}\n',
}


@pytest.mark.slow
@pytest.mark.parametrize("ahead", AHEAD.values(), ids=AHEAD)
def test_what_is_sent_ahead_of_the_first_words_ends_no_waiting_for_them(run, ahead):
    for first, failure in ((60.0, None), (0.1, "timeout_gap")):
        script = [CHUNKED + chunk(ahead), 0.6, chunk(WORD), b"0\r\n\r\n"]
        limits = Timeouts(connect_s=60, first_byte_s=first, gap_s=0.1)
        assert capture_of(run, *script, timeouts=limits).failure == failure


SPOKEN = [
    b'{"delta":{"content": "\\""}}',
    b'{"reasoning_content":"a"}',
    b'{"message":{"thinking":"a"}}',
    b'{"content":[{"type":"text","text":"a"}]}',
    b'{"tool_calls":[ {"function":{"name":"f","arguments":{}}}]}',
    b'{"delta":{},"finish_reason":"stop"}',
    b'{"done":true}',
    b'{"error":"a"}',
    b"data: [DONE]",
]


@pytest.mark.slow
@pytest.mark.parametrize("said", SPOKEN)
def test_after_words_a_call_an_end_or_an_error_only_the_gap_counts(said):
    limits = Timeouts(connect_s=60, first_byte_s=60, gap_s=0.1)
    capture = capture_of(asyncio.run, CHUNKED + chunk(said), 1.0, timeouts=limits)
    assert (capture.failure, capture.error) == (
        "timeout_gap",
        "silence for more than 0.1 s within the answer",
    )


def test_nothing_listens(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        async def main() -> Capture:
            wire = Wire(Address(url=url))
            with pytest.raises(NoServer, match="refused"):
                await wire.call("GET", "/")
            capture = (await wire.stream("/", b"")).opened()
            await wire.close()
            return capture

        capture = run(main())
    assert (capture.failure, capture.timeline.sent_ns) == ("connect_error", None)
    assert (capture.timeline.closed_ns or 0) > capture.timeline.started_ns  # when that was known
    assert "connection refused" in capture.error


def test_cancelling_closes_the_connection(run):
    with ScriptedServer(lambda _: [CHUNKED + chunk(b"a"), 5.0]) as server:

        async def main() -> None:
            wire = Wire(Address(url=server.url))
            task = asyncio.ensure_future(wire.stream("/", b"{}"))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await wire.close()

        run(main())


def test_a_large_prompt_is_sent_whole(run):
    with ScriptedServer(lambda _: [chunked(b"ok")]) as server:

        async def main() -> Capture:
            wire = Wire(Address(url=server.url))
            capture = (await wire.stream("/", b"x" * 5_000_000)).opened()
            await wire.close()
            return capture

        assert run(main()).body == b"ok"
    assert server.requests[0].endswith(b"x" * 1000)
    assert server.requests[0].count(b"x") >= 5_000_000


def test_request_carries_key_id_and_length_and_never_chunks():
    with ScriptedServer(lambda _: [sized(b"{}")]) as server:

        async def main() -> None:
            wire = Wire(Address(url=f"{server.url}/base", api_key="sk-secret\n"))
            await wire.stream("/v1/chat/completions", b"{}", request_id="r1\r\nEvil: 1")
            await wire.call("GET", "/api/show?model=a b/ü")
            await wire.close()

        asyncio.run(main())
    post, get = (r.decode() for r in server.requests)
    assert post.startswith("POST /base/v1/chat/completions HTTP/1.1\r\n")
    for line in ("Authorization: Bearer sk-secret", "X-Request-Id: r1  Evil: 1", "Content-Length: 2"):
        assert f"\r\n{line}\r\n" in post
    assert "Accept-Encoding: identity" in post
    assert "chunked" not in post
    assert get.startswith("GET /base/api/show?model=a%20b/%C3%BC HTTP/1.1\r\n")
    assert "Content-Length" not in get


@pytest.mark.parametrize(
    ("status", "key", "kept"),
    [
        (b"401 Unauthorized", "sk-secret", False),
        (b"200 OK", "sk-secret-1234", False),  # an echo
        (b"200 OK", "lm-studio", True),  # a word, where servers want some key and take any
    ],
)
def test_a_key_quoted_by_the_server_is_blotted_out(status: bytes, key: str, kept: bool) -> None:
    body = b'{"message":"your key is %s"}' % key.encode()
    with ScriptedServer(lambda _: [sized(body, status=status)]) as server:

        async def main() -> Capture:
            wire = Wire(Address(url=server.url, api_key=key))
            capture = (await wire.stream("/", b"{}")).opened()
            await wire.close()
            return capture

        capture = asyncio.run(main())
    assert (key.encode() in capture.body) is kept
    assert len(capture.body) == len(body)


KEY = 'sk+A/b=="c&\\d-0123456789'
ECHOES = {
    "plain": KEY,
    "json": json.dumps(KEY),
    "json slashes": json.dumps(KEY).replace("/", "\\/"),
    "json in json": json.dumps(json.dumps(KEY).replace("/", "\\/")),
    "code points": "".join(f"\\u{ord(char):04X}" for char in KEY),
    "some code points": KEY.replace("+", "\\u002b").replace("/", "\\u002F"),
    "url": quote(KEY, safe=""),
    "url in url": quote(quote(KEY, safe=""), safe=""),
    "html": html.escape(KEY).replace("+", "&#43;").replace("/", "&#x2F;"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["error", "stream"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_key_is_blotted_out_however_it_is_escaped_and_wherever_it_is_cut(stream: bool, echo: str) -> None:
    body = b"data: before " + echo.encode() + b" after\n\n"
    status = b"200 OK" if stream else b"401 Unauthorized"
    answer = [head(more=b"Content-Length: %d\r\n" % len(body), status=status), body[:20], 0.01, body[20:]]
    with ScriptedServer(lambda _: answer) as server:

        async def main() -> Capture:
            wire = Wire(Address(url=server.url, api_key=KEY))
            capture = (await wire.stream("/", b"{}", timeouts=PATIENT)).opened()
            await wire.close()
            return capture

        capture = asyncio.run(main())
    stars = capture.body.removeprefix(b"data: before ").removesuffix(b" after\n\n").strip(b'"')
    assert set(stars) <= set(b'*\\"'), capture.body
    assert stars.count(b"*") >= len(KEY)
    assert len(capture.body) == len(body)
    assert capture.timeline.arrivals_end[-1] == len(body)


def test_a_password_of_the_address_is_blotted_out_in_its_header_too() -> None:
    basic = base64.b64encode(b"me:pass??>>word+1234").decode()
    assert "/" in basic
    echo = json.dumps({"got": f"Basic {basic}", "url": "pass%3F%3f>>word%2B1234"})
    body = echo.replace("/", "\\/").encode()
    with ScriptedServer(lambda _: [sized(body, status=b"401 Unauthorized")]) as server:

        async def main() -> Capture:
            url = server.url.replace("//", "//me:" + quote("pass??>>word+1234", safe="") + "@")
            wire = Wire(Address(url=url))
            capture = (await wire.stream("/", b"{}")).opened()
            await wire.close()
            return capture

        capture = asyncio.run(main())
    assert set(json.loads(capture.body)["got"].removeprefix("Basic ")) == {"*"}
    assert set(json.loads(capture.body)["url"]) == {"*"}


def test_a_llama_server_is_not_asked_again_on_a_connection_that_streamed(run):
    """It ends the connection after each stream, although its Keep-Alive promises a hundred more."""
    kept = b"Server: llama.cpp\r\nKeep-Alive: timeout=5, max=100\r\n"
    streamed = head(more=kept + b"Transfer-Encoding: chunked\r\n") + chunk(b"a") + b"0\r\n\r\n"
    captures = asked(run, [streamed], times=3)
    assert [(c.timeline.reused, c.notes, c.failure) for c in captures] == [(False, (), None)] * 3
    plain = head(b"application/json", kept + b"Content-Length: 2\r\n") + b"{}"
    assert [c.timeline.reused for c in asked(run, [plain], times=2)] == [False, True]


def test_a_server_that_never_answered_is_waited_for_no_longer_than_its_address_says() -> None:
    with ScriptedServer(lambda _: []) as server:

        async def main() -> None:
            wire = Wire(Address(url=server.url, loading_s=0.2))
            with pytest.raises(NoServer, match=r"no answer within 0\.2 s"):
                await wire.call("GET", "/")
            await wire.close()

        asyncio.run(main())


def test_urls_lose_their_user():
    origin = parse_origin("http://me:pass@host:8080/v1/")
    assert origin.url == "http://host:8080/v1"
    assert "pass" not in repr(Address(url="http://host", api_key="pass"))


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://h:99999", "http://[::1"])
def test_bad_addresses_are_usage_errors(url):
    with pytest.raises(UsageError):
        open_wire(Address(url=url))


def test_compressed_answers_are_read_all_the_same():
    packed = gzip.compress(b"data: hello\n\n")
    answer = head(more=b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(packed)) + packed
    capture = capture_of(asyncio.run, answer)
    assert capture.body == b"data: hello\n\n"
    assert capture.timeline.arrivals_end == (len(capture.body),)
    strange = capture_of(asyncio.run, head(more=b"Content-Encoding: zstd\r\nContent-Length: 3\r\n") + b"abc")
    assert strange.failure == "error_midstream"


def test_calls_reply_with_any_status():
    with ScriptedServer(
        lambda n: [sized(b'{"a": 1}' if n == 0 else b"Not Found", status=b"404 Not Found")]
    ) as server:

        async def main() -> None:
            wire = Wire(Address(url=server.url))
            reply = await wire.call("POST", "/x", {"k": None})
            assert (reply.status, reply.json()) == (404, {"a": 1})
            assert (await wire.call("GET", "/x")).json() is None
            await wire.close()

        asyncio.run(main())
    assert server.requests[0].endswith(b'{"k":null}')


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_and_localhost():
    try:
        server = ScriptedServer(lambda _: [sized(b"{}")], family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")

    async def ask(url: str) -> int:
        wire = Wire(Address(url=url))
        try:
            return (await wire.call("GET", "/")).status
        finally:
            await wire.close()

    with server:
        assert asyncio.run(ask(server.url)) == 200
        assert b"Host: [::1]:" in server.requests[0]
    with ScriptedServer(lambda _: [sized(b"{}")]) as four:
        assert asyncio.run(ask(f"http://localhost:{four.port}")) == 200


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kernel stamps are Linux's")
@best_of()
def test_the_kernel_stamps_arrivals_even_while_the_client_is_busy():
    """The client sleeps through the arrivals, yet their times are those of the writes."""
    steps: list[bytes | float] = [CHUNKED + chunk(b"a" * 10), 0.1]
    with ScriptedServer(lambda _: [*steps, chunk(b"b" * 10), b"0\r\n\r\n"]) as server:

        async def main() -> Capture:
            wire = Wire(Address(url=server.url))
            task = asyncio.ensure_future(wire.stream("/", b"{}"))
            await asyncio.sleep(0.05)  # the first token is read in here
            time.sleep(0.25)  # noqa: ASYNC251
            capture = (await task).opened()
            await wire.close()
            return capture

        capture = asyncio.run(main())
    line = capture.timeline
    assert line.clock == "kernel"
    delays_ms = [(t - w) / 1e6 for t, (w, _) in zip(line.arrivals_ns, server.writes, strict=False)]
    assert all(-0.1 < d < 50 for d in delays_ms), delays_ms
    assert line.arrivals_ns[1] - line.arrivals_ns[0] > 80e6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="lazy looking is Linux's")
@best_of()
def test_many_paced_streams_keep_exact_times_while_looked_at_lazily():
    """60 streams at 50 tokens a second each are enough to make the poller lazy."""
    steps: list[bytes | float] = [CHUNKED]
    for _ in range(12):
        steps += [chunk(b"data: x\n\n"), 0.02]
    with ScriptedServer(lambda _: [*steps, b"0\r\n\r\n"]) as server:

        async def main() -> list[Capture]:
            wire = Wire(Address(url=server.url))
            captures = await asyncio.gather(*(wire.stream("/", b"{}") for _ in range(60)))
            await wire.close()
            return [capture.opened() for capture in captures]

        captures = asyncio.run(main())
    assert all(c.failure is None and c.body == b"data: x\n\n" * 12 for c in captures)
    writes = sorted(t for t, data in server.writes if b"data" in data)
    arrivals = sorted(t for c in captures for t in c.timeline.arrivals_ns)
    late = [a - w for a, w in zip(arrivals, writes, strict=False)]
    assert len(late) > 500
    assert sorted(late)[len(late) // 2] < 20e6
