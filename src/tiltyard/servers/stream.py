"""Events out of a finished body: server-sent events and lines of JSON, decoded by bytes.

Lines end at CRLF, LF and CR and nowhere else: U+2028, U+0085 and vertical tab are text. What an event
means is not known here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from tiltyard.records import PAYLOAD, Capture, Ending, Timeline
from tiltyard.servers.notes import CLOSED_ROUGHLY, LEFT_OPEN

BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event or comment. `end` is the offset one past its last byte, blank line included."""

    end: int
    name: str
    data: bytes
    comment: bool


class Line(NamedTuple):
    """One line of NDJSON; `end` is the offset one past its line break."""

    end: int
    data: bytes


def plain_payloads(body: bytes) -> list[bytes] | None:
    """The payloads of a body in which every event is the single line `data: ...` and LF ends lines.

    None when anything is unusual: then `sse` must decode it.
    """
    if not body.startswith(b"data: ") or not body.endswith(b"\n\n") or b"\r" in body:
        return None
    payloads = body[6:-2].split(b"\n\ndata: ")
    return None if b"\n" in b"".join(payloads) else payloads


def plain_ends(payloads: Sequence[bytes]) -> list[int]:
    """Where each event of `plain_payloads` ends in its body."""
    return list(accumulate([len(p) + 8 for p in payloads]))


def sse(body: bytes) -> list[SseEvent]:
    """Every dispatched event and every comment, in order; an unterminated last event is dropped."""
    plain = plain_payloads(body)
    if plain is not None:
        return [SseEvent(e, "", d, False) for e, d in zip(plain_ends(plain), plain, strict=True)]
    events: list[SseEvent] = []
    data: list[bytes] = []
    name = ""
    for end, line in _lines(body):
        if not line:
            if data:
                events.append(SseEvent(end, name, b"\n".join(data), False))
            data, name = [], ""
        elif line.startswith(b":"):
            events.append(SseEvent(end, "", line[1:].removeprefix(b" "), True))
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"error":  # older llama.cpp
                data.append(value)
                name = "error"
            elif field == b"event":
                name = value.decode("utf-8", "replace")
    return events


def ndjson(body: bytes) -> list[Line]:
    """Every non-empty line; one without a line break at the end counts (see `unterminated`)."""
    lines = [Line(end, line.strip(b" \t")) for end, line in _lines(body) if line.strip(b" \t")]
    rest = _rest(body)
    if rest.strip(b" \t"):
        lines.append(Line(len(body), rest.strip(b" \t")))
    return lines


def unterminated(body: bytes) -> bool:
    """Whether the body stops inside an event or line instead of after one."""
    if not body:
        return False
    if body[-1:] not in (b"\n", b"\r"):
        return True
    blank = max(body.rfind(b"\n\n"), body.rfind(b"\r\r"), body.rfind(b"\r\n\r\n"), 0)
    return any(line.startswith(b"data") for line in body[blank:].splitlines())  # an SSE event left open


def lost_words(unread: Sequence[bytes], kinds: Iterable[str]) -> bool:
    """May words be lost with what could not be read before the end? With a broken object, yes; with anything
    else, which may be a sign of life, only where no words came beside it.
    """
    return any(data.startswith(b"{") for data in unread) or (
        any(unread) and not any(kind in PAYLOAD for kind in kinds)
    )


def _lines(body: bytes) -> list[tuple[int, bytes]]:
    """(offset one past the break, line) of every line that has a break."""
    start = 3 if body.startswith(BOM) else 0
    if b"\r" not in body:
        parts = body[start:].split(b"\n")
        ends = accumulate([len(p) + 1 for p in parts[:-1]], initial=start)
        next(ends)
        return list(zip(ends, parts, strict=False))
    out: list[tuple[int, bytes]] = []
    position = start
    for part in body[start:].splitlines(keepends=True):  # bytes split at \n, \r and \r\n only
        position += len(part)
        line = part.rstrip(b"\r\n")
        if len(line) != len(part):
            out.append((position, line))
    return out


def _rest(body: bytes) -> bytes:
    """What follows the last line break."""
    cut = max(body.rfind(b"\n"), body.rfind(b"\r")) + 1
    return body[cut:] if cut else body.removeprefix(BOM)


def arrival_times(ends: Sequence[int], timeline: Timeline) -> list[int]:
    """When the read that completed each byte offset arrived (ns), for offsets in rising order; linear."""
    reads, times = timeline.arrivals_end, timeline.arrivals_ns
    if not reads:
        return [timeline.closed_ns or timeline.sent_ns or timeline.started_ns] * len(ends)
    alone = min(len(ends), len(reads) - 1)
    rest = ends[alone:]  # what came with the last read, all of it beyond the one before
    own = not rest or (reads[alone] >= rest[-1] and (not alone or rest[0] > reads[alone - 1]))
    if own and tuple(ends[:alone]) == reads[:alone]:
        return [*times[:alone], *[times[alone]] * (len(ends) - alone)]  # a read each, the last had the rest
    if len(reads) * 8 < len(ends):
        return _few_reads(ends, reads, times)
    out: list[int] = []
    last = len(reads) - 1
    i = 0
    for end in ends:
        while i < last and reads[i] < end:
            i += 1
        out.append(times[i])
    return out


def _few_reads(ends: Sequence[int], reads: Sequence[int], times: Sequence[int]) -> list[int]:
    out: list[int] = []
    done = 0
    for read, t in zip(reads, times, strict=True):
        upto = bisect_left(ends, read + 1, done)
        if upto > done:
            out.extend([t] * (upto - done))
            done = upto
    out.extend([times[-1]] * (len(ends) - done))
    return out


def after_the_end(ending: Ending, capture: Capture) -> list[str]:
    """The note on a connection that failed after an answer that ended well."""
    if ending != "ok" or capture.failure is None:
        return []
    return [LEFT_OPEN if capture.failure.startswith("timeout") else CLOSED_ROUGHLY]
