"""Addresses and management replies: what a URL means, what a short answer says, which error it amounts to.

Servers lie with statuses, so everything here looks at bodies; odd JSON gives None or an empty list, never
a crash.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from tiltyard import settings
from tiltyard.errors import NotAModelServer, ServerError, Unauthorized, UsageError
from tiltyard.records import Json
from tiltyard.servers.decoding import json_in
from tiltyard.servers.error_text import error_of_body
from tiltyard.servers.wire import Reply, Wire

KEY_REMEDY = "give the key with TILTYARD_API_KEY or --api-key-env NAME, and name its server: --server URL"
POLL_S = 0.05
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
# The pages whose addresses people copy. `/api` alone is part of the address: gateways have their pages below.
PAGE = re.compile(
    r"(/v1(/(chat/completions|completions|models))?|/(chat/)?completions"
    r"|/api/(chat|generate|tags|v1/chat|v0/(chat/completions|completions|models)))$"
)


def base_url(text: str, *, login: bool = False) -> str:
    """A server's address from what people write: a scheme is added, end slashes are dropped.

    `0.0.0.0` and `[::]`, which servers bind but nobody can connect to everywhere, become loopback; a `/v1`
    at the end (how OpenAI clients write it) is dropped, and so is the path of a well-known page. User and
    password are kept only with `login`, for the connection: what is shown and stored must not have them. A
    query is refused, and not repeated: it may be a key, and would never be sent. Raises UsageError.
    """
    written = text.strip()
    if "?" in written or "#" in written:
        raise UsageError("the address of a server holds a ? or a #: neither is sent to it", KEY_REMEDY)
    try:
        parts = urlsplit(written if SCHEME.match(written) else f"http://{written}")
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # as it is looked up: no label may be empty, or of more than 63 letters
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or port == 0 or any(c.isspace() for c in host):
        shown = settings.without_login(text)
        raise UsageError(f"{shown!r} is not the address of a server", "write it like http://127.0.0.1:11434")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    origin = f"[{host}]" if ":" in host else host
    if port is not None:
        origin += f":{port}"
    user, at, _ = parts.netloc.rpartition("@")
    if login and at:
        origin = f"{user}@{origin}"
    return f"{parts.scheme}://{origin}{PAGE.sub('', parts.path.rstrip('/'))}"


def is_local(url: str) -> bool:
    """Is it this machine, so that its telemetry is ours to read?"""
    host = urlsplit(url).hostname or ""
    return settings.is_local(host) or host.casefold() == socket.gethostname().casefold() or _is_ours(host)


def _is_ours(address: str) -> bool:
    """Does a network interface of this machine have this address? Nobody else can listen on one."""
    try:
        family = socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True


def is_cloud(url: str) -> bool:
    """Is it somebody else's service: TLS and a public name? (A machine in the house is neither.)"""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "https" and ipaddress.ip_address(host).is_global
    except ValueError:
        return (
            parts.scheme == "https"
            and "." in host
            and not host.endswith((".local", ".lan", ".home", ".internal"))
        )


def table(value: Json) -> Mapping[str, Json]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Json) -> list[Mapping[str, Json]]:
    """The objects of a list; an empty list for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def word(value: Json) -> str | None:
    """The value if it is a text that says something, else None."""
    return value if isinstance(value, str) and value else None


async def fetch(wire: Wire, path: str) -> Json:
    """JSON of a GET that was answered 200, else None; raises NoServer and, for 401 and 403, Unauthorized."""
    reply = await wire.call("GET", path)
    let_in(reply)
    return reply.json() if reply.status == 200 else None


def cloud_refusal(status: int | None, body: bytes) -> tuple[str, str] | None:
    """What an Ollama says that may not use its cloud for us, and the remedy; None for any other answer. It is
    not about a key of ours, and the link that it sends is left out: it holds one of the server's.
    """
    if status not in (401, 403):
        return None
    said = table(json_in(body))
    if word(said.get("signin_url")):
        return (
            "the server is not signed in to Ollama's cloud, where this model runs (`ollama signin`)",
            "run `ollama signin` on the server's machine: it shows a link; or take a local model",
        )
    if "cloud is disabled" in (word(said.get("error")) or "").casefold():
        return (
            "this model runs in Ollama's cloud, which is disabled on this server",
            "take a local model: `tiltyard models` says which run in the cloud; or enable it on the server",
        )
    return None


def let_in(reply: Reply) -> None:
    """Raises Unauthorized where the reply refuses us, and ServerError where it refuses its cloud."""
    cloud = cloud_refusal(reply.status, reply.body)
    if cloud is not None:
        raise ServerError(*cloud)
    if reply.status == 403 and not reply.body.strip():
        raise Unauthorized(
            "the server refuses our Host header (403 with an empty body)",
            "address it as 127.0.0.1 or localhost, or set OLLAMA_HOST on the server to the address you use",
        )
    if reply.status in (401, 403):
        raise Unauthorized(
            f"the server lets nobody in without its key ({error_of_body(reply.status, reply.body)})",
            KEY_REMEDY,
        )


def done(reply: Reply, what: str) -> Mapping[str, Json]:
    """The object in a reply to an order such as loading a model; raises ServerError where it says no."""
    let_in(reply)
    value = reply.json()
    if reply.status >= 400 or "error" in table(value):
        reason = error_of_body(reply.status, reply.body)
        raise ServerError(f"{what} failed: {reason}", "look at the server's own log")
    return table(value)


async def until_gone(
    is_there: Callable[[], Awaitable[bool]], model: str, limit_s: float, remedy: str
) -> None:
    """Wait until a model that was told to leave the memory has left it; raises ServerError where it stays."""
    end = time.monotonic() + limit_s
    while await is_there():
        if time.monotonic() > end:
            raise ServerError(f"{model} is still in memory after {limit_s:.0f} s", remedy)
        await asyncio.sleep(POLL_S)


def not_a_model_server(url: str, seen: str) -> NotAModelServer:
    return NotAModelServer(
        f"{url} answers, but not as a model server ({seen})",
        "check the port; if it does serve models under /v1, as through a proxy, say so: "
        "`tiltyard run ... --dialect openai --server URL`",
    )
