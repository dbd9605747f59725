"""The body of one streamed answer on its way out: framing, faults of form, stamps.

`put` collects events, `flush` makes them one write. Where the server keeps no time at all, flushes are merged
until the stream waits or 256 KiB have gathered, and the log says so (one entry with many tokens).
"""

from __future__ import annotations

import msgspec

from tiltyard.servers.simulator.connection import Connection, now_ns
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.truth import Entry

_MERGED = 262_144
_FORMS = frozenset({"crlf", "cr", "no_space", "multi_data", "bad_utf8"})
_CUTS = frozenset({"split_utf8", "shred"})
BAD = "\ue000"  # stands for bytes that are no UTF-8


class Stream:
    """One answer with a body of unknown length."""

    def __init__(self, connection: Connection, entry: Entry, faults: Faults, content_type: str) -> None:
        self.connection = connection
        self.entry = entry
        self.chunked = not connection.http10
        self.per_event = True  # one HTTP chunk per event
        self.merge = False  # coalesce writes
        self.sse = content_type.startswith("text/event-stream")
        self._faults = faults
        self._forms = _FORMS & faults.keys()
        self._cuts = _CUTS & faults.keys()
        extra = "Cache-Control: no-cache\r\n" if self.sse else ""
        self._head: bytes | None = connection.head(
            200, content_type, extra + ("Transfer-Encoding: chunked\r\n" if self.chunked else "")
        )
        self._parts: list[bytes] = []
        self._size = 0
        self._first = -1
        self._tokens = 0
        self.rest = b""  # what `split_utf8` holds back for a moment

    @property
    def prepared_ok(self) -> bool:
        """Whether events may be put in as prepared bytes."""
        return not self._forms and not self._cuts

    def frame(self, event: bytes) -> bytes:
        if self.chunked and self.per_event:
            return b"%x\r\n%b\r\n" % (len(event), event)
        return event

    def put(self, event: bytes) -> None:
        if self._forms:
            event = self._formed(event)
        self.put_framed(self.frame(event))

    def put_framed(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)

    def flush(self, first: int = -1, tokens: int = 0) -> None:
        """Send what was put; it holds `tokens` of the answer, the first is number `first` (from 0)."""
        if tokens:
            if not self._tokens:
                self._first = first
            self._tokens += tokens
        if not self.merge or self._size > _MERGED:
            self.settle()

    def open(self) -> None:
        """Send status and headers alone."""
        if self._head is not None:
            head, self._head = self._head, None
            self.entry.writes.extend((self.connection.write(head), -1, 0))

    def settle(self) -> None:
        """Really send."""
        if not self._parts:
            return
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self.chunked and not self.per_event:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._head is not None:
            if "bom" in self._faults:
                data = self.frame(b"\xef\xbb\xbf") + data
            data = self._head + data
            self._head = None
        first, tokens = self._first, self._tokens
        self._first, self._tokens = -1, 0
        stamp = self._cut(data) if self._cuts else self.connection.write(data)
        self.entry.writes.extend((stamp, first if tokens else -1, tokens))

    def end(self) -> None:
        """The body is complete."""
        self.settle()
        self.open()
        if self.chunked:
            self.connection.write(b"0\r\n\r\n")
        self.close_entry(True)
        self.connection.done()

    def end_now(self) -> None:
        """As `end`, the last events and the end of the body in one write."""
        if self.chunked and self._parts and self.per_event and not self._cuts:
            self._parts.append(b"0\r\n\r\n")
            self.settle()
            self.close_entry(True)
            self.connection.done()
        else:
            self.end()

    def break_off(self, reset: bool = False) -> None:
        """The connection ends in the middle of the body."""
        self.settle()
        self.close_entry(False)
        if reset:
            self.connection.reset()
        else:
            self.connection.transport.close()

    def close_entry(self, complete: bool) -> None:
        if self.entry.closed_ns is None:
            self.entry.closed_ns = now_ns()
            self.entry.complete = complete

    # ---- faults of form

    def _formed(self, event: bytes) -> bytes:
        if "bad_utf8" in self._forms:
            event = event.replace(BAD.encode(), b"\xff\xc3(")
        if self.sse and "multi_data" in self._forms and event.startswith(b"data: {"):
            pretty = msgspec.json.format(event[6:].strip(), indent=1)
            event = b"".join(b"data: " + line + b"\n" for line in pretty.split(b"\n")) + b"\n"
        if self.sse and "no_space" in self._forms:
            event = event.replace(b"data: ", b"data:")
        if "crlf" in self._forms:
            event = event.replace(b"\n", b"\r\n")
        elif self.sse and "cr" in self._forms:
            event = event.replace(b"\n", b"\r")
        return event

    def _cut(self, data: bytes) -> int:
        """Several TCP writes for what should be one; the stamp is that of the last."""
        if "shred" in self._faults:
            size = max(1, int(self._faults.number("shred", 7)))
            stamp = 0
            for at in range(0, len(data), size):
                stamp = self.connection.write(data[at : at + size])
            return stamp
        inside = next((at for at, byte in enumerate(data) if 0x80 <= byte < 0xC0), None)
        if inside is None:
            return self.connection.write(data)
        self.rest = data[inside:]
        return self.connection.write(data[:inside])

    def write_rest(self) -> None:
        """Send what was held back, and move the stamp: the event is complete only now."""
        rest, self.rest = self.rest, b""
        stamp = self.connection.write(rest)
        if self.entry.writes:
            self.entry.writes[-3] = stamp
