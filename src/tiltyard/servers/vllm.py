"""vLLM: fixed answer lengths, a salt that defeats the prefix cache, the token count in every chunk.

The role chunk that opens its streams carries no token and is no first token (`chat.py` knows).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tiltyard.records import Dialect, Json, Model, Request, ServerInfo, Usage
from tiltyard.servers import Address
from tiltyard.servers.chat_body import full_length, message_fields, thinking_switch
from tiltyard.servers.names import same_model
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import not_a_model_server, table, word


class Vllm(OpenAI):
    dialect: Dialect = "vllm"
    from_folders = True
    tokenizer_page = "/tokenize"
    can = frozenset({"tokenize", "ignore_eos", "cache_off", "seed", "tools", "schema", "think"})

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.roots: dict[str, Json] = {}  # the weights behind each name: a model may be served under several

    async def listing(self) -> list[Mapping[str, Json]] | None:
        items = await super().listing()
        self.roots = {str(item["id"]): item.get("root") for item in items or []}
        return items

    async def identify(self) -> ServerInfo:
        listed = await self.listing()
        if listed is None:
            raise not_a_model_server(self.address.url, "no list of models under /v1/models")
        version = word(table(await self.get("/version")).get("version"))
        loaded = tuple(str(item["id"]) for item in listed)  # it serves what it has in memory
        self.info = replace(self.info, version=version, loaded=loaded)
        return self.info

    def model_of(self, item: Mapping[str, Json]) -> Model:
        model = super().model_of(item)
        return replace(model, context_loaded=model.context_max, loaded=True, path=word(item.get("root")))

    def extra(self, request: Request) -> dict[str, Any]:
        extra = thinking_switch(request) | full_length(request)
        # Tells the tokens of each chunk, which may be several with speculative decoding.
        extra["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
        if request.cache_prompt is False:
            extra["cache_salt"] = secrets.token_hex(16)
        return extra

    def accepts(self, asked: str, served: str) -> bool:
        """It answers under the first of a model's names, which share their root."""
        root = word(self.roots.get(asked))
        return same_model(asked, served) or (root is not None and root == self.roots.get(served, served))

    async def count_chat(self, request: Request) -> Usage | None:
        messages = [message_fields(each) for each in request.messages]
        return await self.counted("/tokenize", {"model": request.model, "messages": messages})
