"""vLLM and SGLang: OpenAI's API with an early role chunk, and services of their own.

One module for both: they differ in listings and in the name of the reasoning field.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.asking import (
    named_below,
    openai_error,
    read_body,
    read_openai,
    refuse_key,
    template,
)
from tiltyard.servers.simulator.chunks import Flavour, OpenAIShape
from tiltyard.servers.simulator.config import SimConfig, SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply
from tiltyard.servers.simulator.native_shapes import GenerateShape
from tiltyard.servers.simulator.shapes import encode

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Handler, Site

VERSION = "0.17.1"
SGLANG_VERSION = "0.5.6"


FLAVOURS = {
    "vllm": Flavour("vllm", role_early=True, reasoning="reasoning", error_form="vllm"),
    "sglang": Flavour("sglang", role_early=True),
}


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    out: dict[tuple[str, str], Handler] = {
        ("GET", "/health"): lambda site, request: Reply(200, b"", "text/plain"),
        ("GET", "/v1/models"): models,
        ("GET", "/metrics"): metrics,
        ("POST", "/v1/chat/completions"): chat,
        ("POST", "/v1/completions"): chat,
        ("POST", "/tokenize"): tokenize,
    }
    if dialect == "vllm":
        out[("GET", "/version")] = lambda site, request: json_reply({"version": VERSION})
        out[("POST", "/detokenize")] = detokenize
        return out
    out[("GET", "/v1/models/")] = one_model
    out[("POST", "/generate")] = generate
    out[("GET", "/get_model_info")] = model_info
    out[("GET", "/server_info")] = server_info
    out[("GET", "/get_server_info")] = server_info
    out[("GET", "/health_generate")] = out[("GET", "/health")]
    out[("GET", "/flush_cache")] = flush_cache
    out[("POST", "/flush_cache")] = flush_cache
    return out


def chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request)
    if isinstance(ask, Reply):
        return ask
    return site.chat(request, ask, partial(OpenAIShape, FLAVOURS[site.dialect]))


def generate(site: Site, request: Request) -> Reply | None:
    """SGLang's own way to ask: the bare text, without a template."""
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    how = payload.get("sampling_params")
    how = how if isinstance(how, Mapping) else {}
    body = {
        **{name: how[name] for name in ("ignore_eos", "min_new_tokens") if name in how},
        "model": site.first.name,
        "prompt": payload.get("text", ""),
        "stream": payload.get("stream"),
        "max_tokens": how.get("max_new_tokens", 128),
    }
    ask = read_openai(site, request._replace(body=encode(body)))
    if isinstance(ask, Reply):
        return ask
    ask.think = False
    return site.chat(request, ask, GenerateShape)


def models(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    if refusal is not None:
        return refusal
    return json_reply({"object": "list", "data": [_row(site, model) for model in site.models]})


def one_model(site: Site, request: Request) -> Reply:
    found = named_below(site, request, "/v1/models/")
    return found if isinstance(found, Reply) else json_reply(_row(site, found))


def _row(site: Site, model: SimModel) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": model.name,
        "object": "model",
        "created": 1_760_000_000,
        "owned_by": site.dialect,
        "root": model.name,
        "max_model_len": site.engine(model).context,
    }
    return row | {"parent": None, "permission": []} if site.dialect == "vllm" else row


def tokenize(site: Site, request: Request) -> Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    messages = payload.get("messages")
    text = template(messages, payload.get("tools") or []) if messages else str(payload.get("prompt", ""))
    found = tokens.ids(text)
    return json_reply(
        {"count": len(found), "max_model_len": site.engine(site.first).context, "tokens": found}
    )


def detokenize(site: Site, request: Request) -> Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    return json_reply({"prompt": tokens.text_of(list(payload.get("tokens", [])))})


def metrics(site: Site, request: Request) -> Reply:
    prefix = site.dialect
    lines = []
    for model in site.config.models:
        engine = site.engine(model)
        label = f'{{model_name="{model.name}"}}'
        for name, value in (
            ("num_requests_running", engine.busy),
            ("num_requests_waiting", engine.waiting),
            ("prompt_tokens_total", engine.prefilled),
            ("generation_tokens_total", engine.decoded),
        ):
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE {prefix}:{name} {kind}", f"{prefix}:{name}{label} {float(value)}"]
    return Reply(200, ("\n".join(lines) + "\n").encode(), "text/plain; version=0.0.4; charset=utf-8")


def model_info(site: Site, request: Request) -> Reply:
    name = site.first.name
    return json_reply(
        {"model_path": name, "tokenizer_path": name, "is_generation": True, "model_type": "sim"}
    )


def server_info(site: Site, request: Request) -> Reply:
    model = site.first
    return json_reply(
        {
            "model_path": model.name,
            "served_model_name": model.name,
            "max_running_requests": model.slots,
            "max_total_num_tokens": site.engine(model).context * model.slots,
            "context_length": site.engine(model).context,
            "version": SGLANG_VERSION,
            "internal_states": [{"last_gen_throughput": 0.0}],
        }
    )


def flush_cache(site: Site, request: Request) -> Reply:
    for engine in site.engines.values():
        engine.flush_cache()
    return Reply(200, b"Cache flushed.\nPlease check backend logs for more details.\n", "text/plain")


def unknown(site: Site, request: Request) -> Reply:
    return json_reply({"detail": "Not Found"}, 404)


def error(site: Site, kind: str, detail: str) -> Reply:
    reply = openai_error(kind, detail)
    if kind == "not_found":
        body = {
            "message": f"The model `{detail}` does not exist.",
            "type": "NotFoundError",
            "param": "model",
            "code": 404,
        }
        return json_reply({"error": body}, 404)
    if kind == "unauthorized":
        return json_reply({"error": "Unauthorized"}, 401)
    return reply
