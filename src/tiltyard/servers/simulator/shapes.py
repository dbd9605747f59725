"""How an answer looks on the wire: the shape that every dialect fills in, and its prepared bytes.

A content event is `before + JSON text + after`, so that it costs one join, and fixed babble can be prepared
once for all requests (`Prepared`). No timing and no sockets here.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import msgspec

from tiltyard.servers.simulator.answer import Answer, Ask, Piece, babble

encode = msgspec.json.encode
_MARK = "\ue001"


class Spent(msgspec.Struct):
    """What the server knows about the time and tokens of one request; ns."""

    cached: int = 0
    prompt: int = 0
    output: int = 0  # sent so far
    queue_ns: int = 0
    load_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    total_ns: int = 0

    @property
    def fresh(self) -> int:
        return self.prompt - self.cached


class Affix(NamedTuple):
    before: bytes
    after: bytes


class Shape(ABC):
    """The base of all shapes. `stamp` is the id of the answer, all that differs between requests."""

    content_type = "text/event-stream"
    whole_calls = False
    has_choices = False
    role_early = False  # the role chunk leaves at the first engine step, as vLLM's does
    key = ""
    error_form = "openai"

    def __init__(self, ask: Ask, answer: Answer) -> None:
        self.ask = ask
        self.answer = answer
        self.faults = ask.faults
        self.created = int(time.time())
        self.stamp = f"{random.Random(f'{ask.seed}|{ask.number}').getrandbits(128):032x}"
        name = ask.faults.get("wrong_model") or "another-model"
        self.model = name if "wrong_model" in ask.faults else ask.served
        self.variable = False  # events carry more than text: they cannot be prepared
        self._affixes: dict[str, Affix] = {}

    def affix(self, kind: str) -> Affix:
        known = self._affixes.get(kind)
        if known is None:
            before, after = self.event(kind, _MARK).split(encode(_MARK))
            known = self._affixes[kind] = Affix(before, after)
        return known

    @abstractmethod
    def event(self, kind: str, text: str) -> bytes:
        """One event with content (c) or reasoning (r)."""

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        before, after = self.affix(piece.kind)
        return before + encode(piece.text) + after

    def greeting(self) -> bytes | None:
        """An event that leaves as soon as the request is taken up."""
        return None

    def role(self) -> bytes | None:
        """An event that only opens the answer."""
        return None

    def opening(self) -> list[bytes]:
        """Events that go out together with the first token."""
        role = self.role()
        return [role] if role is not None else []

    def empty(self) -> bytes:
        return self.event("c", "")

    def odd(self) -> bytes | None:
        return None

    def sse(self, value: Any) -> bytes:
        return b"data: " + encode(value) + b"\n\n"

    def ping(self) -> bytes:
        return b": ping\n\n"

    def loading(self, share: float, load_ns: int) -> bytes | None:
        """The news that this share (0..1) of a load of `load_ns` is done."""
        return None

    def progress(self, done: int, spent: Spent) -> bytes | None:
        """The news that so many of the fresh prompt tokens are done."""
        return None

    @abstractmethod
    def closing(self, spent: Spent) -> list[bytes]:
        """Everything after the last token; the last of them ends the stream where that is told."""

    def error(self, form: str) -> list[bytes]:
        """An error inside the stream; an empty list: the connection just closes."""
        message = "simulated failure"
        errors = {
            "llamacpp": {"error": {"code": 500, "message": message, "type": "server_error"}},
            "vllm": {
                "error": {"message": message, "type": "InternalServerError", "param": None, "code": 500}
            },
            "openai": {"error": {"message": message, "type": "server_error", "param": None, "code": None}},
        }
        if form in ("mlx", "close"):
            return []
        if form == "ollama":
            return [encode({"error": message}) + b"\n"]
        events = [self.sse(errors.get(form, errors["openai"]))]
        return [*events, b"data: [DONE]\n\n"] if form == "vllm" else events

    @abstractmethod
    def whole(self, spent: Spent) -> bytes:
        """The answer to a request without streaming."""


class Prepared:
    """The framed events of fixed babble for one shape, with a mark where the id of the answer goes."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str, int, int], tuple[bytes, list[int]]] = {}

    def events(
        self, shape: Shape, kind: str, variant: int, length: int, how: tuple[int, bool]
    ) -> tuple[bytes, list[int]]:
        """Events of `how[0]` tokens each for `length` tokens, framed if `how[1]`, and where each ends."""
        per, framed = how
        key = (f"{shape.key}|{shape.model}|{framed}", kind, variant, per)
        blob, ends = self._tracks.get(key, (b"", []))
        wanted = length // per
        mark = _mark(len(shape.stamp))
        if len(ends) < wanted:
            blob, ends = self._render(shape, kind, variant, (max(128, 2 * wanted) * per, per, framed), mark)
            if len(self._tracks) >= 64:
                self._tracks.clear()
            self._tracks[key] = (blob, ends)
        cut = blob[: ends[wanted - 1]] if wanted else b""
        return cut.replace(mark, shape.stamp.encode()), ends[:wanted]

    def _render(
        self, shape: Shape, kind: str, variant: int, how: tuple[int, int, bool], mark: bytes
    ) -> tuple[bytes, list[int]]:
        length, per, framed = how
        words = babble(variant, length)
        affix = shape.affix(kind)
        stamp = shape.stamp.encode()
        before, after = affix.before.replace(stamp, mark), affix.after.replace(stamp, mark)
        parts, ends, at = [], [], 0
        for start in range(0, length, per):
            event = before + encode("".join(words[start : start + per])) + after
            part = b"%x\r\n%b\r\n" % (len(event), event) if framed else event
            parts.append(part)
            at += len(part)
            ends.append(at)
        return b"".join(parts), ends


def _mark(length: int) -> bytes:
    return (b"<stamp>" * 8)[:length]
