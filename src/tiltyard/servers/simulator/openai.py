"""A plain OpenAI-compatible server: models, chat and text completions.

It asks for a key where one is set; everything else is refused as OpenAI refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from tiltyard.servers.simulator.asking import model_list, one_model, openai_error, read_openai, refuse_key
from tiltyard.servers.simulator.chunks import Flavour, OpenAIShape
from tiltyard.servers.simulator.config import SimConfig
from tiltyard.servers.simulator.connection import Reply, Request

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Handler, Site

OWNER = {"owned_by": "simulator"}
FLAVOUR = Flavour("openai", fingerprint="fp_simulator")


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    return {
        ("GET", "/v1/models"): models,
        ("GET", "/v1/models/"): partial(one_model, owner=OWNER),
        ("POST", "/v1/chat/completions"): chat,
        ("POST", "/v1/completions"): chat,
    }


def chat(site: Site, request: Request) -> Reply | None:
    ask = read_openai(site, request)
    return ask if isinstance(ask, Reply) else site.chat(request, ask, partial(OpenAIShape, FLAVOUR))


def models(site: Site, request: Request) -> Reply:
    refusal = refuse_key(site, request)
    return model_list(site, OWNER) if refusal is None else refusal


def unknown(site: Site, request: Request) -> Reply:
    return error(site, "no_route", f"{request.method} {request.path}")


def error(site: Site, kind: str, detail: str) -> Reply:
    return openai_error(kind, detail)
