"""mlx_lm.server: HTTP/1.0, no schemas, and a habit of downloading whatever model it is asked for.

So only ids that it listed (or `default_model`) are ever sent, and the two defaults that would surprise
(512 tokens, temperature 0) are always sent as numbers. Its mid-stream failures are plain closed sockets.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tiltyard.errors import NoServer, ServerError
from tiltyard.records import Capture, Dialect, Ending, Exchange, Request, ServerInfo, Timeline
from tiltyard.servers import Address
from tiltyard.servers.clock import now_ns, unix_offset_ns
from tiltyard.servers.error_text import error_of_body, web_page
from tiltyard.servers.names import not_found, same_model
from tiltyard.servers.notes import SCHEMA_NOT_SENT
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import not_a_model_server, table

MAX_TOKENS = 4096  # where the request leaves it open; the server's own default is 512
TEMPERATURE = 0.0  # the server's own default, made visible
DEFAULT_MODEL = "default_model"  # its name for what it was started with


class Mlx(OpenAI):
    dialect: Dialect = "mlx"
    from_folders = True
    versioned = True
    can = frozenset({"seed", "tools", "think", "version"})

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.listed: frozenset[str] = frozenset({DEFAULT_MODEL})

    async def identify(self) -> ServerInfo:
        health = table(await self.get("/health"))
        if health.get("status") != "ok" or await self.listing() is None:
            raise not_a_model_server(
                self.address.url, "no health page and list of models as mlx_lm.server has them"
            )
        return self.info

    async def listing(self) -> Any:
        items = await super().listing()
        self.listed = frozenset(str(item["id"]) for item in items or []) | {DEFAULT_MODEL}
        return items

    def extra(self, request: Request) -> dict[str, Any]:
        extra: dict[str, Any] = {
            "max_tokens": MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            "temperature": TEMPERATURE if request.temperature is None else request.temperature,
        }
        if isinstance(request.think, bool):
            extra["chat_template_kwargs"] = {"enable_thinking": request.think}
        return extra

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        """Sends nothing for a model that is not listed: merely asking would start a download."""
        try:
            await self.find(request.model)
        except ServerError as error:
            now = now_ns()
            timeline = Timeline(
                scheduled_ns=now if scheduled_ns is None else scheduled_ns,
                started_ns=now,
                closed_ns=now,
                origin_unix_ns=unix_offset_ns(),
            )
            failure: Ending = "connect_error" if isinstance(error, NoServer) else "http_error"
            return Capture(timeline=timeline, failure=failure, error=str(error))
        return await super().ask(replace(request, response_format=None), scheduled_ns)

    async def find(self, model: str) -> None:
        """Look into the list, anew where the model is not in the one known; raises ServerError."""
        if model in self.listed:
            return
        if await self.listing() is None:
            page = await self.wire.call("GET", f"{self.prefix}/models")
            seen = web_page(page.headers.get("content-type", ""), page.body)
            raise ServerError(seen or error_of_body(page.status, page.body), "check the address and the port")
        if model not in self.listed:
            raise not_found(model, sorted(self.listed - {DEFAULT_MODEL}), self.where)

    def accepts(self, asked: str, served: str) -> bool:
        return asked == DEFAULT_MODEL or same_model(asked, served)

    def read(self, request: Request, capture: Capture) -> Exchange:
        exchange = super().read(request, capture)
        if request.response_format is not None:
            exchange = replace(exchange, notes=(*exchange.notes, SCHEMA_NOT_SENT))
        return exchange
