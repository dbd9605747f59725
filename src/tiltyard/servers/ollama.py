"""Ollama's native dialect: what it would choose by itself is said (think, num_ctx, truncate, keep_alive).

The stream is read in `ollama_stream.py`. Settings of the server's environment (KV cache type, flash
attention, parallel requests) are invisible over its API and so unknown here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from string import hexdigits
from typing import Any

import msgspec
from msgspec.structs import replace

from tiltyard.errors import ServerError, Unsupported
from tiltyard.records import Capture, Dialect, Exchange, Json, Message, Model, Request, ServerInfo, Usage
from tiltyard.servers import Address, Loading, moe
from tiltyard.servers.claims import judged
from tiltyard.servers.decoding import json_in
from tiltyard.servers.error_text import error_of_body
from tiltyard.servers.moe import whole
from tiltyard.servers.names import (
    ACTIVE_BY_NAME,
    active_amount,
    amount,
    match,
    not_found,
    quantization,
    tells_experts,
    told,
)
from tiltyard.servers.notes import COLD, CUT, LOAD_UNTOLD, MAYBE_CUT, PREFIX_SEEN
from tiltyard.servers.ollama_stream import read_ollama
from tiltyard.servers.recognise import lists_as_ollama
from tiltyard.servers.replies import (
    base_url,
    done,
    fetch,
    is_local,
    not_a_model_server,
    rows,
    table,
    until_gone,
    word,
)
from tiltyard.servers.surroundings import environment_of
from tiltyard.servers.wires import open_wire

PLAIN = "ask it as a plain server: --dialect openai"
CONTEXT = 4096  # where nobody says and the model is not loaded; the server's own choice depends on its VRAM
KEEP_ALIVE = "15m"
RESIDENT_S = 20.0  # how long we trust that a model which was in memory still is
PREFIX = 96  # characters at the beginning of a prompt that make it the same to a prefix cache
PREFIXES = 10_000  # remembered ones
UNLOAD_WAIT_S = 30.0
LOAD_WAIT_S = 900.0
PARALLEL = "OLLAMA_NUM_PARALLEL"
NO_DIGEST = "this server only imitates Ollama: its digest is not believed"
SETTINGS = ("OLLAMA_KV_CACHE_TYPE", "OLLAMA_FLASH_ATTENTION", PARALLEL)  # its API tells none of them


class Ollama:
    dialect: Dialect = "ollama"
    can = frozenset({"load", "unload", "seed", "tools", "schema", "think"})

    def __init__(self, address: Address) -> None:
        url = base_url(address.url)
        self.address = replace(address, url=url)
        self.info = ServerInfo(dialect=self.dialect, url=url, local=is_local(url))
        self.wire = open_wire(replace(address, url=base_url(address.url, login=True)))
        self.where = f"ollama at {self.address.url}"
        self.imitated = False  # for other programs: what it says of models is made up
        self.contexts: dict[str, int] = {}  # what each model was loaded with; a change would reload it
        self.resident: dict[str, float] = {}  # model -> when it was last seen in memory
        self.prefixes: dict[int, None] = {}
        self.looking: asyncio.Task[dict[str, Mapping[str, Json]] | None] | None = None

    # ------------------------------------------------------------------ who it is

    async def identify(self) -> ServerInfo:
        version = word(table(await fetch(self.wire, "/api/version")).get("version"))
        tags = table(await fetch(self.wire, "/api/tags"))
        by_v1: Json = None
        with suppress(ServerError):  # a page that hangs, or wants a key, makes nobody another
            by_v1 = table(await fetch(self.wire, "/v1/models")).get("data")
        self.imitated = isinstance(by_v1, list) and not lists_as_ollama(by_v1, tags)
        if version is None or not isinstance(tags.get("models"), list):
            if isinstance(by_v1, list):
                what = f"{self.address.url} is no Ollama: it lists its models under /v1 alone"
                raise Unsupported(what, PLAIN)
            raise not_a_model_server(self.address.url, "no /api/version and /api/tags as Ollama has them")
        loaded = tuple(await self.residents())
        known = environment_of(self.info.url, SETTINGS) if self.info.local else {}
        self.info = replace(
            self.info,
            version=version,
            loaded=loaded,
            slots=int(known[PARALLEL]) if known.get(PARALLEL, "").isdecimal() else None,
            notes=tuple(f"{name}={value}" for name, value in known.items()),
        )
        return self.info

    async def memory(self) -> dict[str, Mapping[str, Json]] | None:
        """What is in memory, from /api/ps, by name; None where there is no such page."""
        listed = table(await fetch(self.wire, "/api/ps")).get("models")
        if not isinstance(listed, list):
            return None
        return {name: item for item in rows(listed) if (name := name_of(item))}

    async def residents(self) -> dict[str, Mapping[str, Json]]:
        """What is known to be in memory."""
        return await self.memory() or {}

    async def shared_memory(self) -> dict[str, Mapping[str, Json]] | None:
        """What is in memory, asked once for all requests that start together."""
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self.memory())
        return await asyncio.shield(self.looking)

    async def models(self) -> list[Model]:
        tags, resident = await asyncio.gather(fetch(self.wire, "/api/tags"), self.residents())
        listed = [
            listed_model(item, resident.get(name_of(item) or ""), self.info.version)
            for item in rows(table(tags).get("models"))
            if name_of(item)
        ]
        if self.imitated:
            return [replace(model, digest=None, notes=(*model.notes, NO_DIGEST)) for model in listed]
        return without_doubt(listed)

    async def describe(self, model: str) -> Model:
        known = {each.name: each for each in await self.models()}
        name = match(model, list(known))
        if name is None:
            raise not_found(model, list(known), self.where)
        reply = await self.wire.call("POST", "/api/show", {"model": name})
        if reply.status == 404 and word(table(reply.json()).get("error")) is None:  # the page, not the model
            said = error_of_body(reply.status, reply.body)
            raise ServerError(f"{self.where} has no /api/show, as every Ollama has ({said})", PLAIN)
        return detailed(known[name], done(reply, f"describing {name}"))

    # ------------------------------------------------------------------ one exchange

    async def open_connections(self, count: int) -> None:
        await self.wire.open_ahead(count)

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        notes = await self.look(request)
        context = request.context or self.address.context or self.contexts.get(request.model) or CONTEXT
        self.contexts[request.model] = context
        capture = await self.wire.stream(
            "/api/chat",
            msgspec.json.encode(chat_payload(request, context)),
            scheduled_ns=scheduled_ns,
            timeouts=request.limits,
            request_id=request.request_id,
        )
        if capture.status == 200:
            self.resident[request.model] = time.monotonic()
        return replace(capture, notes=(*capture.notes, *notes)) if notes else capture

    def unspoken(self) -> bool:
        return self.wire.unspoken()

    async def look(self, request: Request) -> list[str]:
        """What only this side can know: is the model in memory, was such a prompt sent before?"""
        notes: list[str] = []
        seen = self.resident.get(request.model)
        if seen is None or time.monotonic() - seen > RESIDENT_S:
            try:
                resident = await self.shared_memory()
            except ServerError:  # the request itself will say so, with its times
                return [LOAD_UNTOLD]
            item = next((v for k, v in (resident or {}).items() if match(request.model, [k])), None)
            if item is None:
                notes.append(LOAD_UNTOLD if resident is None else COLD)
            else:
                context = whole(item.get("context_length"))
                if context is not None:
                    self.contexts.setdefault(request.model, context)
        key = hash((request.model, prompt_start(request)))
        if key in self.prefixes:
            notes.append(PREFIX_SEEN)
        elif len(self.prefixes) < PREFIXES:
            self.prefixes[key] = None
        return notes

    def read(self, request: Request, capture: Capture) -> Exchange:
        sent = request if request.think is not None else replace(request, think=False)
        exchange = judged(sent, self.wire.without_pieces(read_ollama(request, capture)))
        full = exchange.ending == "ok" and self.filled(request, exchange)
        if not full or CUT in exchange.notes or MAYBE_CUT in exchange.notes:
            return exchange
        return replace(exchange, notes=(*exchange.notes, MAYBE_CUT))

    def filled(self, request: Request, exchange: Exchange) -> bool:
        """Did the prompt take all of the context? Older versions cut it to just that."""
        context = request.context or self.contexts.get(request.model)
        counted = exchange.usage.prompt_tokens if exchange.usage else None
        return context is not None and counted is not None and counted >= context

    async def send(self, request: Request, scheduled_ns: int | None = None) -> Exchange:
        return self.read(request, (await self.ask(request, scheduled_ns)).opened())

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        return None

    async def count_chat(self, request: Request) -> Usage | None:
        return None

    # ------------------------------------------------------------------ in and out of memory

    async def load(self, model: str, context: int | None = None) -> Loading:
        """Load by an empty chat; the time is the call's wall time, the server's own is kept too."""
        before = await self.residents()
        name = match(model, list(before)) or model
        size = context or self.address.context or self.contexts.get(model) or CONTEXT
        loaded = name in before and whole(before[name].get("context_length")) in (None, size)
        payload = {**empty_chat(model, KEEP_ALIVE), "options": {"num_ctx": size}}
        start = time.perf_counter()
        reply = await self.wire.call("POST", "/api/chat", payload, timeout_s=LOAD_WAIT_S)
        wall_ms = (time.perf_counter() - start) * 1e3
        if reply.status == 404:
            raise not_found(model, [each.name for each in await self.models()], self.where)
        answer = done(reply, f"loading {model}")
        self.contexts[model] = await self.context_of(model) or size
        self.resident[model] = time.monotonic()
        ns = whole(answer.get("load_duration"))
        return Loading(
            load_ms=wall_ms, source="client", server_load_ms=ns / 1e6 if ns else None, was_loaded=loaded
        )

    async def context_of(self, model: str) -> int | None:
        """The context that the model really has, read back from /api/ps."""
        for name, item in (await self.residents()).items():
            if match(model, [name]):
                return whole(item.get("context_length"))
        return None

    async def unload(self, model: str) -> None:
        """Unload, and wait until /api/ps no longer lists it; raises ServerError where it stays."""
        reply = await self.wire.call("POST", "/api/chat", empty_chat(model, 0), timeout_s=UNLOAD_WAIT_S)
        if reply.status == 404:
            raise not_found(model, [each.name for each in await self.models()], self.where)
        done(reply, f"unloading {model}")
        self.resident.pop(model, None)
        self.contexts.pop(model, None)

        async def is_there() -> bool:
            return match(model, list(await self.residents())) is not None

        await until_gone(is_there, model, UNLOAD_WAIT_S, f"`ollama stop {model}` may help")

    async def close(self) -> None:
        if self.looking is not None:
            self.looking.cancel()
        await self.wire.close()


# ------------------------------------------------------------------ requests


def chat_payload(request: Request, context: int) -> dict[str, Any]:
    """The body of POST /api/chat. `think` is always there: left out, it would mean yes."""
    names = {call.id: call.name for message in request.messages for call in message.tool_calls if call.id}
    payload: dict[str, Any] = {
        "model": request.model,
        "messages": [message_of(each, names) for each in request.messages],
        "stream": True,
        "think": False if request.think is None else request.think,
        "truncate": False,  # a prompt that does not fit is refused, not cut in silence
        "keep_alive": KEEP_ALIVE,
        "options": options_of(request, context),
    }
    if request.tools:
        payload["tools"] = list(request.tools)
    if request.response_format is not None:
        payload["format"] = format_of(request.response_format)
    if request.logprobs:
        payload |= {"logprobs": True, "top_logprobs": min(request.logprobs, 20)}
    return payload


def options_of(request: Request, context: int) -> dict[str, Any]:
    """Sampling and context, of the right types: a wrong one is an error, an unknown name is ignored."""
    options: dict[str, Any] = {"num_ctx": context}
    if request.max_tokens is not None:
        options["num_predict"] = request.max_tokens
    if request.temperature is not None:
        options["temperature"] = float(request.temperature)
    if request.top_p is not None:
        options["top_p"] = float(request.top_p)
    if request.seed is not None:
        options["seed"] = request.seed
    if request.stop:
        options["stop"] = list(request.stop)
    return options


def message_of(message: Message, called: Mapping[str, str]) -> dict[str, Any]:
    """One message in Ollama's shape. A result names its tool: templates use that, not the call's id."""
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        out["thinking"] = message.reasoning
    if message.tool_calls:
        out["tool_calls"] = [
            {
                "id": call.id or "",
                "function": {"name": call.name, "arguments": arguments_object(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
        if message.tool_call_id in called:
            out["tool_name"] = called[message.tool_call_id]
    return out


def arguments_object(text: str) -> Json:
    """Arguments as the object that Ollama wants; a text that is none is wrapped rather than lost."""
    value = json_in(text.encode("utf-8", "replace"))
    return value if isinstance(value, dict) else {"_raw": text}


def format_of(wanted: Mapping[str, Json]) -> Json:
    """`json`, or the schema itself, out of an OpenAI response format."""
    return table(wanted.get("json_schema")).get("schema") or "json"


def empty_chat(model: str, keep_alive: str | int) -> dict[str, Any]:
    return {"model": model, "messages": [], "stream": False, "keep_alive": keep_alive}


def prompt_start(request: Request) -> str:
    return "\0".join(message.content[:PREFIX] for message in request.messages[:2])[:PREFIX]


# ------------------------------------------------------------------ identity


def name_of(item: Mapping[str, Json]) -> str | None:
    return word(item.get("name")) or word(item.get("model"))


def is_remote(item: Mapping[str, Json], name: str) -> bool:
    """Run in Ollama's cloud, though listed with the local ones?"""
    tag = name.rpartition(":")[2]
    return (
        bool(item.get("remote_host") or item.get("remote_model")) or tag == "cloud" or tag.endswith("-cloud")
    )


