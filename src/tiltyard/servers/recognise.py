"""Which dialect does somebody speak? Known by the shape of bodies, never by a status.

LM Studio answers 200 to pages it does not have, llama-server imitates some of Ollama's, and proxies imitate
anything; so the marks that only one server has are looked for first, and `/v1/models` alone is plain
`openai`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tiltyard.records import Dialect, Json
from tiltyard.servers import lmstudio_v1
from tiltyard.servers.llamacpp import looks_like_props
from tiltyard.servers.llamacpp_router import is_router
from tiltyard.servers.lmstudio import v0_models
from tiltyard.servers.replies import rows, table, word
from tiltyard.servers.wire import Reply

Get = Callable[[str], Awaitable[Reply]]

LISTED_BY: dict[str, Dialect] = {"llamacpp": "llamacpp", "vllm": "vllm", "sglang": "sglang"}
NOT_OLLAMA = (None, "koboldcpp", "lemonade")  # owners in the list of who imitates it: LocalAI names none
HEALTH = "/health"  # gateways may take many seconds over it, as they ask all whom they stand for
PAGES = (
    *("/props", "/v1/models", "/api/version", "/api/tags", "/api/v1/models", "/api/v0/models"),
    *("/get_model_info", "/models", HEALTH),
)
MLX_KEYS = frozenset({"id", "object", "created"})


async def recognise(get: Get) -> Dialect | None:
    """The dialect, or None for somebody who is no model server. `get` may be called for any path."""

    async def body(path: str) -> Json:
        return (await get(path)).json()

    if looks_like_props(table(await body("/props"))):
        return "llamacpp"
    tags = await body("/api/tags")
    if is_ollama(await body("/api/version"), tags):
        # Who only imitates it has its models under /v1 as well. An old one has neither that nor /api/ps.
        by_v1 = table(await body("/v1/models")).get("data")
        if not isinstance(by_v1, list) or (lists_as_ollama(by_v1, tags) and await is_whole(get, "ollama")):
            return "ollama"
    if lmstudio_v1.listed(await body("/api/v1/models")) is not None:
        return "lmstudio"
    if v0_models(await body("/api/v0/models")) is not None:
        return "lmstudio"
    if tells_model(table(await body("/get_model_info"))):
        return "sglang"
    listed = await by_list(get)
    if listed is not None:
        return listed
    return "llamacpp" if is_loading_llama(await get(HEALTH)) else None


async def by_list(get: Get) -> Dialect | None:
    """From the OpenAI list of models: who signs it, and what its entries hold."""
    reply = await get("/v1/models")
    listed = table(reply.json()).get("data")
    if not isinstance(listed, list):
        reply = await get("/models")
        listed = table(reply.json()).get("data")
    if not isinstance(listed, list):
        return None
    items = rows(listed)
    if items and is_router({}, table((await get("/models")).json()).get("data")):
        return "llamacpp"
    for item in items:
        dialect = LISTED_BY.get(word(item.get("owned_by")) or "")
        if dialect:
            return dialect if await is_whole(get, dialect) else "openai"
    if any("max_model_len" in item for item in items):
        return "vllm"
    bare = all(set(item) <= MLX_KEYS for item in items)
    if bare and "BaseHTTP" in reply.headers.get("server", ""):
        return "mlx" if table((await get(HEALTH)).json()).get("status") == "ok" else "openai"
    return "openai"


async def is_whole(get: Get, dialect: Dialect) -> bool:
    """Are the pages there that this dialect is of no use without? A proxy may pass on nothing but /v1.

    Where one wants a key, fails, or does not answer in time, nobody can tell: the dialect will say so.
    """
    if dialect not in OWN_PAGES:
        return True
    paths, looks_right = OWN_PAGES[dialect]
    replies = [await get(path) for path in paths]
    unknown = any(reply.status == 401 or not 200 <= reply.status < 500 for reply in replies)
    return unknown or any(looks_right(table(reply.json())) for reply in replies)


def tells_model(page: Mapping[str, Json]) -> bool:
    """Does a page of SGLang's tell which model it serves?"""
    return word(page.get("model_path")) is not None


def tells_memory(page: Mapping[str, Json]) -> bool:
    """Does Ollama's page of what is in memory look so?"""
    return isinstance(page.get("models"), list)


# Pages of which a dialect needs one, and how such a page looks.
OWN_PAGES: dict[Dialect, tuple[tuple[str, ...], Callable[[Mapping[str, Json]], bool]]] = {
    "llamacpp": (("/props",), looks_like_props),
    "ollama": (("/api/ps",), tells_memory),
    "sglang": (("/get_model_info", "/server_info", "/get_server_info"), tells_model),
}


def is_loading_llama(health: Reply) -> bool:
    """The 503 of a llama-server that loads its model: it has no other page to show yet."""
    error = table(table(health.json()).get("error"))
    return error.get("type") == "unavailable_error" and error.get("code") == 503


def is_ollama(version: Json, tags: Json) -> bool:
    """A version page alone is easily imitated; the list of tags has a shape of its own."""
    return word(table(version).get("version")) is not None and isinstance(table(tags).get("models"), list)


def lists_as_ollama(by_v1: Json, tags: Json) -> bool:
    """Are the models under /v1 those of the tags, by the same names, with all that Ollama tells there? Who
    imitates it for others' chat programs knows the names of its own models otherwise.
    """
    listed, tagged = rows(by_v1), rows(table(tags).get("models"))
    return {word(item.get("id")) for item in listed} == {word(item.get("name")) for item in tagged} and all(
        "created" in item and word(item.get("owned_by")) not in NOT_OLLAMA for item in listed
    )
