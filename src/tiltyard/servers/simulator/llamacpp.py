"""llama-server: chat with timings, its native listing and counting services, and the router mode.

The quantization is nowhere told, and no names of experts, as with the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.asking import read_body, read_openai, refuse_key, template
from tiltyard.servers.simulator.chunks import Flavour, OpenAIShape
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply, now_ns
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Faults
from tiltyard.servers.simulator.native_shapes import CompletionShape
from tiltyard.servers.simulator.shapes import Spent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tiltyard.servers.simulator.site import Handler, Site

BUILD = "b9554-d403f00ec"


def timings(spent: Spent) -> dict[str, Any]:
    prompt_ms = max(spent.prefill_ns / 1e6, 1e-6)
    predicted_ms = max(spent.decode_ns / 1e6, 1e-6)
    fresh, output = spent.fresh, spent.output
    return {
        "cache_n": spent.cached,
        "prompt_n": fresh,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / fresh if fresh else 0.0,
        "prompt_per_second": fresh * 1e3 / prompt_ms,
        "predicted_n": output,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": predicted_ms / output if output else 0.0,
        "predicted_per_second": output * 1e3 / predicted_ms,
    }


def _each(shape: OpenAIShape, spent: Spent) -> Mapping[str, Any]:
    return {"timings": timings(spent)} if "timings_per_token" in shape.ask.options else {}


def _extras(shape: OpenAIShape, spent: Spent) -> Mapping[str, Any]:
    return {} if shape.faults.get("stats") == "none" else {"timings": timings(spent)}


def _progress(shape: OpenAIShape, done: int, spent: Spent) -> bytes | None:
    if "return_progress" not in shape.ask.options:
        return None
    share = done / spent.fresh if spent.fresh else 1.0
    state = {
        "total": spent.prompt,
        "cache": spent.cached,
        "processed": spent.cached + done,
        "time_ms": int(spent.prefill_ns * share / 1e6),
    }
    delta = {"role": "assistant", "content": None}
    return shape.sse(shape.chunk([shape.choice(delta)], {"prompt_progress": state}))


FLAVOUR = Flavour(
    "llamacpp",
    fingerprint=BUILD,
    role="null",
    error_form="llamacpp",
    choices_first=True,
    ping=b":\n\n",
    extras=_extras,
    each=_each,
    progress=_progress,
)


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    out: dict[tuple[str, str], Handler] = {
        ("GET", "/health"): health,
        ("GET", "/v1/health"): health,
        ("GET", "/props"): props,
        ("GET", "/slots"): slots,
        ("GET", "/metrics"): metrics,
        ("POST", "/tokenize"): tokenize,
        ("POST", "/detokenize"): detokenize,
        ("POST", "/apply-template"): apply_template,
        ("POST", "/v1/chat/completions/input_tokens"): input_tokens,
        ("POST", "/chat/completions"): chat,
        ("POST", "/v1/chat/completions"): chat,
        ("POST", "/v1/completions"): chat,
        ("POST", "/completion"): completion,
        ("GET", "/v1/models"): models,
        ("GET", "/models"): router_models if config.router else models,
    }
    if config.router:
        out[("POST", "/models/load")] = load
        out[("POST", "/models/unload")] = unload
    return out


def chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request, lenient=not site.config.router)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, partial(OpenAIShape, FLAVOUR))


def completion(site: Site, request: Request) -> Reply | None:
    """Its own way to ask: a bare prompt, without a template."""
    ask = read_openai(site, request, lenient=not site.config.router)
    if isinstance(ask, Reply):
        return ask
    ask.think = False
    return site.chat(request, ask, partial(CompletionShape, timings))


def _model(site: Site, name: str | None) -> SimModel:
    return (site.config.model(name) if name else None) or site.first


def health(site: Site, request: Request) -> Reply:
    return json_reply({"status": "ok"})


def models(site: Site, request: Request) -> Reply:
    shown = site.config.models if site.config.router else site.config.models[:1]
    rows = []
    for model in shown:
        resident = site.engine(model).resident
        meta = {
            "vocab_type": 2,
            "n_vocab": 151_936,
            "n_ctx_train": model.context_max,
            "n_embd": 4096,
            "n_params": model.parameters,
            "size": model.size,
        }
        row: dict[str, Any] = {
            "id": model.name,
            "object": "model",
            "created": 1_760_000_000,
            "owned_by": "llamacpp",
        }
        if site.config.router:
            row["status"] = _status(site.engine(model))
        row["meta"] = meta if resident else None
        rows.append(row)
    return json_reply({"object": "list", "data": rows})


def props(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    if site.config.router and "model" not in request.query:
        settings = {"params": None, "n_ctx": 0}
        return json_reply(
            {
                "default_generation_settings": settings,
                "role": "router",
                "max_instances": 4,
                "build_info": BUILD,
            }
        )
    model = _model(site, request.query.get("model"))
    engine = site.engine(model)
    caps = {"supports_tools": "tools" in model.capabilities, "supports_parallel_tool_calls": True}
    return json_reply(
        {
            "default_generation_settings": {
                "id": 0,
                "n_ctx": engine.context,
                "params": {
                    "n_predict": -1,
                    "temperature": 0.8,
                    "top_k": 40,
                    "top_p": 0.95,
                    "seed": 4294967295,
                },
            },
            "total_slots": model.slots,
            "model_alias": model.name,
            "model_path": f"/models/{model.name.replace(':', '-')}-{model.quantization}.gguf",
            "modalities": {"vision": "vision" in model.capabilities, "audio": False},
            "chat_template": "{% for m in messages %}...{% if enable_thinking %}{% endif %}{% endfor %}"
            if model.thinks
            else "{% for m in messages %}...{% endfor %}",
            "chat_template_caps": caps,
            "bos_token": "",
            "eos_token": "<eos>",
            "build_info": BUILD,
            "is_sleeping": not engine.resident,
        }
    )


def slots(site: Site, request: Request) -> Reply:
    engine = site.engine(_model(site, request.query.get("model")))
    rows = [
        {"id": slot.number, "n_ctx": engine.context, "speculative": False, "is_processing": slot.busy}
        for slot in engine.slots
    ]
    return json_reply(rows)


def metrics(site: Site, request: Request) -> Reply:
    if not site.config.native_metrics:
        return error(
            site, "not_supported", "This server does not support metrics endpoint. Start it with `--metrics`"
        )
    if site.config.router and "model" not in request.query:
        return error(site, "bad_request", "model name is missing from the request")
    engine = site.engine(_model(site, request.query.get("model")))
    prefill_s, decode_s = engine.prefill_ns_spent / 1e9, engine.decode_ns / 1e9
    values = {
        "prompt_tokens_total": engine.prefilled,
        "prompt_seconds_total": prefill_s,
        "tokens_predicted_total": engine.decoded,
        "tokens_predicted_seconds_total": decode_s,
        "prompt_tokens_seconds": engine.prefilled / prefill_s if prefill_s else 0,
        "predicted_tokens_seconds": engine.decoded / decode_s if decode_s else 0,
        "requests_processing": engine.busy,
        "requests_deferred": engine.waiting,
    }
    lines = []
    for name, value in values.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [
            f"# HELP llamacpp:{name} Simulated.",
            f"# TYPE llamacpp:{name} {kind}",
            f"llamacpp:{name} {value}",
        ]
    return Reply(200, ("\n".join(lines) + "\n").encode(), "text/plain; version=0.0.4")


def _with_body(site: Site, request: Request, use: Callable[[Mapping[str, Any]], Any]) -> Reply:
    payload = read_body(site, request)
    return payload if isinstance(payload, Reply) else json_reply(use(payload))


def tokenize(site: Site, request: Request) -> Reply:
    def use(payload: Mapping[str, Any]) -> Any:
        text = str(payload.get("content", ""))
        if payload.get("with_pieces") is True:
            pieces = zip(tokens.ids(text), tokens.split(text), strict=True)
            return {"tokens": [{"id": number, "piece": piece} for number, piece in pieces]}
        return {"tokens": tokens.ids(text)}

    return _with_body(site, request, use)


def detokenize(site: Site, request: Request) -> Reply:
    return _with_body(
        site, request, lambda payload: {"content": tokens.text_of(list(payload.get("tokens", [])))}
    )


def apply_template(site: Site, request: Request) -> Reply:
    return _with_body(
        site,
        request,
        lambda payload: {"prompt": template(payload.get("messages") or [], payload.get("tools") or [])},
    )


def input_tokens(site: Site, request: Request) -> Reply:
    def use(payload: Mapping[str, Any]) -> Any:
        text = template(payload.get("messages") or [], payload.get("tools") or [])
        return {"object": "response.input_tokens", "input_tokens": tokens.count(text)}

    return _with_body(site, request, use)


# ---- router mode


def _status(engine: Engine) -> dict[str, Any]:
    return {"value": "loaded" if engine.resident else "unloaded", "args": ["llama-server"]}


def router_models(site: Site, request: Request) -> Reply:
    rows = [
        {
            "id": model.name,
            "object": "model",
            "owned_by": "llamacpp",
            "created": 1_760_000_000,
            "in_cache": True,
            "path": f"/models/{model.name.replace(':', '-')}.gguf",
            "status": _status(site.engine(model)),
        }
        for model in site.config.models
    ]
    return json_reply({"object": "list", "data": rows})


def _named(site: Site, request: Request) -> SimModel | Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    model = site.config.model(str(payload.get("model", "")))
    return model or error(site, "not_found", str(payload.get("model")))


def load(site: Site, request: Request) -> Reply | None:
    model = _named(site, request)
    if isinstance(model, Reply):
        return model
    engine = site.engine(model)
    if engine.resident:
        return error(site, "bad_request", "model is already loaded")

    def loading() -> Iterator[int]:
        # The answer comes at once; the model is there when its status says so.
        request.connection.reply(json_reply({"success": True}))
        yield now_ns() + engine.load_ns(Faults())
        site.take_in(engine)

    site.pacer.start(loading(), lambda: None)
    return None


def unload(site: Site, request: Request) -> Reply:
    model = _named(site, request)
    if isinstance(model, Reply):
        return model
    if not site.engine(model).resident:
        return error(site, "bad_request", "model is not loaded")
    site.put_out(site.engine(model))
    return json_reply({"success": True})


def unknown(site: Site, request: Request) -> Reply:
    return error(site, "no_route", "File Not Found")


def error(site: Site, kind: str, detail: str) -> Reply:
    status, name, message = {
        "not_found": (404, "not_found_error", f"model '{detail}' not found"),
        "no_route": (404, "not_found_error", detail),
        "unauthorized": (401, "authentication_error", "Invalid API Key"),
        "busy": (503, "unavailable_error", "no slot available"),
        "loading": (503, "unavailable_error", "Loading model"),
        "internal": (500, "server_error", "simulated failure"),
        "no_model": (400, "invalid_request_error", "model name is missing from the request"),
        "bad_request": (400, "invalid_request_error", detail),
        "not_supported": (501, "not_supported_error", detail),
        "too_long": (400, "exceed_context_size_error", ""),
    }[kind]
    body: dict[str, Any] = {"code": status, "message": message, "type": name}
    if kind == "too_long":
        had, limit = map(int, detail.split("|"))
        body["message"] = (
            f"request ({had} tokens) exceeds the available context size ({limit} tokens), try increasing it"
        )
        body |= {"n_prompt_tokens": had, "n_ctx": limit}
    return json_reply({"error": body}, status)
