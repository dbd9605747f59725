"""LM Studio's answers on the wire: v0 with stats, v1 with named events.

Its /v1 is OpenAI's, with usage only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiltyard.servers.simulator.answer import Answer, Ask, Piece
from tiltyard.servers.simulator.chunks import Flavour, OpenAIShape
from tiltyard.servers.simulator.shapes import Shape, Spent, encode

RUNTIME = {"name": "llama.cpp-linux-x86_64-avx2", "version": "1.52.0", "supported_formats": ["gguf"]}


def _stats(shape: OpenAIShape, spent: Spent) -> dict[str, Any]:
    # As with the real one, the rate is not quite tokens / generation_time.
    rate = spent.output / max((spent.decode_ns + 0.02 * spent.prefill_ns) / 1e9, 1e-9)
    reason = {"stop": "eosFound", "length": "maxPredictedTokensReached", "tool_calls": "toolCalls"}
    model = shape.ask.model
    return {
        "stats": {
            "tokens_per_second": rate,
            "time_to_first_token": (spent.load_ns + spent.prefill_ns) / 1e9,
            "generation_time": spent.decode_ns / 1e9,
            "stop_reason": "contextLengthReached" if shape.answer.full else reason[shape.answer.finish],
        },
        "model_info": {
            "arch": model.architecture,
            "quant": model.quantization,
            "format": "gguf",
            "context_length": model.context,
        },
        "runtime": RUNTIME,
    }


def _v0_extras(shape: OpenAIShape, spent: Spent) -> Mapping[str, Any]:
    return _stats(shape, spent) if not shape.ask.stream else {}


def _v0_closing(shape: OpenAIShape, spent: Spent) -> list[bytes]:
    """Stats and usage on the chunk that finishes, unless a fault puts them elsewhere."""
    where = shape.faults.get("stats") or shape.faults.get("usage") or "finish"
    extra = {"usage": shape.usage(spent), **_stats(shape, spent)}
    if not shape.ask.usage and "stats" not in shape.faults and "usage" not in shape.faults:
        del extra["usage"]  # as reported of recent builds: none without include_usage
    chunks = [shape.chunk(shape.last_choices(), extra if where in ("finish", "both") else None)]
    if where in ("trailing", "both"):
        chunks.append(shape.chunk([], extra))
    return [*map(shape.sse, chunks), b"data: [DONE]\n\n"]


OPENAI = Flavour("lmstudio", fingerprint="fp_simulator", role="each")
V0 = OPENAI._replace(key="lmstudio-v0", extras=_v0_extras, closing=_v0_closing)


class V1Shape(Shape):
    """/api/v1/chat: named events, no [DONE]."""

    key = "lmstudio-v1"
    whole_calls = True
    error_form = "lmstudio"

    def __init__(self, ask: Ask, answer: Answer) -> None:
        super().__init__(ask, answer)
        self.stamp = ""  # nothing differs between answers
        self._state = ""
        # The first event of each kind opens it, so events are made one by one.
        self.variable = True

    def named(self, name: str, **fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), encode({"type": name, **fields}))

    def greeting(self) -> bytes | None:
        return self.named("chat.start", model_instance_id=self.model)

    def event(self, kind: str, text: str) -> bytes:
        return self.named("reasoning.delta" if kind == "r" else "message.delta", content=text)

    def _turn_to(self, state: str) -> bytes:
        """Close what was being said, and open the next."""
        out = b""
        if self._state and self._state != state:
            out += self.named(f"{self._state}.end")
        if state and self._state != state:
            out += self.named(f"{state}.start")
        self._state = state
        return out

    def piece(self, piece: Piece, spent: Spent) -> bytes:
        if piece.kind == "t":
            call = self.answer.calls[piece.call]
            fields = {"tool": call.name, "arguments": call.arguments}
            return (
                self._turn_to("")
                + self.named("tool_call.start", tool=call.name)
                + self.named("tool_call.arguments", **fields)
            )
        return self._turn_to("reasoning" if piece.kind == "r" else "message") + self.event(
            piece.kind, piece.text
        )

    def ping(self) -> bytes:
        return b": ping\n\n"

    def loading(self, share: float, load_ns: int) -> bytes | None:
        if share == 0:
            return self.named("model_load.start", model_instance_id=self.model)
        if share < 1:
            return self.named("model_load.progress", model_instance_id=self.model, progress=share)
        return self.named("model_load.end", model_instance_id=self.model, load_time_seconds=load_ns / 1e9)

    def progress(self, done: int, spent: Spent) -> bytes | None:
        share = done / spent.fresh if spent.fresh else 1.0
        if done == 0:
            return self.named("prompt_processing.start") + self.named(
                "prompt_processing.progress", progress=0
            )
        out = self.named("prompt_processing.progress", progress=share)
        return out + self.named("prompt_processing.end") if done >= spent.fresh else out

    def error(self, form: str) -> list[bytes]:
        if form != "lmstudio":
            return super().error(form)
        fault = {"type": "internal_error", "message": "simulated failure", "code": "unknown", "param": None}
        end = self.named("chat.end", result=self._result(Spent(prompt=len(self.ask.prompt))))
        return [self.named("error", error=fault), end]

    def closing(self, spent: Spent) -> list[bytes]:
        return [self._turn_to(""), self.named("chat.end", result=self._result(spent))]

    def _result(self, spent: Spent) -> dict[str, Any]:
        answer = self.answer
        output: list[dict[str, Any]] = []
        if answer.reasoning:
            output.append({"type": "reasoning", "content": answer.reasoning_text})
        output += [
            {"type": "tool_call", "tool": call.name, "arguments": call.arguments} for call in answer.calls
        ]
        if answer.content:
            output.append({"type": "message", "content": answer.text})
        stats: dict[str, Any] = {
            "input_tokens": spent.prompt,
            "total_output_tokens": spent.output,
            "reasoning_output_tokens": min(spent.output, len(answer.reasoning)),
            "tokens_per_second": spent.output / max(spent.decode_ns / 1e9, 1e-9),
            "time_to_first_token_seconds": spent.prefill_ns / 1e9,
        }
        if spent.load_ns:
            stats["model_load_time_seconds"] = spent.load_ns / 1e9
        out: dict[str, Any] = {"model_instance_id": self.model, "output": output}
        if self.faults.get("stats") != "none":
            out["stats"] = stats
        if "store" in self.ask.options:
            out["response_id"] = f"resp_{self.ask.number:048x}"
        return out

    def whole(self, spent: Spent) -> bytes:
        return encode(self._result(spent))