def digest_of(item: Mapping[str, Json]) -> str | None:
    """The digest of an entry; None for one that is none, as servers have it that imitate Ollama."""
    said = (word(item.get("digest")) or "").removeprefix("sha256:")
    return said if said.strip("0") and not said.strip(hexdigits) else None


def without_doubt(listed: list[Model]) -> list[Model]:
    """The same; a digest that models of different size share is none."""
    sizes: dict[str | None, set[int | None]] = {}
    for model in listed:
        sizes.setdefault(model.digest, set()).add(model.size_bytes)
    return [replace(each, digest=None) if len(sizes[each.digest]) > 1 else each for each in listed]


def quantization_of(details: Mapping[str, Json], name: str) -> str | None:
    """As the server calls it, else by the name: of formats that it does not know it says `unknown`."""
    said = word(details.get("quantization_level"))
    return quantization(name) if said is None or said.casefold() == "unknown" else said


def listed_model(item: Mapping[str, Json], resident: Mapping[str, Json] | None, version: str | None) -> Model:
    """A model from its entries in /api/tags and, where it is in memory, /api/ps."""
    name, details = name_of(item) or "", table(item.get("details"))
    words = details.get("parameter_size")
    known = active_amount(words)
    active = known or active_amount(name)
    memory = resident or {}
    on_gpu = None if memory.get("size") == 0 else memory.get("size_vram")  # both 0: nobody measured it
    remote = is_remote(item, name)
    notes = ("runs in Ollama's cloud",) if remote else ()
    return Model(
        name=name,
        digest=digest_of(item),
        architecture=word(details.get("family")),
        moe=True if active or tells_experts(words) else None,
        parameters=amount(words),
        active_parameters=active,
        quantization=quantization_of(details, name),
        context_max=whole(details.get("context_length")),
        context_loaded=whole(memory.get("context_length")),
        size_bytes=whole(item.get("size")),
        memory_bytes=whole(memory.get("size")),
        vram_bytes=on_gpu if isinstance(on_gpu, int) else None,
        loaded=resident is not None,
        capabilities=capabilities(item.get("capabilities")),
        engine="ollama",
        engine_version=version,
        remote=remote,
        notes=(*notes, ACTIVE_BY_NAME) if active and not known else notes,
    )


