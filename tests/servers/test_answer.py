"""One answer read by read: wherever the network cuts it, it is the same."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers.scripted import Script, ScriptedServer, chunk, head
from tests.servers.test_chat import END, REQUEST, USAGE, body_of, words
from tiltyard.records import Capture, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.answer import Answer, AnswerError
from tiltyard.servers.chat import read_chat
from tiltyard.servers.wire import Wire

CHUNKED = head(more=b"Transfer-Encoding: chunked\r\n")
EVENTS = [event + b"\n\n" for event in body_of([*words(*"abcdef"), END, USAGE]).split(b"\n\n")[:-1]]
CHUNKS = [chunk(event) for event in EVENTS]
SIXTH = EVENTS[5] + b"\r\n"
LAST = b"0\r\n\r\n"


def taken(answer: Answer, data: bytes) -> bool:
    """Whether the answer is complete with these bytes."""
    return answer.add(data, 1) and answer.complete()


TRICKY = {
    "trailers": chunk(b"data: 1\n\n") + b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    "false terminator": chunk(b"a\r\n0\r\n\r\n") + chunk(b"b") + b"0\r\n\r\n",
    "extension": b"5;name=value\r\nhello\r\n000\r\n\r\n",
    "crlf events": chunk(b"data: 1\r\n\r\n") + chunk(b"data: 2\r\n\r\n") + b"0\r\n\r\n",
    "upper case size": b"1A\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n",
    "plain": chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n") + b"0\r\n\r\n",
    "empty": b"0\r\n\r\n",
}


@pytest.mark.parametrize("name", TRICKY)
def test_every_split_of_a_chunked_body_gives_the_same(name):
    """The answer grows read by read; wherever the cut falls, the end is found and the body is the same."""
    raw = b"HTTP/1.1 100 Continue\r\n\r\n" + head(more=b"Transfer-Encoding: chunked\r\n") + TRICKY[name]
    whole = Answer()
    assert taken(whole, raw)
    expected = whole.body()[0]
    for cut in range(1, len(raw)):
        answer = Answer()
        assert not taken(answer, raw[:cut]), cut
        assert taken(answer, raw[cut:]), cut
        body, ends = answer.body()
        assert (body, ends[-1], answer.status) == (expected, len(expected), 200)
        assert answer.keeps_alive
    byte_by_byte = Answer()
    done = [taken(byte_by_byte, raw[i : i + 1]) for i in range(len(raw))]
    assert done.index(True) == len(raw) - 1
    body, ends = byte_by_byte.body()
    assert body == expected
    assert ends == sorted(ends)
    assert ends[-1] == len(expected)


def test_what_is_no_answer_says_so():
    for raw in (
        b"SSH-2.0-x",
        b"HTTP/1.1 abc\r\n\r\n",
        head(more=b"Content-Length: x\r\n"),
        b"HTTP/1.1 200\n\nx",
    ):
        with pytest.raises(AnswerError):
            taken(Answer(), raw)


def test_an_incomplete_chunked_body_keeps_what_came():
    answer = Answer()
    assert not answer.add(head(more=b"Transfer-Encoding: chunked\r\n") + chunk(b"one") + b"9\r\ntw", 1)
    assert not answer.close()
    assert answer.body() == (b"onetw", [5])


def test_old_http_keeps_a_connection_only_when_it_says_so():
    old = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n%s\r\nx"
    for more, kept in ((b"", False), (b"Connection: Keep-Alive\r\n", True)):
        answer = Answer()
        assert taken(answer, old % more)
        assert answer.keeps_alive is kept


def test_a_whole_answer_is_whole_though_its_server_closed_before_it_was_looked_at() -> None:
    """Answers that end together are looked at one by one, and HTTP/1.0 closes at once."""
    answer = Answer()
    assert answer.add(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{", 1) is False
    assert not answer.close()
    assert answer.add(b"}", 2)
    assert answer.close()


# ------------------------------------------------------------------ frames that do not add up


def captured(*script: bytes | float | str) -> Capture:
    patient = Timeouts(connect_s=60, first_byte_s=60, gap_s=60)
    steps: Script = script

    async def main(url: str) -> Capture:
        wire = Wire(Address(url=url))
        capture = await wire.stream("/v1/x", b"{}", timeouts=patient)
        await wire.close()
        return capture.opened()

    with ScriptedServer(lambda _: steps) as server:
        return asyncio.run(main(server.url))


SIZE_LINES = {
    "no number": b"zz",
    "none": b"",
    "negative": b"-5",
    "too small": b"%x" % (len(EVENTS[5]) - 1),
    "too large": b"%x" % (len(EVENTS[5]) + 1),
    "signed": b"+%x" % len(EVENTS[5]),
    "endless": b"1" * 5_000,
    "nothing but zeros": b"0" * 5_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("ended", [(LAST,), (LAST, "close"), ("close",)], ids=("kept", "closed", "no end"))
@pytest.mark.parametrize("name", SIZE_LINES)
def test_a_broken_frame_is_a_broken_answer(name: str, ended: tuple[bytes | str, ...]) -> None:
    sixth = SIZE_LINES[name] + b"\r\n" + SIXTH
    body = b"".join([CHUNKED, *CHUNKS[:5], sixth, *CHUNKS[6:]])
    for script in ([body], [CHUNKED, *CHUNKS[:5], 0.02, sixth, 0.02, *CHUNKS[6:]]):
        capture = captured(*script, *ended)
        assert capture.failure == "error_midstream"
        assert any(words in (capture.error or "") for words in ("not valid HTTP", "do not add up"))
        exchange = read_chat(REQUEST, capture)
        assert (exchange.ending, exchange.error) == ("error_midstream", capture.error)
        assert exchange.text == "abcd"


def test_an_answer_that_ends_within_a_chunk_is_cut_off() -> None:
    capture = captured(CHUNKED + b"".join(CHUNKS[:5]) + CHUNKS[5][:-9], "close")
    assert capture.failure == "error_midstream"
    assert capture.error == "the server closed the connection in the middle of the answer"
    assert read_chat(REQUEST, capture).text == "abcd"


@pytest.mark.slow
@pytest.mark.parametrize(
    "ended",
    [LAST, b"0\r\nX-Sum: 1\r\n\r\n", b"000;a=b\r\n\r\n", LAST + b"HTTP/1.1 400 Bad\r\nX", LAST + b"\r\n"],
    ids=("plain", "trailers", "extension", "more behind it", "a line behind it"),
)
@pytest.mark.parametrize("closed", [(), ("close",)], ids=("kept", "closed"))
def test_a_good_frame_is_a_good_answer(ended: bytes, closed: tuple[str, ...]) -> None:
    capture = captured(b"".join([CHUNKED, *CHUNKS, ended]), *closed)
    assert (capture.failure, capture.body) == (None, b"".join(EVENTS))
    assert read_chat(REQUEST, capture).text == "abcdef"
