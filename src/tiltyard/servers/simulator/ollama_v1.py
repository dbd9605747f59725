"""Ollama's OpenAI layer: the same models under `/v1`, with errors in OpenAI's envelope.

What only Ollama's native API can do (a context, keeping a model) is not to be had here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.asking import model_list, one_model, read_body, read_openai
from tiltyard.servers.simulator.chunks import OpenAIShape
from tiltyard.servers.simulator.connection import Reply, Request, json_reply
from tiltyard.servers.simulator.ollama_library import texts_of, vector
from tiltyard.servers.simulator.ollama_shapes import FLAVOUR

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Handler, Site

OWNER = {"owned_by": "library"}
TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request)
    if isinstance(ask, Reply):
        return enveloped(ask)
    site.engine(ask.model).expires = time.time() + 300
    return enveloped(site.chat(request, ask, partial(OpenAIShape, FLAVOUR)))


def models(site: Site, request: Request) -> Reply:
    return model_list(site, OWNER)


def model(site: Site, request: Request) -> Reply | None:
    return enveloped(one_model(site, request, OWNER))


def embeddings(site: Site, request: Request) -> Reply | None:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return enveloped(payload)
    model = site.model(str(payload.get("model", "")))
    if model is None:
        return enveloped(site.error("not_found", str(payload.get("model"))))
    texts = texts_of(payload.get("input"))
    rows = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
    counted = sum(map(tokens.count, texts))
    usage = {"prompt_tokens": counted, "total_tokens": counted}
    return json_reply({"object": "list", "data": rows, "model": model.name, "usage": usage})


def enveloped(reply: Reply | None) -> Reply | None:
    """The reply, an error of Ollama's own form in OpenAI's."""
    if reply is None or reply.status < 400 or reply.content_type != "application/json":
        return reply
    message = msgspec.json.decode(reply.body).get("error")
    if not isinstance(message, str):
        return reply
    kind = TYPES.get(reply.status, "api_error")
    error = {"message": message, "type": kind, "param": None, "code": None}
    return json_reply({"error": error}, reply.status)


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("POST", "/v1/chat/completions"): chat,
    ("POST", "/v1/completions"): chat,
    ("GET", "/v1/models"): models,
    ("GET", "/v1/models/"): model,
    ("POST", "/v1/embeddings"): embeddings,
}