def detailed(model: Model, shown: Mapping[str, Json]) -> Model:
    """The model with what /api/show adds: exact parameters, experts, context, capabilities."""
    info, details = table(shown.get("model_info")), table(shown.get("details"))
    remote = model.remote or bool(shown.get("remote_host") or shown.get("remote_model"))
    architecture = word(info.get("general.architecture"))
    complete = f"{architecture}.block_count" in info and not remote  # of a cloud model it shows a few keys
    experts = moe.from_metadata(info, complete=complete)
    tensors = shown.get("tensors")
    counted = moe.totals(tensors, experts) if isinstance(tensors, list) else None
    exact = counted[0] if counted else whole(info.get("general.parameter_count"))
    parameters = exact or model.parameters  # the latter are rounded: no bits a weight from those
    told_apart = counted if experts.moe is not None else None  # else nobody knows which tensors rest
    active = told_apart[1] if told_apart else model.active_parameters
    is_moe = experts.moe if experts.moe is not None else model.moe
    notes = told(model.notes) if told_apart else model.notes
    draft = draft_tokens(word(shown.get("parameters")) or "")
    if draft:
        notes = (*notes, f"speculative decoding: draft_num_predict {draft}")
    apart = bool(shown.get("projector_info"))  # a projector of its own is in the size, not in `exact`
    size = None if remote or apart else model.size_bytes
    return replace(
        model,
        architecture=architecture or model.architecture,
        moe=is_moe,
        parameters=parameters,
        active_parameters=active if experts.moe or model.moe or is_moe is None else (active or parameters),
        quantization=quantization_of(details, model.name) or model.quantization,
        bits_per_weight=size * 8 / exact if size and exact else None,
        context_max=whole(info.get(f"{architecture}.context_length")) or model.context_max,
        capabilities=capabilities(shown.get("capabilities")) or model.capabilities,
        remote=remote,
        notes=notes,
    )


def capabilities(listed: Json) -> tuple[str, ...] | None:
    """In our words. A grammar holds every model that completes to a schema, so Ollama does not list that."""
    if not isinstance(listed, list):
        return None
    found = [each for each in listed if isinstance(each, str)]
    return (*found, "schema") if "completion" in found else tuple(found)


def draft_tokens(parameters: str) -> int | None:
    """`draft_num_predict` from the text of a model's parameters."""
    for line in parameters.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "draft_num_predict" and words[1].isdigit():
            return int(words[1])
    return None
