"""Two ways to ask for bare text that are older than OpenAI's: llama-server's and SGLang's own.

Neither says who speaks, and llama-server's stream ends without [DONE].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.answer import Answer, Ask, Piece
from tiltyard.servers.simulator.shapes import Shape, Spent, encode


class CompletionShape(Shape):
    """POST /completion of llama-server."""

    error_form = "llamacpp"

    def __init__(self, timings: Callable[[Spent], dict[str, Any]], ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        self._timings = timings
        self.variable = True  # each event counts its tokens

    def event(self, kind: str, text: str) -> bytes:
        return self.sse({"index": 0, "content": text, "stop": False, "id_slot": 0})

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        counts = {"tokens_predicted": spent.output, "tokens_evaluated": spent.prompt}
        said = {"index": 0, "content": piece.text, "tokens": tokens.ids(piece.text), "stop": False}
        return self.sse({**said, "id_slot": 0, **counts})

    def closing(self, spent: Spent) -> list[bytes]:
        return [self.sse(self._last("", spent))]

    def whole(self, spent: Spent) -> bytes:
        return encode(self._last(self.answer.text, spent))

    def _last(self, content: str, spent: Spent) -> dict[str, Any]:
        return {
            "index": 0,
            "content": content,
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self.model,
            "tokens_predicted": spent.output,
            "tokens_evaluated": spent.prompt,
            "tokens_cached": spent.prompt + spent.output,
            "generation_settings": {"n_predict": -1 if self.ask.max_tokens is None else self.ask.max_tokens},
            "prompt": "".join(self.ask.prompt),
            "truncated": self.answer.full,
            "stop_type": "limit" if self.answer.finish == "length" else "eos",
            "stopping_word": "",
            "timings": self._timings(spent),
        }


class GenerateShape(Shape):
    """POST /generate of SGLang: each event holds the whole text so far."""

    def __init__(self, ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        self.variable = True
        self._said = ""

    def event(self, kind: str, text: str) -> bytes:
        return self.sse({"text": self._said + text, "meta_info": {"id": self.stamp, "finish_reason": None}})

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        self._said += piece.text
        return self.sse({"text": self._said, "meta_info": self._meta(spent, None)})

    def closing(self, spent: Spent) -> list[bytes]:
        last = {"text": self._said, "meta_info": self._meta(spent, self._finish(spent))}
        return [self.sse(last), b"data: [DONE]\n\n"]

    def whole(self, spent: Spent) -> bytes:
        return encode({"text": self.answer.text, "meta_info": self._meta(spent, self._finish(spent))})

    def _finish(self, spent: Spent) -> dict[str, Any]:
        if self.answer.finish == "length":
            return {"type": "length", "length": spent.output}
        return {"type": "stop", "matched": 0}

    def _meta(self, spent: Spent, finish: Any) -> dict[str, Any]:
        return {
            "id": self.stamp,
            "finish_reason": finish,
            "prompt_tokens": spent.prompt,
            "completion_tokens": spent.output,
            "cached_tokens": spent.cached,
            "e2e_latency": spent.total_ns / 1e9,
        }
