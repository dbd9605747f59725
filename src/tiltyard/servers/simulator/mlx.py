"""mlx_lm.server: HTTP/1.0, no chunked request bodies, comments during prefill, no timings.

The end of the body is the end of the connection; an error inside the stream is just that end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tiltyard.servers.simulator.asking import model_list, one_model, openai_error, read_openai
from tiltyard.servers.simulator.chunks import Flavour, OpenAIShape
from tiltyard.servers.simulator.config import SimConfig
from tiltyard.servers.simulator.connection import Reply, Request, json_reply
from tiltyard.servers.simulator.shapes import Spent

if TYPE_CHECKING:
    from tiltyard.servers.simulator.site import Handler, Site

FINGERPRINT = "0.32.0-0.30.1-macOS-15.5-arm64-arm-64bit-applegpu_g14s"
_DEFAULT_TOKENS = 512


def _progress(shape: OpenAIShape, done: int, spent: Spent) -> bytes | None:
    return b": keepalive %d/%d\n\n" % (spent.cached + done, spent.prompt)


def _closing(shape: OpenAIShape, spent: Spent) -> list[bytes]:
    # The usage chunk calls itself a completion, not a chunk.
    old, new = b'"chat.completion.chunk"', b'"chat.completion"'
    return [
        event.replace(old, new) if b'"choices":[]' in event else event for event in shape.plain_closing(spent)
    ]


FLAVOUR = Flavour(
    "mlx",
    fingerprint=FINGERPRINT,
    role="always",
    reasoning="reasoning",
    whole_calls=True,
    error_form="mlx",
    progress=_progress,
    closing=_closing,
)


def routes(dialect: str, config: SimConfig) -> Mapping[tuple[str, str], Handler]:
    return {
        ("GET", "/health"): lambda site, request: json_reply({"status": "ok"}),
        ("GET", "/v1/models"): lambda site, request: model_list(site, {}),
        ("GET", "/v1/models/"): partial(one_model, owner={}),
        ("POST", "/v1/chat/completions"): chat,
        ("POST", "/chat/completions"): chat,
        ("POST", "/v1/completions"): chat,
    }


def chat(site: Site, request: Request) -> Reply | None:
    if (
        "chunked" in request.headers.get("transfer-encoding", "").lower()
        or "content-length" not in request.headers
    ):
        return Reply(411, b'{"error": "Content-Length header is required"}')
    if _wrong_type(request.json()):
        request.connection.transport.close()
        return None
    ask = read_openai(site, request)
    if isinstance(ask, Reply):
        return ask
    ask.schema = None  # it knows no response_format
    ask.ignore_eos = False
    if ask.max_tokens is None:
        ask.max_tokens = _DEFAULT_TOKENS
        if ask.model.stops_at is None:
            ask.max_tokens = min(_DEFAULT_TOKENS, ask.model.natural_tokens)
    return site.chat(request, ask, partial(OpenAIShape, FLAVOUR))


def _wrong_type(payload: Any) -> bool:
    """Is a parameter of a wrong type? Its handler fails on that, and the connection just closes."""
    if not isinstance(payload, Mapping):
        return False
    numbers = [payload[name] for name in ("max_tokens", "temperature", "top_p", "seed") if name in payload]
    return not all(isinstance(each, int | float) for each in numbers)


def unknown(site: Site, request: Request) -> Reply:
    return Reply(404, b"Not Found")


def error(site: Site, kind: str, detail: str) -> Reply:
    if kind == "not_found":
        return json_reply({"error": f"401 Client Error. Repository Not Found for {detail}"}, 404)
    reply = openai_error(kind, detail)
    return json_reply({"error": kind.replace("_", " ")}, reply.status)
