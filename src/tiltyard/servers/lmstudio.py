"""LM Studio: `/api/v1` lists, loads and unloads, `/api/v0` generates, `/v1` is the fallback.

It answers 200 to pages it does not have, so every page is known by its body. A request for one model may
be served by another that is loaded, and a full context ends as "stop": both are looked for.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from msgspec.structs import replace

from tiltyard.errors import ModelNotFound, ServerError, Unsupported
from tiltyard.records import Capture, Dialect, Exchange, Model, Request, ServerInfo
from tiltyard.servers import Address, Loading, lmstudio_v1
from tiltyard.servers.moe import whole
from tiltyard.servers.names import match, quantization, same_model
from tiltyard.servers.notes import CONTEXT_REACHED
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import not_a_model_server, rows, table, word

INSTANCE = re.compile(r":\d+$")
V0_KEYS = ("state", "compatibility_type", "arch")


class LMStudio(OpenAI):
    dialect: Dialect = "lmstudio"
    can = frozenset({"seed", "tools", "schema", "version"})

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.has_v0 = self.has_v1 = False
        self.contexts: dict[str, int] = {}  # loaded context by name, to notice a full one
        self.away: frozenset[str] = frozenset()  # models that were not in memory at the last look
        self.looked: set[tuple[str, bool]] = set()  # looked for which models; before, or after they answered
        self.looking: asyncio.Task[None] | None = None
        self.ours: dict[str, str] = {}  # which variant of a model was loaded here

    async def identify(self) -> ServerInfo:
        known = await self.models()
        if not (self.has_v0 or self.has_v1):
            raise not_a_model_server(
                self.address.url, "neither /api/v1/models nor /api/v0/models as LM Studio has them"
            )
        self.can = LMStudio.can | {"load", "unload", "own_context"} if self.has_v1 else LMStudio.can
        self.info = replace(self.info, loaded=tuple(each.name for each in known if each.loaded))
        return self.info

    async def models(self) -> list[Model]:
        """Both listings, merged by name: v1 knows sizes and loads, v0 architecture names and states."""
        v1 = lmstudio_v1.listed(await self.get("/api/v1/models"))
        v0 = v0_models(await self.get("/api/v0/models"))
        self.has_v1, self.has_v0 = v1 is not None, v0 is not None
        merged = {each.name: each for each in v0 or []}
        for model in v1 or []:
            merged[model.name] = completed(model, merged.get(model.name))
        self.contexts = {each.name: each.context_loaded for each in merged.values() if each.context_loaded}
        self.away = frozenset(each.name for each in merged.values() if each.loaded is False)
        return [
            replace(each, engine="lmstudio", engine_version=self.info.version) for each in merged.values()
        ]

    async def describe(self, model: str) -> Model:
        """One model; `name@q4_k_m` is a variant of `name`. The listing tells the size of the chosen one only,
        and not which one is in memory: that is known where it was loaded here.
        """
        try:
            return await super().describe(model)
        except ModelNotFound:
            name, variant = split_variant(model)
            if not variant:
                raise
        found = await super().describe(name)
        quant = quantization(model) or variant.upper()
        if found.quantization and found.quantization.casefold() == quant.casefold():
            return replace(found, name=model)
        other = lmstudio_v1.another_variant(found, model, quant)
        if self.ours.get(name) != model:
            return other
        return replace(other, loaded=found.loaded, context_loaded=found.context_loaded)

    def chat_path(self) -> str:
        return "/api/v0/chat/completions" if self.has_v0 else "/v1/chat/completions"

    def extra(self, request: Request) -> dict[str, Any]:
        extra = super().extra(request)
        extra["stream_options"] = {"include_usage": True}  # without it no usage comes at all
        return extra

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        await self.look_once(request.model)
        return await super().ask(request, scheduled_ns)

    async def look_once(self, model: str) -> None:
        """Look before a model's first request, and again once one has loaded it; requests that start
        together share the look.
        """
        name = split_variant(model)[0]
        seen = (name, model in self.warm and name in self.away)
        if seen in self.looked and (self.has_v0 or self.has_v1):
            return
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self.look())
        await asyncio.shield(self.looking)
        self.looked.add(seen)

    async def is_away(self, model: str) -> bool | None:
        """It is loaded just in time by the first request, which then waits for that."""
        if not (self.has_v0 or self.has_v1):
            return None
        name, variant = split_variant(model)
        if match(name, list(self.away)) is not None:
            return True
        return None if variant and self.ours.get(name) != model else False

    async def look(self) -> None:
        """Which pages there are, and which contexts are loaded. A dead server is the request's own news."""
        try:
            await self.models()
        except ServerError:
            return

    def read(self, request: Request, capture: Capture) -> Exchange:
        exchange = super().read(request, capture)
        if exchange.ending == "ok" and self.context_full(request, exchange):
            notes = tuple(dict.fromkeys((*exchange.notes, CONTEXT_REACHED)))
            return replace(exchange, finish_reason="length", notes=notes)
        return exchange

    def context_full(self, request: Request, exchange: Exchange) -> bool:
        """Did the answer end because the context was full? Its OpenAI layer does not say so."""
        if exchange.finish_reason == "contextLengthReached" or CONTEXT_REACHED in exchange.notes:
            return True
        context, usage = self.contexts.get(split_variant(request.model)[0]), exchange.usage
        if context is None or usage is None or exchange.finish_reason not in ("stop", None):
            return False
        return (usage.prompt_tokens or 0) + (usage.output_tokens or 0) >= context

    def accepts(self, asked: str, served: str) -> bool:
        """A model loaded twice answers as `name:2`; one may also be asked for so."""
        names = {(asked, served), (asked, INSTANCE.sub("", served)), (INSTANCE.sub("", asked), served)}
        return any(same_model(*pair) for pair in names)

    async def load(self, model: str, context: int | None = None) -> Loading:
        await self.need_v1()
        found = await self.describe(model)
        loading = await lmstudio_v1.load(self.wire, found, context or self.address.context)
        await self.models()
        self.ours[split_variant(found.name)[0]] = found.name
        return loading

    async def unload(self, model: str) -> None:
        await self.need_v1()
        found = await self.describe(model)
        name = split_variant(found.name)[0]
        await lmstudio_v1.unload(self.wire, name)
        self.contexts.pop(name, None)
        self.ours.pop(name, None)
        self.looked -= {(name, False), (name, True)}
        self.warm.discard(model)

    async def close(self) -> None:
        if self.looking is not None:
            self.looking.cancel()
        await super().close()

    async def need_v1(self) -> None:
        if not self.has_v1:
            await self.models()
        if not self.has_v1:
            raise Unsupported(
                f"{self.where} is older than 0.4.0 and loads models only when they are asked for",
                "update LM Studio, or load the model there",
            )


