"""Ollama's answers on the wire: native NDJSON, and its OpenAI layer.

Durations are ns, and a figure that is zero is absent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tiltyard.servers.simulator.answer import Answer, Ask, Piece
from tiltyard.servers.simulator.chunks import Flavour
from tiltyard.servers.simulator.guesses import guesses
from tiltyard.servers.simulator.shapes import Shape, Spent, encode


def rfc3339(unix_ns: int) -> str:
    """Ollama's way of writing a time."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


class OllamaShape(Shape):
    content_type = "application/x-ndjson"
    whole_calls = True
    error_form = "ollama"

    def __init__(self, ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        self.generate = "generate" in ask.options
        self.variable = ask.logprobs is not None
        self.key = "ollama-generate" if self.generate else "ollama-chat"
        # The time stands in for the id: it is what differs between two answers.
        self.stamp = rfc3339(time.time_ns())

    def _line(self, value: Mapping[str, Any]) -> bytes:
        return encode({"model": self.model, "created_at": self.stamp, **value}) + b"\n"

    def _said(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if self.generate:
            out = {"response": message.get("content", "")}
            return out | ({"thinking": message["thinking"]} if "thinking" in message else {})
        return {"message": {"role": "assistant", "content": "", **message}}

    def event(self, kind: str, text: str) -> bytes:
        field = "thinking" if kind == "r" else "content"
        wanted = self.faults.get("reasoning")
        if kind == "r" and wanted in ("reasoning", "reasoning_content"):
            field = wanted
        return self._line({**self._said({field: text}), "done": False})

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        if piece.kind == "t":
            return self._line({**self._said({"tool_calls": [self._call(piece.call)]}), "done": False})
        if self.ask.logprobs is not None and piece.kind == "c":
            known = guesses(piece.text, self.ask.logprobs, self.ask.model.confidence)
            return self._line({**self._said({"content": piece.text}), "logprobs": known, "done": False})
        return super().piece(piece, spent)

    def _call(self, index: int) -> dict[str, Any]:
        call = self.answer.calls[index]
        as_string = self.faults.get("tool_arguments") == "string"
        how = self.faults.get("tool_index")
        function: dict[str, Any] = {
            "index": {"zero": 0, "repeated": index // 2}.get(how or "", index),
            "name": call.name,
            "arguments": encode(call.arguments).decode() if as_string else call.arguments,
        }
        if how == "missing":
            del function["index"]
        return {"id": "call_" + call.id[:8], "function": function}

    def ping(self) -> bytes:
        return b"\n"

    def odd(self) -> bytes | None:
        return self._line({"done": False})

    def _end(self, spent: Spent) -> dict[str, Any]:
        out: dict[str, Any] = {"done": True}
        if "done_no_reason" not in self.faults:
            out["done_reason"] = "stop" if self.answer.finish == "tool_calls" else self.answer.finish
        thought = min(spent.output, len(self.answer.reasoning)) if self.ask.schema is not None else 0
        figures = {
            "total_duration": spent.total_ns,
            "load_duration": spent.load_ns or 1_200_000,  # never zero, even when warm
            "prompt_eval_count": spent.prompt + thought,  # a format after thinking is a second completion ...
            "prompt_eval_duration": spent.prefill_ns,
            "eval_count": spent.output - thought,  # ... and these are its figures
            "eval_duration": spent.decode_ns * (spent.output - thought) // max(spent.output, 1),
        }
        if "zero_metrics" in self.faults:
            figures = {}
        if self.faults.get("usage") == "none":
            figures.pop("prompt_eval_count", None)
            figures.pop("eval_count", None)
        if self.generate and "raw" not in self.ask.options:
            out["context"] = [1, 2, 3]
        return out | {name: value for name, value in figures.items() if value}

    def closing(self, spent: Spent) -> list[bytes]:
        return [self._line({**self._said({}), **self._end(spent)})]

    def whole(self, spent: Spent) -> bytes:
        answer = self.answer
        message: dict[str, Any] = {"content": answer.text}
        if answer.reasoning:
            message["thinking"] = answer.reasoning_text
        if answer.calls:
            message["tool_calls"] = [self._call(index) for index in range(len(answer.calls))]
        return self._line({**self._said(message), **self._end(spent)})


# By reading of its source: an error after the first chunk becomes an empty chunk, and the stream ends.
FLAVOUR = Flavour(
    "ollama-v1",
    fingerprint="fp_ollama",
    role="always",
    reasoning="reasoning",
    cached_details=False,
    whole_calls=True,
    error_form="ollama-v1",
    hides_errors=True,
)
