"""Tiltyard's own simulator, said to be what it is.

Each of its ports imitates one dialect to the letter, so the client of that dialect does the work; here it is
only made sure that the simulator answers, and that its results are labelled.
"""

from __future__ import annotations

from msgspec.structs import replace

from tiltyard.records import Capture, Exchange, Model, Request, ServerInfo, Usage
from tiltyard.servers import Address, Loading, Server
from tiltyard.servers.connect import find_dialect, open_server
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.replies import base_url, fetch, is_local, not_a_model_server, table
from tiltyard.servers.wires import open_wire

ABOUT = "/tiltyard"
NAME = "tiltyard-simulator"


class Simulated:
    """One port of a simulator, through the client of the dialect that it imitates."""

    def __init__(self, address: Address) -> None:
        self.address = replace(address, url=base_url(address.url))
        self.inner: Server = OpenAI(self.address)
        self.info = ServerInfo(dialect="simulator", url=self.address.url, local=is_local(self.address.url))

    @property
    def can(self) -> frozenset[str]:
        return self.inner.can

    async def identify(self) -> ServerInfo:
        wire = open_wire(self.address)
        try:
            about = table(await fetch(wire, ABOUT))
        finally:
            await wire.close()
        if about.get("server") != NAME:
            raise not_a_model_server(self.address.url, "it is not what `tiltyard simulate` starts")
        await self.inner.close()
        self.inner = open_server(await find_dialect(self.address), self.address)
        known = await self.inner.identify()
        notes = (f"simulated {known.dialect}: made-up models of programmed speed", *known.notes)
        self.info = replace(known, dialect="simulator", notes=notes)
        return self.info

    async def models(self) -> list[Model]:
        return await self.inner.models()

    async def describe(self, model: str) -> Model:
        return await self.inner.describe(model)

    async def open_connections(self, count: int) -> None:
        await self.inner.open_connections(count)

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        return await self.inner.ask(request, scheduled_ns)

    def unspoken(self) -> bool:
        return self.inner.unspoken()

    def read(self, request: Request, capture: Capture) -> Exchange:
        return self.inner.read(request, capture)

    async def send(self, request: Request, scheduled_ns: int | None = None) -> Exchange:
        return await self.inner.send(request, scheduled_ns)

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        return await self.inner.count_tokens(model, text)

    async def count_chat(self, request: Request) -> Usage | None:
        return await self.inner.count_chat(request)

    async def load(self, model: str, context: int | None = None) -> Loading:
        return await self.inner.load(model, context)

    async def unload(self, model: str) -> None:
        await self.inner.unload(model)

    async def close(self) -> None:
        await self.inner.close()
