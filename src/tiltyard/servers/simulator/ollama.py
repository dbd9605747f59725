"""Ollama: the native API with its keep_alive and reloading, and its OpenAI layer.

What an answer looks like is in `ollama_shapes.py`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import ollama_library, ollama_v1, tokens
from tiltyard.servers.simulator.answer import Ask
from tiltyard.servers.simulator.asking import (
    last_text,
    read_body,
    resolve,
    template,
    whole,
)
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply, now_ns
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.guesses import asked_for
from tiltyard.servers.simulator.ollama_shapes import OllamaShape, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiltyard.servers.simulator.site import Handler, Site

VERSION = "0.32.7"
KV_BYTES = 131_072  # a token's in the KV cache: what is in memory is more than the file
_CHANGED = "2026-05-04T10:00:00.000000000Z"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FOREVER = 10 * 365 * 86_400.0


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    out: dict[tuple[str, str], Handler] = {
        ("GET", "/"): lambda site, request: Reply(200, b"Ollama is running", "text/plain; charset=utf-8"),
        ("GET", "/api/version"): lambda site, request: json_reply({"version": VERSION}),
        ("GET", "/api/tags"): tags,
        ("GET", "/api/ps"): ps,
        ("POST", "/api/show"): show,
        ("POST", "/api/chat"): chat,
        ("POST", "/api/generate"): chat,
        **ollama_library.ROUTES,
        **ollama_v1.ROUTES,
    }
    return {page: ollama_library.guarded(handler) for page, handler in out.items()}


# ---- models


def _details(model: SimModel) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.architecture,
        "families": [model.architecture],
        "parameter_size": model.billions,
        "quantization_level": model.quantization,
    }


def _row(model: SimModel) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": model.name,
        "model": model.name,
        "modified_at": _CHANGED,
        "size": model.size,
        "digest": model.digest,
        "details": _details(model),
        "capabilities": list(model.capabilities),
    }
    if model.remote:
        row |= {"remote_host": "https://ollama.com:443", "remote_model": model.name.split("-cloud")[0]}
    return row


def tags(site: Site, request: Request) -> Reply:
    return json_reply({"models": [_row(model) for model in site.models]})


def _drop_expired(site: Site) -> None:
    for engine in site.engines.values():
        if (
            engine.resident
            and engine.expires is not None
            and engine.expires <= time.time()
            and not engine.busy
        ):
            site.put_out(engine)


def ps(site: Site, request: Request) -> Reply:
    _drop_expired(site)
    rows = []
    for name in site.order:
        engine = site.engines[name]
        model = engine.model
        row = {key: value for key, value in _row(model).items() if key not in ("modified_at", "capabilities")}
        row["expires_at"] = rfc3339(int((engine.expires or time.time() + 300) * 1e9))
        row["size"] = model.size + engine.context * KV_BYTES
        row["size_vram"] = int(row["size"] * model.vram_fraction)
        row["context_length"] = engine.context
        rows.append(row)
    return json_reply({"models": rows})


def show(site: Site, request: Request) -> Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    name = payload.get("model") or payload.get("name")
    if not name:
        return error(site, "bad_request", "model is required")
    model = site.model(str(name))
    if model is None:
        return error(site, "not_found", str(name))
    arch = model.architecture
    info: dict[str, Any] = {
        "general.architecture": arch,
        "general.file_type": 15,
        "general.parameter_count": model.parameters,
        f"{arch}.block_count": 32,
        f"{arch}.context_length": model.context_max,
        f"{arch}.embedding_length": 4096,
    }
    if model.experts:
        info |= {f"{arch}.expert_count": model.experts, f"{arch}.expert_used_count": model.experts_used}
    out = {
        "license": "made up",
        "modelfile": f"FROM {model.name}",
        "parameters": "temperature 0.7",
        "template": "{{ .Prompt }}",
        "details": _details(model),
        "model_info": info,
        "tensors": _tensors(model),
        "capabilities": list(model.capabilities),
        "modified_at": _CHANGED,
    }
    if model.remote:
        out |= {"remote_host": "https://ollama.com:443", "remote_model": model.name}
    return json_reply(out)


def _tensors(model: SimModel) -> list[dict[str, Any]]:
    """Two tensors whose sizes give the active parameters: expert ones and the rest."""
    if not model.experts or not model.experts_used or not model.active_parameters:
        return [{"name": "blk.0.ffn_up.weight", "type": model.quantization, "shape": [model.parameters]}]
    share = model.experts_used / model.experts
    expert = round((model.parameters - model.active_parameters) / (1 - share))
    return [
        {"name": "blk.0.ffn_up_exps.weight", "type": model.quantization, "shape": [expert]},
        {"name": "blk.0.attn_q.weight", "type": model.quantization, "shape": [model.parameters - expert]},
    ]


# ---- chat and generate


def chat(site: Site, request: Request) -> Reply | None:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    if not payload.get("model"):
        return error(site, "bad_request", "model is required")
    faults, number = site.faults(request)
    model = resolve(site, payload["model"], faults)
    if model is None:
        return site.refused(faults, request, str(payload["model"])) or error(
            site, "not_found", str(payload["model"])
        )
    _drop_expired(site)
    engine = site.engine(model)
    seconds = keep_alive(payload.get("keep_alive"))
    engine.expires = time.time() + seconds
    generate = request.path == "/api/generate"
    if not (payload.get("prompt") if generate else payload.get("messages")):
        wrong = _set_context(site, engine, payload)
        if wrong is None:
            _load(site, request, engine, seconds)
        return wrong
    refusal = _incapable(site, model, payload)
    if refusal is not None:
        return refusal
    ask = _ask(site, model, payload, faults)
    if isinstance(ask, Reply):
        return ask
    ask.number = number
    if payload.get("_debug_render_only") is True:
        head = {"model": ask.served, "created_at": rfc3339(time.time_ns())}
        return json_reply({**head, "_debug_info": {"rendered_template": "".join(ask.prompt)}})
    return site.chat(request, ask, OllamaShape)


def _incapable(site: Site, model: SimModel, payload: Mapping[str, Any]) -> Reply | None:
    if payload.get("tools") and "tools" not in model.capabilities:
        return error(site, "bad_request", f"registry.ollama.ai/library/{model.name} does not support tools")
    if payload.get("think") not in (None, False) and not model.thinks:
        return error(site, "bad_request", f'"{model.name}" does not support thinking')
    if "completion" not in model.capabilities:
        return error(site, "bad_request", f'"{model.name}" does not support chat')
    return None


def _options(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    options = payload.get("options")
    return options if isinstance(options, Mapping) else {}


def _set_context(site: Site, engine: Engine, payload: Mapping[str, Any]) -> Reply | None:
    """Take over `num_ctx`; a changed one reloads the model. An option of a wrong type is refused."""
    options = _options(payload)
    for name in ("num_ctx", "num_predict", "seed"):
        if name in options and whole(options[name]) is None:
            return error(site, "bad_request", f'option "{name}" must be of type integer')
    context = engine.loadable(whole(options.get("num_ctx")) or engine.context)
    if context != engine.context and engine.resident:
        site.put_out(engine)
    engine.context = context
    return None


def _ask(site: Site, model: SimModel, payload: Mapping[str, Any], faults: Faults) -> Ask | Reply:
    engine = site.engine(model)
    wrong = _set_context(site, engine, payload)
    if wrong is not None:
        return wrong
    context = engine.context
    options = _options(payload)
    messages = payload.get("messages")
    tools = payload.get("tools") or []
    if isinstance(messages, list):
        text, last = template(messages, tools), last_text(messages)
    else:
        messages = []
        last = str(payload.get("prompt", ""))
        text = last if payload.get("raw") is True else template([{"role": "user", "content": last}])
    prompt = tokens.split(text)
    if len(prompt) >= context:
        if payload.get("truncate") is False:
            return error(site, "too_long", f"{len(prompt)}|{context}")
        prompt = prompt[-(context - 1) :]
    limit = whole(options.get("num_predict"))
    form = payload.get("format")
    return Ask(
        model=model,
        served=str(payload["model"]),
        prompt=prompt,
        last=last,
        stream=payload.get("stream") is not False,
        max_tokens=limit if limit is not None and limit >= 0 else None,
        think=model.thinks and payload.get("think") is not False,
        shifts=payload.get("shift") is not False,
        tools=tools if isinstance(tools, list) else [],
        schema=True if form == "json" else form if isinstance(form, Mapping) else None,
        answers_tool=bool(messages)
        and isinstance(messages[-1], Mapping)
        and messages[-1].get("role") == "tool",
        seed=max(0, whole(options.get("seed")) or 0),
        logprobs=asked_for(payload),
        options=_kind(payload),
        faults=faults,
    )


def _kind(payload: Mapping[str, Any]) -> frozenset[str]:
    if isinstance(payload.get("messages"), list):
        return frozenset()
    return frozenset({"generate", "raw"} if payload.get("raw") is True else {"generate"})


def keep_alive(value: Any) -> float:
    """Seconds: a number, a Go duration, negative for ever; five minutes by default."""
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if not parts:
            return keep_alive(float(value)) if value.lstrip("-").isdigit() else 300.0
        total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        return _FOREVER if value.startswith("-") else total
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _FOREVER if value < 0 else float(value)
    return 300.0


def _load(site: Site, request: Request, engine: Engine, seconds: float) -> None:
    """An empty prompt: load, or with keep_alive 0 unload."""
    line: dict[str, Any] = {"model": engine.model.name, "created_at": rfc3339(time.time_ns())}
    empty: dict[str, Any] = {"response": ""}
    if request.path == "/api/chat":
        empty = {"message": {"role": "assistant", "content": ""}}

    def play() -> Iterator[int]:
        if seconds == 0:
            site.put_out(engine)
        elif not engine.resident:
            yield now_ns() + engine.load_ns(Faults())
            site.take_in(engine)
        reason = "unload" if seconds == 0 else "load"
        request.connection.reply(json_reply({**line, **empty, "done": True, "done_reason": reason}))

    site.pacer.start(play(), lambda: None)


def unknown(site: Site, request: Request) -> Reply:
    if any(path == request.path for _, path in site.routes):
        return Reply(405, b"405 method not allowed", "text/plain")
    return Reply(404, b"404 page not found", "text/plain")


def error(site: Site, kind: str, detail: str) -> Reply:
    if kind == "too_long":
        detail = "the input length exceeds the context length"
    status, message = {
        "not_found": (404, f"model '{detail}' not found"),
        "bad_request": (400, detail),
        "too_long": (400, detail),
        "no_model": (400, "model is required"),
        "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
        "loading": (503, "server is loading the model"),
        "unauthorized": (401, "unauthorized"),
        "internal": (500, "simulated failure"),
    }[kind]
    return json_reply({"error": message}, status)
