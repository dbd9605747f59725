"""Says a scenario's steps in a dialect, as the servers themselves do (roles, field names, where numbers
stand).
"""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.scenarios import Scenario, Step

PROMPT_TOKENS = 400
MODEL = "m"
REASONING = {"llamacpp": "reasoning_content", "lmstudio": "reasoning_content"}  # others: reasoning


class Voice:
    """One answer in one dialect. `scale` shortens the times that the server claims, too."""

    def __init__(self, dialect: str, scenario: Scenario, scale: float) -> None:
        self.dialect, self.scenario, self.scale = dialect, scenario, scale
        self.said = 0

    def say(self, step: Step) -> bytes:
        self.said += step.tokens
        if self.dialect == "ollama":
            return self.ollama(step)
        return self.sse(step)

    # ------------------------------------------------------------------ numbers

    def claims(self) -> dict[str, float]:
        """True durations in ms by the definition that servers share: all tokens at the steady rate."""
        payload = self.scenario.payload
        after = sum(step.tokens for step in payload if step.ms > payload[0].ms) if payload else 0
        each = (payload[-1].ms - payload[0].ms) / after if after else 0.0
        prefill = payload[0].ms if payload else 0.0
        return {"prefill": prefill * self.scale, "decode": each * self.said * self.scale}

    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": self.said,
            "total_tokens": PROMPT_TOKENS + self.said,
        }

    def natives(self) -> dict[str, Any]:
        """llama-server's timings, LM Studio's stats."""
        claims = self.claims()
        if self.scenario.usage == "none":
            return {}
        if self.dialect == "llamacpp":
            return {
                "timings": {
                    "cache_n": 0,
                    "prompt_n": PROMPT_TOKENS,
                    "prompt_ms": claims["prefill"],
                    "predicted_n": self.said,
                    "predicted_ms": claims["decode"],
                    "predicted_per_second": self.said / claims["decode"] * 1000 if claims["decode"] else 0,
                }
            }
        if self.dialect == "lmstudio":
            return {
                "stats": {
                    "tokens_per_second": self.said / claims["decode"] * 1000 if claims["decode"] else 0,
                    "time_to_first_token": claims["prefill"] / 1000,
                    "generation_time": claims["decode"] / 1000,
                    "stop_reason": "eosFound",
                }
            }
        return {}

    # ------------------------------------------------------------------ server-sent events

    def sse(self, step: Step) -> bytes:
        if step.kind == "ping":
            return b": ping\n\n"
        if step.kind == "error":
            return event({"error": {"message": "out of memory", "type": "server_error", "code": 500}})
        if step.kind == "done":
            return b"data: [DONE]\n\n"
        if step.kind == "finish":
            reason = "tool_calls" if any(s.kind == "tool" for s in self.scenario.steps) else "stop"
            last = self.chunk({}, reason)
            if self.scenario.usage == "finish":
                last |= {"usage": self.usage(), **self.natives()}
            return event(last)
        if step.kind == "usage":
            if self.scenario.usage != "trailing":
                return b""
            return event(self.chunk(None, None) | {"usage": self.usage(), **self.natives()})
        return event(self.payload(step))

    def payload(self, step: Step) -> dict[str, Any]:
        if step.kind == "role":
            delta: dict[str, Any] = {"role": "assistant", "content": ""}
        elif step.kind == "reasoning":
            delta = {REASONING.get(self.dialect, "reasoning"): step.text}
        elif step.kind == "tool":
            call: dict[str, Any] = {"index": 0, "function": {"arguments": step.text}}
            if step.text == "{":
                call |= {"id": "c1", "type": "function"}
                call["function"]["name"] = "look"
            delta = {"tool_calls": [call]}
        else:
            delta = {"content": step.text}
        if self.dialect == "mlx":
            delta["role"] = "assistant"
        found = self.chunk(delta, None)
        if self.dialect == "vllm" and self.scenario.usage != "none":
            found["usage"] = self.usage()
        return found

    def chunk(self, delta: dict[str, Any] | None, reason: str | None) -> dict[str, Any]:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
        return {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": MODEL,
            "choices": choices,
        }

    # ------------------------------------------------------------------ Ollama's lines

    def ollama(self, step: Step) -> bytes:
        if step.kind == "ping":
            return b"\n"
        if step.kind == "error":
            return line({"error": "an error was encountered while running the model"})
        if step.kind in ("finish", "usage"):
            return b""
        if step.kind == "done":
            return line(self.last())
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        if step.kind == "reasoning":
            message["thinking"] = step.text
        else:
            message["content"] = step.text
        return line({"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False})

    def last(self) -> dict[str, Any]:
        claims = self.claims()
        found: dict[str, Any] = {"model": MODEL, "message": {"role": "assistant", "content": ""}}
        found |= {"done": True, "done_reason": "stop"}
        if self.scenario.usage == "none":
            return found
        total = claims["prefill"] + claims["decode"]
        return found | {
            "total_duration": round((total + 1) * 1e6),
            "load_duration": 1_000_000,
            "prompt_eval_count": PROMPT_TOKENS,
            "prompt_eval_duration": round(claims["prefill"] * 1e6),
            "eval_count": self.said,
            "eval_duration": round(claims["decode"] * 1e6),
        }


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
