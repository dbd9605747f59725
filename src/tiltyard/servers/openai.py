"""The plain OpenAI dialect, for any base URL, and the ground that its relatives stand on.

A relative overrides what differs: where the chat is, what goes into the body, how it is identified and
what it knows of its models. Reading the stream is in `chat.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from tiltyard.errors import Unsupported
from tiltyard.records import Capture, Dialect, Exchange, Json, Model, Request, ServerInfo, Usage
from tiltyard.servers import Address, Loading
from tiltyard.servers.chat import chat_body, read_chat
from tiltyard.servers.chat_claims import plainly_another, same_letters
from tiltyard.servers.claims import judged
from tiltyard.servers.hub_cache import completed
from tiltyard.servers.moe import whole
from tiltyard.servers.names import (
    ACTIVE_BY_NAME,
    active_amount,
    match,
    not_found,
    quantization,
    same_model,
    shown,
)
from tiltyard.servers.notes import ANSWERED_BY, COLD, LOAD_UNTOLD, UNLISTED, USAGE_REFUSED
from tiltyard.servers.refused_fields import COUNTS, refused_field, without
from tiltyard.servers.replies import (
    base_url,
    fetch,
    is_cloud,
    is_local,
    let_in,
    not_a_model_server,
    rows,
    table,
    word,
)
from tiltyard.servers.wires import open_wire

RENAMED_LIMIT = "api.openai.com"  # its newer models refuse `max_tokens`


class OpenAI:
    """Any server with `/v1/models` and `/v1/chat/completions` (or the same without `/v1`)."""

    dialect: Dialect = "openai"
    can: frozenset[str] = frozenset({"seed", "tools", "schema"})
    from_folders = False  # its models are folders of config and weights, which may be on this machine
    versioned = False  # its answers' `system_fingerprint` is the engine's version
    tokenizer_page: str | None = None  # counts the tokens of a text, asked as vLLM is

    def __init__(self, address: Address) -> None:
        url = base_url(address.url)
        self.address = replace(address, url=url)
        self.info = ServerInfo(dialect=self.dialect, url=url, local=is_local(url))
        self.wire = open_wire(replace(address, url=base_url(address.url, login=True)))
        self.prefix = "/v1"
        self.catalogue: frozenset[str] = frozenset()  # the names in its list
        self.at_word: set[str] = set()  # names that its list lacks, as the user wrote them
        self.warm: set[str] = set()  # models that have answered
        self.refused: dict[str, set[str]] = {}  # the fields that a model refuses: a gateway has several kinds
        self.where = f"{self.dialect} at {self.address.url}"

    # ------------------------------------------------------------------ who it is

    async def identify(self) -> ServerInfo:
        listed = await self.listing()
        if listed is None:
            raise not_a_model_server(self.address.url, "no list of models under /v1/models")
        return self.info

    async def listing(self) -> list[Mapping[str, Json]] | None:
        """The models as the server lists them; None where the body is no such list. Finds the prefix out."""
        for prefix in dict.fromkeys((self.prefix, "/v1", "")):
            reply = await self.wire.call("GET", f"{prefix}/models")
            let_in(reply)
            items = table(reply.json()).get("data")
            if reply.status == 200 and isinstance(items, list):
                self.prefix = prefix
                found = [item for item in rows(items) if word(item.get("id"))]
                self.catalogue = frozenset(str(item["id"]) for item in found)
                return found
        return None

    async def models(self) -> list[Model]:
        return [self.model_of(item) for item in await self.listing() or []]

    def model_of(self, item: Mapping[str, Json]) -> Model:
        """A model from one entry of the list: little more than a name, and what the name gives away."""
        name = str(item["id"])
        active = active_amount(name)
        return Model(
            name=name,
            moe=True if active else None,
            active_parameters=active,
            quantization=quantization(name),
            context_max=whole(item.get("max_model_len")) or whole(item.get("context_length")),
            engine=self.dialect,
            engine_version=self.info.version,
            remote=is_cloud(self.address.url),
            notes=(ACTIVE_BY_NAME,) if active else (),
        )

    async def describe(self, model: str) -> Model:
        known = {each.name: each for each in await self.models()}
        name = match(model, list(known))
        if name is None:
            raise not_found(model, list(known), self.where)
        if self.from_folders and self.info.local:
            return await asyncio.to_thread(completed, known[name])
        return known[name]

    def take_at_word(self, name: str) -> Model:
        """A model that the list lacks. Gateways serve some under names of their own, and answer under
        others: deployments, wildcards, routes.
        """
        self.at_word.add(name)
        return self.model_of({"id": name})

    # ------------------------------------------------------------------ one exchange

    def extra(self, request: Request) -> dict[str, Any]:
        """What this dialect adds to the common body; strict servers refuse what they do not know."""
        extra: dict[str, Any] = {"reasoning_effort": request.think} if isinstance(request.think, str) else {}
        if urlsplit(self.address.url).hostname == RENAMED_LIMIT and request.max_tokens is not None:
            extra |= {"max_tokens": None, "max_completion_tokens": request.max_tokens}
        return extra

    def chat_path(self) -> str:
        return f"{self.prefix}/chat/completions"

    async def open_connections(self, count: int) -> None:
        await self.wire.open_ahead(count)

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        away = False if request.model in self.warm else await self.is_away(request.model)
        capture = await self.wire.stream(
            self.chat_path(),
            chat_body(request, extra=without(self.extra(request), request, self.refused_by(request.model))),
            scheduled_ns=scheduled_ns,
            timeouts=request.limits,
            request_id=request.request_id,
        )
        if capture.status == 200:
            self.warm.add(request.model)
        if away is False:
            return capture
        return replace(capture, notes=(*capture.notes, COLD if away else LOAD_UNTOLD))

    def unspoken(self) -> bool:
        return self.wire.unspoken()

    async def is_away(self, model: str) -> bool | None:
        """Does the server say that this model is not in memory, so that the next request loads it first?
        None: it says nothing.
        """
        return None

    def accepts(self, asked: str, served: str) -> bool:
        """May this name in an answer be the model that was asked for? Gateways have names of their own.

        A local server's list settles it: what stands there by itself is another model. Clouds list a model
        and its snapshots side by side.
        """
        if asked in self.at_word or same_model(asked, served):
            return True
        listed_apart = not is_cloud(self.address.url) and {asked, served} <= self.catalogue
        return not (listed_apart or plainly_another(asked, served))

    def doubts(self, asked: str, served: str) -> bool:
        """Is an accepted name no proof? Only here, where gateways are; its relatives know their own names."""
        known = same_model(asked, served) or same_letters(asked, served)
        return self.dialect == "openai" and not known

    def read(self, request: Request, capture: Capture) -> Exchange:
        told = read_chat(
            request,
            capture,
            accept=lambda served: self.accepts(request.model, served),
            versioned=self.versioned,
        )
        exchange = self.wire.without_pieces(told)
        served = exchange.model_served
        doubtful = exchange.ending == "ok" and served and self.doubts(request.model, served)
        more = [f"{ANSWERED_BY}{shown(served)}"] if served and doubtful else []
        if request.model in self.at_word:
            more.append(UNLISTED)
        if exchange.ending == "ok" and exchange.usage is None and COUNTS in self.refused_by(request.model):
            more.append(USAGE_REFUSED)
        return judged(request, exchange, *more, told="think" in self.can)

    def refused_by(self, model: str) -> set[str]:
        return self.refused.setdefault(model, set())

    async def send(self, request: Request, scheduled_ns: int | None = None) -> Exchange:
        """Asks again where a field was refused that may be written otherwise; `ask` then writes it so."""
        exchange = self.read(request, (await self.ask(request, scheduled_ns)).opened())
        field, refused = refused_field(exchange), self.refused_by(request.model)
        if field is None or field in refused:
            return exchange
        refused.add(field)
        again = await self.send(request)
        if again.ending == "http_error":  # so it was not about this field
            refused.discard(field)
        return again

    # ------------------------------------------------------------------ what only some can

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        if self.tokenizer_page is None:
            return None
        payload = {"model": model, "prompt": text, "add_special_tokens": False}
        return await self.counted(self.tokenizer_page, payload)

    async def count_chat(self, request: Request) -> Usage | None:
        return None

    async def counted(self, path: str, payload: Mapping[str, Json], key: str = "count") -> Usage | None:
        """What a page of the server's tokenizer counts, under `key`; None where it has no such page."""
        count = table((await self.wire.call("POST", path, payload)).json()).get(key)
        return Usage(prompt_tokens=count, source="tokenize") if isinstance(count, int) else None

    async def load(self, model: str, context: int | None = None) -> Loading:
        raise Unsupported(
            f"{self.where} cannot be told to load a model", "load it with the server's own means"
        )

    async def unload(self, model: str) -> None:
        raise Unsupported(
            f"{self.where} cannot be told to unload a model", "unload it with the server's own means"
        )

    async def close(self) -> None:
        await self.wire.close()

    async def get(self, path: str) -> Json:
        """JSON of a GET, None where the server has no such page."""
        return await fetch(self.wire, path)
