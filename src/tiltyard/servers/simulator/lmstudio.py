"""LM Studio: v1 (list, load, unload, chat with named events), v0 (chat with stats) and /v1.

Unknown paths answer 200 with an error object, as the real one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.answer import Ask
from tiltyard.servers.simulator.asking import (
    content_text,
    named_below,
    openai_error,
    read_body,
    read_openai,
    refuse_key,
    resolve,
    template,
    whole,
)
from tiltyard.servers.simulator.chunks import OpenAIShape
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply, now_ns
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.lmstudio_shapes import OPENAI, V0, V1Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiltyard.servers.simulator.site import Handler, Site


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    return {
        ("GET", "/api/v1/models"): v1_models,
        ("POST", "/api/v1/models/load"): load,
        ("POST", "/api/v1/models/unload"): unload,
        ("POST", "/api/v1/chat"): v1_chat,
        ("GET", "/api/v0/models"): v0_models,
        ("GET", "/api/v0/models/"): v0_model,
        ("POST", "/api/v0/chat/completions"): v0_chat,
        ("POST", "/api/v0/completions"): v0_chat,
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
    return json_reply({"object": "list", "data": [_v0_row(site, model) for model in site.models]})


def v0_model(site: Site, request: Request) -> Reply:
    found = named_below(site, request, "/api/v0/models/")
    return found if isinstance(found, Reply) else json_reply(_v0_row(site, found))


def _v0_row(site: Site, model: SimModel) -> dict[str, Any]:
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
    return row


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
    context = engine.loadable(whole(payload.get("context_length")) or model.context)

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
    ask = read_chat(site, request)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, partial(OpenAIShape, OPENAI))


def v0_chat(site: Site, request: Request) -> Reply | None:
    ask = read_chat(site, request)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, partial(OpenAIShape, V0))


def read_chat(site: Site, request: Request) -> Ask | Reply:
    """The question; LM Studio knows schemas, but no `json_object`."""
    ask = read_openai(site, request)
    if isinstance(ask, Ask) and ask.schema is True:
        return json_reply({"error": "'response_format.type' must be 'json_schema' or 'text'"}, 400)
    return ask


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
        options=frozenset({"store"} if payload.get("store") is not False else ()),
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
