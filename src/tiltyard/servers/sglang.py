"""SGLang: an OpenAI relative that can empty its cache before an honest prefill.

Its information page was renamed (`/get_server_info` to `/server_info`); both names are asked. The cache is
emptied between requests that come one at a time; those that run together have only their unique prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tiltyard.errors import NoServer
from tiltyard.records import Capture, Dialect, Json, Model, Request, ServerInfo
from tiltyard.servers import Address
from tiltyard.servers.chat_body import full_length, thinking_switch
from tiltyard.servers.clock import now_ns
from tiltyard.servers.moe import whole
from tiltyard.servers.names import same_model
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import not_a_model_server, table, word


class SGLang(OpenAI):
    dialect: Dialect = "sglang"
    from_folders = True
    tokenizer_page = "/tokenize"
    can = frozenset({"tokenize", "ignore_eos", "cache_off", "seed", "tools", "schema", "think"})

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.facts: Mapping[str, Json] = {}
        self.model_path: str | None = None
        self.under_way = 0  # requests
        self.together = False  # did the last one begin beside another?

    async def identify(self) -> ServerInfo:
        model = table(await self.get("/get_model_info"))
        self.facts = table(await self.get("/server_info")) or table(await self.get("/get_server_info"))
        if not word(model.get("model_path")) and not word(self.facts.get("model_path")):
            raise not_a_model_server(
                self.address.url, "neither /get_model_info nor /server_info tells of a model"
            )
        self.model_path = word(model.get("model_path")) or word(self.facts.get("model_path"))
        loaded = tuple(str(item["id"]) for item in await self.listing() or [])
        slots = whole(self.facts.get("max_running_requests"))
        self.info = replace(self.info, version=word(self.facts.get("version")), slots=slots, loaded=loaded)
        return self.info

    def model_of(self, item: Mapping[str, Json]) -> Model:
        model = super().model_of(item)
        context = model.context_max or whole(self.facts.get("context_length"))
        known = word(self.facts.get("quantization"))
        return replace(
            model,
            context_max=context,
            context_loaded=context,
            quantization=known or model.quantization,
            loaded=True,
            path=self.model_path,
        )

    def extra(self, request: Request) -> dict[str, Any]:
        return thinking_switch(request) | full_length(request)

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        alone, joined = self.under_way == 0, self.together
        self.together = not alone
        self.under_way += 1
        try:
            # Streams that began together end together, so the first of the next ones is not alone for long.
            if request.cache_prompt is False and alone and not joined:
                before_ns = now_ns()
                await self.flush()
                if scheduled_ns is not None:  # the flush is ours: nobody waits for the server meanwhile
                    scheduled_ns += now_ns() - before_ns
            return await super().ask(request, scheduled_ns)
        finally:
            self.under_way -= 1

    async def flush(self) -> None:
        """Empty the prefix cache; a busy server refuses, and then only the prompt's nonce protects us."""
        try:
            await self.wire.call("POST", "/flush_cache")
        except NoServer:  # the request itself will say so, with its times
            return

    def accepts(self, asked: str, served: str) -> bool:
        return same_model(asked, served) or served == self.model_path
