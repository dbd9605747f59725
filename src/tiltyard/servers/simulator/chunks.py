"""OpenAI's chat chunks, and what tells the dialects that speak them apart.

A dialect is a `Flavour`: a value, with functions where a value does not do. No subclass is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tiltyard.servers.simulator.answer import Answer, Ask, Piece
from tiltyard.servers.simulator.guesses import guesses, whole_text
from tiltyard.servers.simulator.shapes import Shape, Spent, encode


def _nothing(shape: OpenAIShape, spent: Spent) -> Mapping[str, Any]:
    return {}


class Flavour(NamedTuple):
    """One dialect's way of writing chat chunks."""

    key: str
    fingerprint: str | None = None
    # the role: in a chunk of its own with null or empty content, or in each delta (that is not empty)
    role: Literal["null", "empty", "each", "always"] = "empty"
    reasoning: str = "reasoning_content"
    cached_details: bool = True
    whole_calls: bool = False
    role_early: bool = False
    error_form: str = "openai"
    choices_first: bool = False  # llama-server's order of keys, without logprobs
    ping: bytes = b": ping\n\n"
    extras: Callable[[OpenAIShape, Spent], Mapping[str, Any]] = _nothing  # on the last chunk
    each: Callable[[OpenAIShape, Spent], Mapping[str, Any]] | None = None  # on every chunk
    progress: Callable[[OpenAIShape, int, Spent], bytes | None] | None = None
    closing: Callable[[OpenAIShape, Spent], list[bytes]] | None = None
    hides_errors: bool = False  # an error inside the stream becomes an empty chunk of no model, the last


class OpenAIShape(Shape):
    """Chat completion chunks of one flavour."""

    has_choices = True

    def __init__(self, flavour: Flavour, ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        self.flavour = flavour
        self.key = flavour.key
        self.whole_calls = flavour.whole_calls
        self.role_early = flavour.role_early
        self.error_form = flavour.error_form
        field = ask.faults.get("reasoning")
        self.field = field if field in ("reasoning_content", "reasoning", "thinking") else flavour.reasoning
        self.variable = (
            bool(ask.options & {"continuous_usage", "timings_per_token"}) or ask.logprobs is not None
        )
        self.text_only = "text" in ask.options

    # ---- one chunk

    def chunk(self, choices: list[Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        kind = "text_completion" if self.text_only else "chat.completion.chunk"
        out: dict[str, Any] = {
            "id": "chatcmpl-" + self.stamp,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }
        if self.flavour.fingerprint is not None:
            out["system_fingerprint"] = self.flavour.fingerprint
        out = {"choices": choices, **out} if self.flavour.choices_first else {**out, "choices": choices}
        return {**out, **extra} if extra else out

    def choice(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        if self.text_only:
            return {"index": 0, "text": delta.get("content") or "", "logprobs": None, "finish_reason": finish}
        if self.flavour.role == "always" or (self.flavour.role == "each" and delta):
            delta = {"role": "assistant", **delta}
        if self.flavour.choices_first:
            return {"finish_reason": finish, "index": 0, "delta": delta}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

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
            choice = self.choice(delta)
            if self.ask.logprobs is not None:
                known = guesses(piece.text, self.ask.logprobs, self.ask.model.confidence)
                choice["logprobs"] = {"content": known}
            return self.sse(self.chunk([choice], self.each(spent)))
        return super().piece(piece, spent)

    def each(self, spent: Spent) -> Mapping[str, Any] | None:
        """What every chunk carries beside the text."""
        if self.flavour.each is not None:
            return self.flavour.each(self, spent)
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
        if self.text_only or "empty_200" in self.faults or self.flavour.role in ("each", "always"):
            return None
        content = None if self.flavour.role == "null" else ""
        return self.sse(
            self.chunk(
                [self.choice({"role": "assistant", "content": content})],
                self.each(Spent(prompt=len(self.ask.prompt))),
            )
        )

    def empty(self) -> bytes:
        return self.sse(self.chunk([self.choice({"content": ""})]))

    def odd(self) -> bytes | None:
        return self.sse(self.chunk([{}]))

    # ---- the end

    def usage(self, spent: Spent) -> dict[str, Any]:
        out: dict[str, Any] = {
            "prompt_tokens": spent.prompt,
            "completion_tokens": spent.output,
            "total_tokens": spent.prompt + spent.output,
        }
        if self.flavour.cached_details:
            out["prompt_tokens_details"] = {"cached_tokens": spent.cached}
        if self.answer.reasoning:
            out["completion_tokens_details"] = {
                "reasoning_tokens": min(spent.output, len(self.answer.reasoning))
            }
        return out

    def ping(self) -> bytes:
        return self.flavour.ping

    def progress(self, done: int, spent: Spent) -> bytes | None:
        return self.flavour.progress(self, done, spent) if self.flavour.progress is not None else None

    def error(self, form: str) -> list[bytes]:
        if self.flavour.hides_errors and form == self.error_form:
            return [self.sse({**self.chunk([self.choice({"content": ""})]), "model": ""})]
        return super().error(form)

    def closing(self, spent: Spent) -> list[bytes]:
        if self.flavour.closing is not None:
            return self.flavour.closing(self, spent)
        return self.plain_closing(spent)

    def plain_closing(self, spent: Spent) -> list[bytes]:
        """OpenAI's own end: finish, usage where asked for, [DONE]."""
        where = self.faults.get("usage") or ("trailing" if self.ask.usage else "none")
        usage = {"usage": self.usage(spent)}
        last = self.chunk(self.last_choices(), usage if where == "finish" else None)
        chunks = [last]
        if where == "trailing":
            chunks.append(self.chunk([], usage))
        chunks[-1] = {**chunks[-1], **self.flavour.extras(self, spent)}
        return [*map(self.sse, chunks), b"data: [DONE]\n\n"]

    def last_choices(self) -> list[Any]:
        """The choices of the chunk that finishes."""
        if "empty_200" in self.faults:
            return []
        return [self.choice({}, None if "done_no_reason" in self.faults else self.answer.finish)]

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
        if self.ask.logprobs is not None:
            said = whole_text(self.answer.content, self.ask.logprobs, self.ask.model.confidence)
            choice["logprobs"] = {"content": said}
        out = self.chunk([choice]) | {"usage": self.usage(spent), **self.flavour.extras(self, spent)}
        if not self.text_only:
            out["object"] = "chat.completion"
        return encode(out)
