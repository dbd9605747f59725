"""One answer read by read: wherever the network cuts it, it is the same."""

from __future__ import annotations

import pytest

from tests.servers.scripted import chunk, head
from tiltyard.servers.answer import Answer, AnswerError


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
