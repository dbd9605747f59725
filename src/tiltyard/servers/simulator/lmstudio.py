"""LM Studio: v1 (list, load, unload, chat with named events), v0 (chat with stats) and /v1.

Unknown paths answer 200 with an error object, as the real one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.answer import Answer, Ask, Piece
from tiltyard.servers.simulator.asking import (
    content_text,
    openai_error,
    read_body,
    read_openai,
    refuse_key,
    resolve,
    template,
    whole,
)
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply, now_ns
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.shapes import OpenAIShape, Shape, Spent, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiltyard.servers.simulator.server import Handler, Site

RUNTIME = {"name": "llama.cpp-linux-x86_64-avx2", "version": "1.52.0", "supported_formats": ["gguf"]}


class LMStudioShape(OpenAIShape):
    """/v1: usage only when asked for."""

    key = "lmstudio"
    role_style = "first"

    def choice(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        if not self.text_only and delta:
            delta = {"role": "assistant", **delta}
        return super().choice(delta, finish)


class V0Shape(LMStudioShape):
    """/api/v0: stats, model_info and runtime, by default on the chunk that finishes."""

    key = "lmstudio-v0"

    def extras(self, spent: Spent) -> Mapping[str, Any]:
        return self._stats(spent) if not self.ask.stream else {}

    def _stats(self, spent: Spent) -> dict[str, Any]:
        generation = spent.decode_ns / 1e9
        # As with the real one, the rate is not quite tokens / generation_time.
        rate = spent.output / max((spent.decode_ns + 0.02 * spent.prefill_ns) / 1e9, 1e-9)
        reason = {"stop": "eosFound", "length": "maxPredictedTokensReached", "tool_calls": "toolCalls"}
        model = self.ask.model
        return {
            "stats": {
                "tokens_per_second": rate,
                "time_to_first_token": (spent.load_ns + spent.prefill_ns) / 1e9,
                "generation_time": generation,
                "stop_reason": reason[self.answer.finish],
            },
            "model_info": {
                "arch": model.architecture,
                "quant": model.quantization,
                "format": "gguf",
                "context_length": model.context,
            },
            "runtime": RUNTIME,
        }

    def closing(self, spent: Spent) -> list[bytes]:
        where = self.faults.get("stats") or self.faults.get("usage") or "finish"
        finish: str | None = None if "done_no_reason" in self.faults else self.answer.finish
        extra = {"usage": self.usage(spent), **self._stats(spent)}
        if not self.ask.usage and "stats" not in self.faults and "usage" not in self.faults:
            del extra["usage"]  # zed#57861: none without include_usage
        last = self.chunk([self.choice({}, finish)], extra if where in ("finish", "both") else None)
        chunks = [last]
        if where in ("trailing", "both"):
            chunks.append(self.chunk([], extra))
        return [*map(self.sse, chunks), b"data: [DONE]\n\n"]


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
        return out

    def whole(self, spent: Spent) -> bytes:
        return encode(self._result(spent))


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    return {
        ("GET", "/api/v1/models"): v1_models,
        ("POST", "/api/v1/models/load"): load,
        ("POST", "/api/v1/models/unload"): unload,
        ("POST", "/api/v1/chat"): v1_chat,
        ("GET", "/api/v0/models"): v0_models,
        ("POST", "/api/v0/chat/completions"): v0_chat,
        ("GET", "/v1/models"): openai_models,
        ("POST", "/v1/chat/completions"): openai_chat,
        ("POST", "/v1/completions"): openai_chat,
    }


# ---- models


def _publisher(model: SimModel) -> str:
    return "simulated"


def _params(model: SimModel) -> str:
    if model.active_parameters:
        return f"{model.parameters / 1e9:.0f}B-A{model.active_parameters / 1e9:.0f}B"
    return f"{model.parameters / 1e9:.0f}B"


def v1_models(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    rows = []
    for model in site.config.models:
        engine = site.engine(model)
        capabilities: dict[str, Any] = {
            "vision": "vision" in model.capabilities,
            "trained_for_tool_use": "tools" in model.capabilities,
        }
        if model.thinks:
            capabilities["reasoning"] = {"allowed_options": ["off", "on"], "default": "on"}
        config = {"context_length": engine.context, "eval_batch_size": 512, "parallel": model.slots}
        if model.experts_used:
            config["num_experts"] = model.experts_used
        rows.append(
            {
                "type": "embedding" if "embedding" in model.capabilities else "llm",
                "publisher": _publisher(model),
                "key": model.name,
                "display_name": model.name,
                "architecture": model.architecture,
                "quantization": {
                    "name": model.quantization,
                    "bits_per_weight": round(model.size * 8 / model.parameters),
                },
                "size_bytes": model.size,
                "params_string": _params(model),
                "loaded_instances": [{"id": model.name, "config": config}] if engine.resident else [],
                "max_context_length": model.context_max,
                "format": "gguf",
                "capabilities": capabilities,
                "description": None,
            }
        )
    return json_reply({"models": rows})


def v0_models(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    rows = []
    for model in site.config.models:
        engine = site.engine(model)
        row: dict[str, Any] = {
            "id": model.name,
            "object": "model",
            "type": "vlm" if "vision" in model.capabilities else "llm",
            "publisher": _publisher(model),
            "arch": model.architecture,
            "compatibility_type": "gguf",
            "quantization": model.quantization,
            "state": "loaded" if engine.resident else "not-loaded",
            "max_context_length": model.context_max,
        }
        if "tools" in model.capabilities:
            row["capabilities"] = ["tool_use"]
        if engine.resident:
            row["loaded_context_length"] = engine.context
        rows.append(row)
    return json_reply({"object": "list", "data": rows})


def openai_models(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    rows = [
        {"id": model.name, "object": "model", "owned_by": "organization_owner"}
        for model in site.config.models
    ]
    return json_reply({"data": rows, "object": "list"})


def load(site: Site, request: Request) -> Reply | None:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    model = site.config.model(str(payload.get("model", "")))
    if model is None:
        return error(site, "not_found", str(payload.get("model")))
    engine = site.engine(model)
    context = whole(payload.get("context_length")) or model.context

    def play() -> Iterator[int]:
        spent = engine.load_ns(Faults())
        yield now_ns() + spent
        engine.context = context
        site.take_in(engine)
        out: dict[str, Any] = {
            "type": "llm",
            "instance_id": model.name,
            "load_time_seconds": spent / 1e9,
            "status": "loaded",
        }
        if payload.get("echo_load_config") is True:
            out["load_config"] = {"context_length": context, "parallel": model.slots}
        request.connection.reply(json_reply(out))

    site.pacer.start(play(), lambda: None)
    return None


def unload(site: Site, request: Request) -> Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    model = site.config.model(str(payload.get("instance_id", "")))
    if model is None or not site.engine(model).resident:
        return error(site, "not_found", str(payload.get("instance_id")))
    site.put_out(site.engine(model))
    return json_reply({"instance_id": model.name})


# ---- chat


def openai_chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, LMStudioShape)


def v0_chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, V0Shape)


def v1_chat(site: Site, request: Request) -> Reply | None:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    for unknown_key in ("seed", "stop", "tools", "messages", "max_tokens"):
        if unknown_key in payload:
            return error(site, "bad_request", f"Unrecognized key(s) in object: '{unknown_key}'")
    faults, number = site.faults(request)
    model = resolve(site, payload.get("model"), faults)
    if model is None:
        return site.refused(faults, request, str(payload.get("model"))) or error(
            site, "not_found", str(payload.get("model"))
        )
    ask = _v1_ask(site.engine(model), payload, faults)
    ask.number = number
    return site.chat(request, ask, V1Shape)


def _v1_ask(engine: Engine, payload: Mapping[str, Any], faults: Faults) -> Ask:
    model = engine.model
    text = content_text(
        [payload["input"]] if isinstance(payload.get("input"), Mapping) else payload.get("input")
    )
    if isinstance(payload.get("input"), list):
        text = "".join(str(part.get("content", part.get("text", ""))) for part in payload["input"] if part)
    messages = [{"role": "user", "content": text}]
    if payload.get("system_prompt"):
        messages.insert(0, {"role": "system", "content": str(payload["system_prompt"])})
    context = whole(payload.get("context_length"))
    if context:
        engine.context = context
    return Ask(
        model=model,
        served=model.name,
        prompt=tokens.split(template(messages)),
        last=text,
        stream=payload.get("stream") is True,
        max_tokens=whole(payload.get("max_output_tokens")),
        think=model.thinks and payload.get("reasoning") != "off",
        faults=faults,
    )


def unknown(site: Site, request: Request) -> Reply:
    return json_reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})


def error(site: Site, kind: str, detail: str) -> Reply:
    if kind == "no_model":
        message = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
        body = {"message": message, "type": "invalid_request_error", "param": "model", "code": None}
        return json_reply({"error": body}, 400)
    if kind == "not_found":
        body = {
            "message": f'Invalid model identifier "{detail}". Please specify a valid downloaded model.',
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
        return json_reply({"error": body}, 400)
    return openai_error(kind, detail)
