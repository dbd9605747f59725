"""llama-server's router mode: several models behind one port, loaded and unloaded on request.

A status of `failed` alone is no crash: intentional unloads were reported so (build 9090); the exit code
decides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from itertools import pairwise
from urllib.parse import quote

from tiltyard.errors import ServerError
from tiltyard.records import Json, Model, Record
from tiltyard.servers import Loading
from tiltyard.servers.moe import whole
from tiltyard.servers.names import ACTIVE_BY_NAME, active_amount, not_found, quantization
from tiltyard.servers.replies import POLL_S, done, fetch, rows, table, until_gone, word
from tiltyard.servers.wire import Wire

LOAD_WAIT_S = 600.0
UNLOAD_WAIT_S = 60.0
AWAY = ("unloaded", "failed", "")


class Entry(Record, frozen=True):
    """One model as the router lists it."""

    name: str
    status: str  # unloaded, loading, loaded, sleeping, downloading; or failed
    path: str | None = None
    exit_code: int | None = None
    failed: bool = False
    context: int | None = None  # from the arguments of its own process

    @property
    def loaded(self) -> bool:
        return self.status == "loaded"

    @property
    def crashed(self) -> bool:
        """Failed with an exit code that says so; an intentional unload ends with 0 or by our own signal."""
        return self.failed and self.exit_code not in (None, 0, -15, 15, 143)

    def model(self) -> Model:
        active = active_amount(self.name)
        asleep = ("asleep: the first request loads the weights again",) if self.status == "sleeping" else ()
        news = (f"its process ended with code {self.exit_code}",) if self.crashed else asleep
        return Model(
            name=self.name,
            moe=True if active else None,
            active_parameters=active,
            quantization=quantization(self.name) or quantization(self.path or ""),
            context_loaded=self.context if self.loaded else None,
            loaded=self.loaded,
            path=self.path,
            notes=(*news, ACTIVE_BY_NAME) if active else news,
        )


def is_router(props: Mapping[str, Json], listed: Json) -> bool:
    """Does the list of models carry states, as only the router's does?"""
    items = rows(listed)
    if items:
        return all("value" in table(item.get("status")) for item in items)
    return props.get("role") == "router"


def entries(listed: Json) -> list[Entry]:
    """The models of GET /models."""
    found = []
    for item in rows(listed):
        status, name = table(item.get("status")), word(item.get("id"))
        if name is None:
            continue
        code = status.get("exit_code")
        arguments = status.get("args")
        found.append(
            Entry(
                name=name,
                status=word(status.get("value")) or "",
                path=word(item.get("path"))
                or word(status.get("path"))
                or argument(arguments, "--model", "-m"),
                exit_code=code if isinstance(code, int) else None,
                failed=status.get("failed") is True or status.get("value") == "failed",
                context=number(argument(arguments, "--ctx-size", "-c")),
            )
        )
    return found


def argument(arguments: Json, *names: str) -> str | None:
    """The value that follows one of these options in a command line."""
    words = [each for each in arguments if isinstance(each, str)] if isinstance(arguments, list) else []
    for before, after in pairwise(words):
        if before in names:
            return after
    return None


def number(text: str | None) -> int | None:
    return whole(int(text)) if text and text.isdigit() else None


def page(path: str, model: str) -> str:
    """A GET that the router should hand on to the process of one model."""
    return f"{path}?model={quote(model, safe='')}"


async def find(wire: Wire, model: str) -> Entry:
    listed = entries(table(await fetch(wire, "/models")).get("data"))
    for entry in listed:
        if entry.name == model:
            return entry
    raise not_found(model, [entry.name for entry in listed], "the llama.cpp router")


async def load(wire: Wire, model: str) -> Loading:
    """Load and wait until the list says so. Raises ServerError where its process dies."""
    if (await find(wire, model)).loaded:
        return Loading(load_ms=0.0, source="client", was_loaded=True)
    start = time.perf_counter()
    done(await wire.call("POST", "/models/load", {"model": model}, timeout_s=LOAD_WAIT_S), f"loading {model}")
    while not (entry := await find(wire, model)).loaded:
        late = time.perf_counter() - start > LOAD_WAIT_S
        if late or (entry.crashed and entry.status in AWAY):
            why = "it takes too long" if late else f"its process ended with code {entry.exit_code}"
            raise ServerError(f"loading {model} failed: {why}", "look at the server's own log")
        await asyncio.sleep(POLL_S)
    return Loading(load_ms=(time.perf_counter() - start) * 1e3, source="client")


async def unload(wire: Wire, model: str) -> None:
    """Unload and wait until the list says so; `failed` then is its word for a process that ended."""
    if (await find(wire, model)).status in AWAY:
        return
    done(await wire.call("POST", "/models/unload", {"model": model}), f"unloading {model}")

    async def is_there() -> bool:
        return (await find(wire, model)).status not in AWAY

    await until_gone(is_there, model, UNLOAD_WAIT_S, "look at the server's log")
