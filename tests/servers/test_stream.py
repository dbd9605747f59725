"""Events out of bytes: every rule of server-sent events, and what breaks lenient parsers."""

from __future__ import annotations

import time

import pytest

from tiltyard.records import Timeline
from tiltyard.servers.framing import Unframed, unframe_plain
from tiltyard.servers.stream import arrival_times, ndjson, sse, unterminated


def data_of(body: bytes) -> list[bytes]:
    return [event.data for event in sse(body) if not event.comment]


def test_plain_events_and_their_ends():
    body = b'data: {"a":1}\n\ndata: [DONE]\n\n'
    assert [(e.end, e.data) for e in sse(body)] == [(15, b'{"a":1}'), (29, b"[DONE]")]
    assert not unterminated(body)


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending(line_break):
    body = b"event: x\ndata: 1\n\n: ping\n\ndata:2\ndata: 3\nid: 7\nretry: 5\n\n".replace(b"\n", line_break)
    events = sse(body)
    assert [(e.name, e.data, e.comment) for e in events] == [
        ("x", b"1", False),
        ("", b"ping", True),
        ("", b"2\n3", False),
    ]
    assert events[-1].end == len(body)


@pytest.mark.parametrize("strange", ["\u2028", "\u0085", "\x0b", "\x0c", "\u2029"])
def test_only_real_line_breaks_split(strange):
    payload = f'{{"c":"a{strange}b"}}'.encode()
    assert data_of(b"data: " + payload + b"\n\n") == [payload]
    assert data_of(b"data: " + payload + b"\r\n\r\n") == [payload]
    assert [line.data for line in ndjson(payload + b"\n" + payload + b"\n")] == [payload, payload]
    assert [line.data for line in ndjson(payload + b"\r\n" + payload)] == [payload, payload]


def test_byte_order_mark_fields_without_colon_and_empty_events():
    assert data_of(b"\xef\xbb\xbfdata: 1\n\n") == [b"1"]
    assert data_of(b"data\n\n") == [b""]
    assert data_of(b"event: only\n\n\n\nunknown: 1\n\ndata: 2\n\n") == [b"2"]
    assert data_of(b"data:  two spaces\n\n") == [b" two spaces"]


@pytest.mark.parametrize(
    ("body", "kept", "cut"),
    [
        (b"data: 1\n\ndata: 2", 1, True),
        (b"data: 1\n\ndata: 2\n", 1, True),
        (b"data: 1\r\n\r\ndata: 2\r\n", 1, True),
        (b"data: 1\n\ndata: 2\n\n", 2, False),
        (b"data: 1\n\n: ping\n", 1, False),
        (b"", 0, False),
    ],
)
def test_an_unterminated_last_event_is_dropped(body, kept, cut):
    assert len(data_of(body)) == kept
    assert unterminated(body) is cut


def test_a_line_without_a_break_counts_in_ndjson():
    assert [line.data for line in ndjson(b'{"a":1}\n\n {"b":2}')] == [b'{"a":1}', b'{"b":2}']
    assert [line.end for line in ndjson(b'{"a":1}\n{"b":2}')] == [8, 15]
    assert unterminated(b'{"a":1}\n{"b":2}')


def test_ten_megabytes_without_a_newline_are_quick():
    body = b"data: " + b"x" * 10_000_000
    start = time.thread_time()  # what others do on this machine does not count
    assert sse(body) == []
    assert len(sse(body + b"\n\n")) == 1
    assert len(ndjson(body)) == 1
    assert time.thread_time() - start < 5  # minutes if it were quadratic


def line_of(times: list[int], ends: list[int]) -> Timeline:
    return Timeline(
        scheduled_ns=0, started_ns=0, arrivals_ns=tuple(times), arrivals_end=tuple(ends), closed_ns=99
    )


def test_an_event_arrives_with_its_last_byte():
    line = line_of([10, 20, 30], [4, 10, 25])
    assert arrival_times([4, 5, 10, 11, 25], line) == [10, 20, 20, 30, 30]
    assert arrival_times([4, 10, 25], line) == [10, 20, 30]
    assert arrival_times([4, 4, 25], line_of([10, 90], [4, 25])) == [10, 10, 90]  # two events of one chunk
    assert arrival_times([], line) == []
    assert arrival_times([3], line_of([], [])) == [99]
    many = list(range(1, 101))
    few = line_of([7, 9], [50, 100])
    assert arrival_times(many, few) == [7] * 50 + [9] * 50


def test_arrival_times_agree_whichever_way_is_taken():
    ends = list(range(3, 400, 3))
    for step in (1, 2, 5, 40, 200):
        reads = [*range(step, 400, step), 400]
        line = line_of([r * 10 for r in reads], reads)
        assert arrival_times(ends, line) == [next(r for r in reads if r >= e) * 10 for e in ends]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"3\r\nabc\r\n",
        b"4\r\nabc\r\n0\r\n\r\n",
        b"x\r\nabc\r\n0\r\n\r\n",
        b"5\r\na\r\nbc\r\n0\r\n\r\n",
        b"3;a=b\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\nmore",
        b"3\r\nabc\r\n0\r\nX: 1\r\n\r\n",
    ],
)
def test_the_quick_unframing_knows_what_it_cannot_do(raw):
    assert unframe_plain(raw) is None


def test_the_quick_unframing_of_an_empty_body():
    assert unframe_plain(b"0\r\n\r\n") == Unframed(b"", [], [])


def test_the_quick_unframing_maps_every_offset():
    raw = b"3\r\nabc\r\nb\r\n0123456789a\r\n0\r\n\r\n"
    result = unframe_plain(raw)
    assert result is not None
    assert result.body == b"abc0123456789a"
    seen = result.offsets(range(len(raw) + 1))
    assert seen[:9] == [0, 0, 0, 0, 1, 2, 3, 3, 3]
    assert seen[11:14] == [3, 4, 5]
    assert seen[-1] == 14
