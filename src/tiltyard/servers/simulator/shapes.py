"""How an answer looks on the wire: the shape every dialect fills in, and OpenAI's chat chunks.

A content event is `before + JSON text + after`, so that it costs one join, and fixed babble can be prepared
once for all requests (`Prepared`). No timing and no sockets here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tiltyard.servers.simulator.answer import Answer, Ask, Piece, babble

encode = msgspec.json.encode
_MARK = "\ue001"
_ID_MARK = "\ue002"


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


class Shape:
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

    def event(self, kind: str, text: str) -> bytes:
        """One event with content (c) or reasoning (r)."""
        raise NotImplementedError

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

    def ping(self) -> bytes:
        return b": ping\n\n"

    def loading(self, share: float, load_ns: int) -> bytes | None:
        """The news that this share (0..1) of a load of `load_ns` is done."""
        return None

    def progress(self, done: int, spent: Spent) -> bytes | None:
        """The news that so many of the fresh prompt tokens are done."""
        return None

    def closing(self, spent: Spent) -> list[bytes]:
        """Everything after the last token; the last of them ends the stream where that is told."""
        raise NotImplementedError

    def error(self, form: str) -> list[bytes]:
        """An error inside the stream; an empty list: the connection just closes."""
        message = "simulated failure"
        sse = {
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
        events = [b"data: " + encode(sse.get(form, sse["openai"])) + b"\n\n"]
        return [*events, b"data: [DONE]\n\n"] if form == "vllm" else events

    def whole(self, spent: Spent) -> bytes:
        """The answer to a request without streaming."""
        raise NotImplementedError


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


class OpenAIShape(Shape):
    """Chat completion chunks. Subclasses of this one level down are the dialects' variations."""

    key = "openai"
    has_choices = True
    id_prefix = "chatcmpl-"
    fingerprint: str | None = "fp_simulator"
    role_style = "empty"  # null | empty | first (in the first delta) | always (in every delta)
    reasoning_field = "reasoning_content"
    cached_details = True

    def __init__(self, ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        field = ask.faults.get("reasoning")
        self.field = (
            field if field in ("reasoning_content", "reasoning", "thinking") else self.reasoning_field
        )
        self.started = False
        self.variable = bool(ask.options & {"continuous_usage", "timings_per_token"})
        self.text_only = "text" in ask.options

    # ---- one chunk

    def chunk(self, choices: list[Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        out: dict[str, Any] = {
            "id": self.id_prefix + self.stamp,
            "object": "text_completion" if self.text_only else "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
        }
        if self.fingerprint is not None:
            out["system_fingerprint"] = self.fingerprint
        out["choices"] = choices
        return {**out, **extra} if extra else out

    def choice(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        if self.text_only:
            return {"index": 0, "text": delta.get("content") or "", "logprobs": None, "finish_reason": finish}
        if self.role_style == "always":
            delta = {"role": "assistant", **delta}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

    def sse(self, value: Any) -> bytes:
        return b"data: " + encode(value) + b"\n\n"

    def event(self, kind: str, text: str) -> bytes:
        return self.sse(self.chunk([self.choice({self.field if kind == "r" else "content": text})]))

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        delta: dict[str, Any]
        if "empty_200" in self.faults:
            return self.sse(self.chunk([]))
        if piece.kind == "t":
            delta = {"tool_calls": [self.tool_delta(piece)]}
            return self.sse(self.chunk([self.choice(delta)], self.each(spent)))
        if self.variable:
            delta = {self.field if piece.kind == "r" else "content": piece.text}
            return self.sse(self.chunk([self.choice(delta)], self.each(spent)))
        return super().piece(piece, spent)

    def each(self, spent: Spent) -> Mapping[str, Any] | None:
        """What every chunk carries beside the text."""
        return {"usage": self.usage(spent)} if "continuous_usage" in self.ask.options else None

    def tool_delta(self, piece: Piece) -> dict[str, Any]:
        call = self.answer.calls[piece.call]
        first = (piece.tokens and not piece.text) or self.whole_calls
        function: dict[str, Any] = {"arguments": piece.text}
        if self.faults.get("tool_arguments") == "object":
            function = {"arguments": call.arguments} if first else {"arguments": {}}
        out: dict[str, Any] = {"index": piece.call}
        if first:
            out |= {"id": "call_" + call.id, "type": "function"}
            function = {"name": call.name, **function}
        elif "tool_name" in self.faults:
            function = {"name": "" if self.faults["tool_name"] == "empty" else call.name, **function}
        out["function"] = function
        how = self.faults.get("tool_index", "")
        if how == "zero":
            out["index"] = 0
        elif how == "repeated":
            out["index"] = piece.call // 2
        elif "tool_index" in self.faults:
            del out["index"]
        return out

    def role(self) -> bytes | None:
        if self.text_only or "empty_200" in self.faults or self.role_style in ("first", "always"):
            return None
        content = None if self.role_style == "null" else ""
        return self.sse(
            self.chunk(
                [self.choice({"role": "assistant", "content": content})],
                self.each(Spent(prompt=len(self.ask.prompt))),
            )
        )

    def empty(self) -> bytes:
        delta = {"role": "assistant", "content": ""} if self.role_style == "first" else {"content": ""}
        return self.sse(self.chunk([self.choice(delta)]))

    def odd(self) -> bytes | None:
        return self.sse(self.chunk([{}]))

    # ---- the end

    def usage(self, spent: Spent) -> dict[str, Any]:
        out: dict[str, Any] = {
            "prompt_tokens": spent.prompt,
            "completion_tokens": spent.output,
            "total_tokens": spent.prompt + spent.output,
        }
        if self.cached_details:
            out["prompt_tokens_details"] = {"cached_tokens": spent.cached}
        if self.answer.reasoning:
            out["completion_tokens_details"] = {
                "reasoning_tokens": min(spent.output, len(self.answer.reasoning))
            }
        return out

    def closing(self, spent: Spent) -> list[bytes]:
        where = self.faults.get("usage") or ("trailing" if self.ask.usage else "none")
        usage = {"usage": self.usage(spent)}
        last = self.chunk(self.last_choices(), usage if where == "finish" else None)
        chunks = [last]
        if where == "trailing":
            chunks.append(self.chunk([], usage))
        chunks[-1] = {**chunks[-1], **self.extras(spent)}
        return [*map(self.sse, chunks), b"data: [DONE]\n\n"]

    def last_choices(self) -> list[Any]:
        """The choices of the chunk that finishes."""
        if "empty_200" in self.faults:
            return []
        return [self.choice({}, None if "done_no_reason" in self.faults else self.answer.finish)]

    def extras(self, spent: Spent) -> Mapping[str, Any]:
        """What the last chunk and the whole answer carry beside OpenAI's fields."""
        return {}

    def message(self) -> dict[str, Any]:
        answer = self.answer
        out: dict[str, Any] = {"role": "assistant", "content": answer.text if not answer.calls else None}
        if answer.reasoning:
            out[self.field] = answer.reasoning_text
        if answer.calls:
            as_object = self.faults.get("tool_arguments") == "object"
            out["tool_calls"] = [
                {
                    "id": "call_" + call.id,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": call.arguments if as_object else encode(call.arguments).decode(),
                    },
                }
                for call in answer.calls
            ]
        return out

    def whole(self, spent: Spent) -> bytes:
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.answer.finish, "logprobs": None}
        if self.text_only:
            choice["text"] = self.answer.text
        else:
            choice["message"] = self.message()
        out = self.chunk([choice]) | {"usage": self.usage(spent), **self.extras(spent)}
        if not self.text_only:
            out["object"] = "chat.completion"
        return encode(out)