def split_variant(name: str) -> tuple[str, str]:
    """`qwen3@q4_k_m` as (`qwen3`, `q4_k_m`); the second is empty where there is no variant."""
    before, at, after = name.rpartition("@")
    return (before, after) if at and "/" not in after else (name, "")


def v0_models(value: Any) -> list[Model] | None:
    """The models of GET /api/v0/models; None where the body is not that page."""
    data = table(value).get("data")
    if not isinstance(data, list) or (
        data and not any(key in item for item in rows(data) for key in V0_KEYS)
    ):
        return None
    return [v0_model(item) for item in rows(data) if word(item.get("id"))]


def v0_model(item: Any) -> Model:
    kind, name = item.get("type"), str(item["id"])
    found = ["embedding"] if kind == "embeddings" else ["completion", "schema"]
    listed = item.get("capabilities")
    if isinstance(listed, list) and "tool_use" in listed:
        found.append("tools")
    if kind == "vlm":
        found.append("vision")
    return Model(
        name=name,
        architecture=word(item.get("arch")),
        quantization=word(item.get("quantization")) or quantization(name),
        context_max=whole(item.get("max_context_length")),
        context_loaded=whole(item.get("loaded_context_length")),
        loaded=item.get("state") == "loaded",
        capabilities=tuple(found),
    )


def completed(model: Model, other: Model | None) -> Model:
    """The model, with what it does not know filled in from the other listing."""
    if other is None:
        return model
    gaps = {
        name: getattr(other, name)
        for name in ("architecture", "quantization", "context_max", "context_loaded", "capabilities")
        if getattr(model, name) is None
    }
    return replace(model, **gaps)
