"""One HTTP/1.x answer while it arrives: the bytes, a stamp per read, and the knowledge of where it ends.

Nothing is interpreted here beyond that: no JSON, no events. Sockets and timers are in `pool.py`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Final

from tiltyard.servers.framing import ChunkWalk, FramingError, Unframed, ends_in_a_chunk, unframe_plain

HEAD: Final = 0
LENGTH: Final = 1
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3

MAX_HEAD_BYTES = 65536
TOO_LARGE = "the answer is too large to be one of a model server"
# Words, a call, an end or an error, in any dialect's JSON: before these, roles and pings are all that came.
_SPOKEN = re.compile(
    rb'"(?:content|reasoning|reasoning_content|thinking|text|refusal|arguments|finish_reason)"\s*:\s*"[^"]'
    rb'|"tool_calls"\s*:\s*\[\s*\{|"done"\s*:\s*true|"error"\s*:\s*["{]|\[DONE\]'
)


class AnswerError(ValueError):
    """What came is not an HTTP answer; the text is one clean line."""


class Answer:
    """Grows by `add`; `status`, `headers` and `body` are there once `phase` says so."""

    __slots__ = (
        "_judged_by_end",
        "_limit",
        "_start",
        "_walk",
        "cut_short",
        "ends",
        "eof_ns",
        "head_read",
        "headers",
        "http10",
        "phase",
        "raw",
        "sent_ns",
        "stamps",
        "status",
    )

    def __init__(self) -> None:
        self.sent_ns = 0  # the request's first byte was handed to the kernel
        self.eof_ns: int | None = None  # the other side closed, or we gave up
        self.raw = bytearray()
        self.stamps: list[int | bytes] = []  # the kernel's timespec, or our own ns
        self.ends: list[int] = []  # len(raw) after each read
        self.phase = HEAD
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.http10 = False
        self.head_read: int | None = None  # index of the read that completed the head
        self._start = 0  # of the head, then of the body
        self._limit = 0  # where a body of known length ends
        self._walk: ChunkWalk | None = None
        self._judged_by_end = False
        self.cut_short = False  # `body` found that the end was none after all

    def add(self, data: memoryview | bytes, stamp: int | bytes) -> bool:
        """Take in one read; True when the answer may be complete: `complete` tells. Raises AnswerError."""
        raw = self.raw
        raw += data
        self.stamps.append(stamp)
        self.ends.append(len(raw))
        phase = self.phase
        if phase == CHUNKED:
            return raw.endswith(b"\r\n\r\n")
        if phase == LENGTH:
            return len(raw) >= self._limit
        if phase == HEAD:
            return self._head()
        return False

    def complete(self) -> bool:
        """Whether it really is; this looks at the whole body once. Raises AnswerError."""
        if self.phase == CHUNKED:
            return self._chunks_complete()
        return self.phase == LENGTH and len(self.raw) >= self._limit

    def recheck(self) -> bool:
        """Look for the end again, thoroughly: bytes after the terminator hide it from `add`."""
        return self.phase == CHUNKED and self._walk_on()

    def close(self) -> bool:
        """The connection ended; True when the body is complete by that."""
        if self.phase == UNTIL_CLOSE:
            return True
        if self.phase == LENGTH:
            return self.complete()  # nobody has looked yet
        return self.phase == CHUNKED and self._walk_on()

    @property
    def has_body_bytes(self) -> bool:
        return self.phase != HEAD and len(self.raw) > self._start

    @property
    def has_spoken(self) -> bool:
        """Whether anything of the answer itself came. This reads all bytes: ask it only when it matters."""
        return has_spoken(self.raw, self._start)

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another request after this complete answer."""
        if self.phase not in (LENGTH, CHUNKED):
            return False
        connection = self.headers.get("connection", "").lower()
        if "close" in connection or (self.http10 and "keep-alive" not in connection):
            return False
        if self.phase == CHUNKED and self.headers.get("server") == "llama.cpp":
            return False  # it closes after a stream without a word, and its Keep-Alive says the opposite
        if self.phase == LENGTH:
            return len(self.raw) == self._limit
        return self._judged_by_end or (self._walk is not None and self._walk.end == len(self.raw))

    # -------------------------------------------------------------- the head

    def _head(self) -> bool:
        raw = self.raw
        while True:
            if len(raw) >= self._start + 5 and not raw.startswith(b"HTTP/", self._start):
                raise AnswerError("what answers there does not speak HTTP")
            end = raw.find(b"\r\n\r\n", self._start)
            if end < 0 and raw.find(b"\n\n", self._start) >= 0:
                raise AnswerError("the answer's headers are not valid HTTP")
            if (end if end >= 0 else len(raw)) - self._start > MAX_HEAD_BYTES:
                raise AnswerError(f"the answer's headers are larger than {MAX_HEAD_BYTES // 1024} KiB")
            if end < 0:
                return False
            self._parse_head(bytes(raw[self._start : end]))
            self._start = end + 4
            if self.status is None or self.status >= 200 or self.status == 101:
                break
        self.head_read = len(self.ends) - 1
        return self._begin_body()

    def _parse_head(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        first = lines[0].split(None, 2)
        if len(first) < 2 or not first[1].isdigit() or len(first[1]) != 3:
            raise AnswerError("the answer's status line is not valid HTTP")
        self.http10 = first[0] == b"HTTP/1.0"
        self.status = int(first[1])
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if colon:
                key = name.strip().decode("latin-1").lower()
                text = value.strip().decode("latin-1")
                headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.headers = headers

    def _begin_body(self) -> bool:
        headers, status = self.headers, self.status
        if status in (204, 304):
            self._limit = self._start
            self.phase = LENGTH
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._walk = ChunkWalk(self._start)
            self.phase = CHUNKED
            return self.raw.endswith(b"\r\n\r\n", self._start)
        elif "content-length" in headers:
            length = headers["content-length"].split(",")[0].strip()
            if not length.isdigit():
                raise AnswerError("the answer's Content-Length is not a number")
            self._limit = self._start + int(length)
            self.phase = LENGTH
        else:
            self.phase = UNTIL_CLOSE
            return False
        return len(self.raw) >= self._limit

    # -------------------------------------------------------------- the end of a chunked body

    def _chunks_complete(self) -> bool:
        raw, walk = self.raw, self._walk
        if walk is None or self._judged_by_end:
            return True
        if walk.position == self._start and ends_in_a_chunk(raw, self._start):
            self._judged_by_end = True
            return True
        return self._walk_on()

    def _walk_on(self) -> bool:
        if self._walk is None or self._judged_by_end:
            return True
        try:
            return self._walk.advance(self.raw)
        except FramingError as error:
            raise AnswerError(f"the answer is not valid HTTP: {error}") from None

    # -------------------------------------------------------------- what it held

    def body(self) -> tuple[bytes, list[int]]:
        """The body without framing, and the body bytes received by each read (0 for reads before it)."""
        start = self._start
        if self.phase == HEAD:
            return b"", [0] * len(self.ends)
        if self.phase != CHUNKED:
            limit = self._limit if self.phase == LENGTH else len(self.raw)
            body = bytes(memoryview(self.raw)[start:limit])
            size = len(body)
            return body, [min(max(end - start, 0), size) for end in self.ends]
        unframed = None
        if self._judged_by_end:
            unframed = unframe_plain(bytes(memoryview(self.raw)[start:]), start)
        if unframed is None:
            unframed = self._walked()
        return unframed.body, unframed.offsets(self.ends)

    def _walked(self) -> Unframed:
        assert self._walk is not None
        try:
            self.cut_short = not self._walk.advance(self.raw)
            return self._walk.unframed(self.raw)
        except FramingError:
            self.cut_short = True
            return self._walk.unframed(self.raw[: self._walk.position])


class BoundedAnswer(Answer):
    """One that is broken off where it grows too large."""

    __slots__ = ("largest",)

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest  # bytes, head and framing included

    def add(self, data: memoryview | bytes, stamp: int | bytes) -> bool:
        may_be_complete = super().add(data, stamp)
        if len(self.raw) > self.largest:
            raise AnswerError(TOO_LARGE)
        return may_be_complete


def has_spoken(body: bytes | bytearray, start: int = 0) -> bool:
    """Whether a body holds anything of the answer itself, and not only what servers send ahead of it."""
    return _SPOKEN.search(body, start) is not None


def decoded(body: bytes, ends: list[int], encoding: str) -> tuple[bytes, list[int]] | None:
    """Body and ends with the Content-Encoding undone read by read; None when it is unknown or broken."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body, ends
    for bits in {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}.get(encoding, ()):
        inflate = zlib.decompressobj(bits)
        out = bytearray()
        out_ends = []
        done = 0
        try:
            for end in ends:
                out += inflate.decompress(body[done:end])
                done = end
                out_ends.append(len(out))
        except zlib.error:
            continue
        return bytes(out), out_ends
    return None
