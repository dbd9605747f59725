"""Ollama's library: models are pulled, deleted and turned into vectors; a strange Host header is refused.

Only the models of the programme can be pulled, and they are there at once.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tiltyard.servers.simulator import tokens
from tiltyard.servers.simulator.asking import read_body
from tiltyard.servers.simulator.config import SimModel
from tiltyard.servers.simulator.connection import Reply, Request, json_reply
from tiltyard.servers.simulator.shapes import encode

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Handler, Site

DIMENSIONS = 32
LOOPBACK = ("127.0.0.1", "::1", "localhost")
HOMELY = (".localhost", ".local", ".internal")


def guarded(handler: Handler) -> Handler:
    """The page, closed to requests that name a public host, where it listens on loopback alone."""

    def page(site: Site, request: Request) -> Reply | None:
        if site.config.host in LOOPBACK and not is_allowed(request.headers.get("host", "")):
            return Reply(403, b"", "text/plain")
        return handler(site, request)

    return page


def is_allowed(host: str) -> bool:
    """May a request name this host? Any address may be, and names of this machine or its network."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(HOMELY)
    return True


def _named(site: Site, request: Request) -> tuple[Mapping[str, Any], str] | Reply:
    payload = read_body(site, request)
    if isinstance(payload, Reply):
        return payload
    name = payload.get("model") or payload.get("name")
    return (payload, str(name)) if name else site.error("bad_request", "model is required")


def pull(site: Site, request: Request) -> Reply:
    found = _named(site, request)
    if isinstance(found, Reply):
        return found
    payload, name = found
    model = site.config.model(name)
    if model is None:
        steps: list[dict[str, Any]] = [{"error": "pull model manifest: file does not exist"}]
    else:
        site.deleted.discard(model.name)
        steps = _steps(model)
    if payload.get("stream") is False:
        return json_reply(steps[-1], 500 if model is None else 200)
    first = [] if model else [{"status": "pulling manifest"}]
    lines = [encode(step) + b"\n" for step in [*first, *steps]]
    return Reply(200, b"".join(lines), "application/x-ndjson")


def _steps(model: SimModel) -> list[dict[str, Any]]:
    name = f"sha256:{model.digest}"
    layer = {"status": f"pulling {model.digest[:12]}", "digest": name, "total": model.size}
    return [
        {"status": "pulling manifest"},
        layer,  # `completed` is missing while it is nothing
        {**layer, "completed": model.size // 2},
        {**layer, "completed": model.size},
        {"status": "verifying sha256 digest"},
        {"status": "writing manifest"},
        {"status": "success"},
    ]


def delete(site: Site, request: Request) -> Reply:
    found = _named(site, request)
    if isinstance(found, Reply):
        return found
    model = site.model(found[1])
    if model is None:
        return site.error("not_found", found[1])
    site.put_out(site.engine(model))
    site.deleted.add(model.name)
    return Reply(200, b"")


def vector(text: str) -> list[float]:
    """The same text has the same vector, of length 1."""
    rng = random.Random(text)
    parts = [rng.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = sum(part * part for part in parts) ** 0.5
    return [part / length for part in parts]


def embed(site: Site, request: Request) -> Reply:
    """POST /api/embed, and the older /api/embeddings of a single prompt."""
    found = _named(site, request)
    if isinstance(found, Reply):
        return found
    payload, name = found
    model = site.model(name)
    if model is None:
        return site.error("not_found", name)
    if request.path == "/api/embeddings":
        return json_reply({"embedding": vector(str(payload.get("prompt", "")))})
    texts = texts_of(payload.get("input"))
    counted = sum(map(tokens.count, texts))
    return json_reply({"model": name, "embeddings": list(map(vector, texts)), "prompt_eval_count": counted})


def texts_of(given: Any) -> list[str]:
    """One text or several."""
    return [str(each) for each in given] if isinstance(given, list) else [str(given or "")]


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("POST", "/api/pull"): pull,
    ("DELETE", "/api/delete"): delete,
    ("POST", "/api/embed"): embed,
    ("POST", "/api/embeddings"): embed,
}
