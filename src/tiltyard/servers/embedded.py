"""The embedded engine: a GGUF file where a model name goes, run by llama.cpp's own server in a child process.

Starting and stopping is `engine_process.py`, identity is `gguf_file.py`, and every request goes through the
`llamacpp` client. Loading is starting the child, so a cold start is one. The operating system's file
cache is left alone: a file read lately loads faster than one from disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import time
from pathlib import Path

from msgspec.structs import replace

from tiltyard.errors import EngineError, TiltyardError, Unsupported, install
from tiltyard.records import Capture, Exchange, Model, Request, ServerInfo, Timeline, Usage
from tiltyard.servers import Address, Loading
from tiltyard.servers.clock import now_ns, unix_offset_ns
from tiltyard.servers.engine_process import EXTRA, EngineProcess, Launch, Started
from tiltyard.servers.gguf_file import cache_folder, read_gguf
from tiltyard.servers.llamacpp import LlamaCpp
from tiltyard.servers.names import match, not_found

WHEEL = "xllamacpp"
SLOTS = 4  # requests at once, as llama-server has it
CONTEXT = 4096  # tokens for each slot, unless the model has fewer: what it costs is reserved at the start
LOGS_KEPT = 20
BROKEN = ("connect_error", "error_midstream")  # may mean that the engine is going down


class Embedded:
    """Satisfies `Server`. `address.url` is the path of a GGUF file."""

    can = LlamaCpp.can | {"load", "unload"}

    def __init__(self, address: Address) -> None:
        self.address = address
        self.path = Path(address.url).expanduser()
        self.info = ServerInfo(dialect="embedded", url=str(self.path), slots=address.slots or SLOTS)
        self.context = address.context
        self._model: Model | None = None
        self._process: EngineProcess | None = None
        self._client: LlamaCpp | None = None
        self._starting = asyncio.Lock()

    # ------------------------------------------------------------------ who it is

    async def identify(self) -> ServerInfo:
        """Reads the file, starts nothing. Raises ModelNotFound, or EngineError (also for a missing wheel)."""
        version = wheel_version()
        if version is None:
            raise EngineError(f"the embedded engine ({WHEEL}) is not installed", install(EXTRA))
        if self._model is None:
            self._model = await asyncio.to_thread(read_gguf, self.path)
        self.info = replace(
            self.info,
            url=self._model.path or str(self.path),
            version=version,
            loaded=(self._model.name,) if self.running else (),
            notes=(f"{threads()} thread{'s' if threads() > 1 else ''}",),
        )
        return self.info

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.alive

    async def models(self) -> list[Model]:
        model = await self._identity()
        return [
            replace(
                model,
                loaded=self.running,
                context_loaded=self._context(model) if self.running else None,
                capabilities=self._abilities(model),
                engine="llamacpp",
                engine_version=self.info.version,
            )
        ]

    async def describe(self, model: str) -> Model:
        found = (await self.models())[0]
        if match(model, [found.name, found.path or "", str(self.path)]) is None:
            raise not_found(model, [found.name], f"the embedded engine on {self.path}")
        return found

    async def _identity(self) -> Model:
        if self._model is None:
            await self.identify()
        assert self._model is not None
        return self._model

    def _context(self, model: Model) -> int:
        return self.context or min(CONTEXT, model.context_max or CONTEXT)

    def _abilities(self, model: Model) -> tuple[str, ...]:
        known = model.capabilities or ()
        # Schemas are kept by the engine's grammar, whatever the model.
        return (*known, "schema") if "completion" in known else known

    # ------------------------------------------------------------------ one exchange

    async def open_connections(self, count: int) -> None:
        with contextlib.suppress(TiltyardError):  # an engine that does not start is for `ask` to report
            await (await self._ready()).open_connections(count)

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        """Starts the engine first where nobody has. One that died stays dead: its failures are to be seen."""
        try:
            client = await self._ready()
        except TiltyardError as error:
            now = now_ns()
            timeline = Timeline(
                scheduled_ns=scheduled_ns or now,
                started_ns=now,
                closed_ns=now,
                origin_unix_ns=unix_offset_ns(),
            )
            return Capture(timeline=timeline, failure="connect_error", error=str(error))
        capture = await client.ask(self._named(request), scheduled_ns)
        if capture.failure in BROKEN and self._process is not None and await self._process.ended(2.0):
            return replace(capture, error=f"the engine's process ended{self._process.tail()}")
        return capture

    def unspoken(self) -> bool:
        return self._client is not None and self._client.unspoken()

    def read(self, request: Request, capture: Capture) -> Exchange:
        exchange = self._reader().read(self._named(request), capture)
        return replace(exchange, request=request, engine_version=self.info.version)

    async def send(self, request: Request, scheduled_ns: int | None = None) -> Exchange:
        return self.read(request, (await self.ask(request, scheduled_ns)).opened())

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        return await (await self._ready()).count_tokens(self._alias, text)

    async def count_chat(self, request: Request) -> Usage | None:
        return await (await self._ready()).count_chat(replace(request, model=self._alias))

    @property
    def _alias(self) -> str:
        return self._model.name if self._model else self.path.stem

    def _named(self, request: Request) -> Request:
        """The request under the name that the engine serves, whichever of the file's names it came with."""
        return request if request.model == self._alias else replace(request, model=self._alias)

    def _reader(self) -> LlamaCpp:
        # Reading is pure: a capture can be read whether or not the engine still runs.
        return self._client or LlamaCpp(Address(url="http://127.0.0.1"))

    # ------------------------------------------------------------------ starting and stopping

    async def load(self, model: str, context: int | None = None) -> Loading:
        """Start the engine, again where another context is wanted.

        `load_ms` is from the start of the process to a healthy answer. Raises EngineError, Unsupported.
        """
        identity = await self.describe(model)
        limit = identity.context_max
        if context and limit and context > limit:
            raise Unsupported(
                f"{identity.name} has a context of at most {limit}", f"use --context {limit} or less"
            )
        async with self._starting:
            wanted = context or self._context(identity)
            if self.running and self._process and self._process.launch.context == wanted:
                return Loading(load_ms=0.0, source="client", was_loaded=True)
            await self._stop()
            self.context = wanted
            started = await self._start(identity)
        return Loading(load_ms=started.load_ms, source="client", server_load_ms=started.engine_load_ms)

    async def unload(self, model: str) -> None:
        await self.describe(model)
        async with self._starting:
            await self._stop()

    async def close(self) -> None:
        async with self._starting:
            await self._stop()

    async def _ready(self) -> LlamaCpp:
        identity = await self._identity()
        async with self._starting:
            if self._client is None:
                await self._start(identity)
            assert self._client is not None
            return self._client

    async def _start(self, identity: Model) -> Started:
        launch = Launch(
            model=identity.path or str(self.path),
            alias=identity.name,
            context=self._context(identity),
            slots=self.address.slots or SLOTS,
            threads=threads(),
        )
        process = EngineProcess(launch, await asyncio.to_thread(new_log, identity.name))
        started = await process.start(self.address.say)
        self._process = process
        self._client = LlamaCpp(Address(url=started.url))
        self.info = replace(self.info, loaded=(identity.name,))
        return started

    async def _stop(self) -> None:
        client, self._client = self._client, None
        process, self._process = self._process, None
        if client is not None:
            await client.close()
        if process is not None:
            await asyncio.to_thread(process.stop)
        self.info = replace(self.info, loaded=())


def wheel_version() -> str | None:
    """`xllamacpp 2026.10.11549`, without importing it; None where it is not installed.

    The wheel does not record which llama.cpp it was built from, so its own version stands for the engine's.
    """
    try:
        return f"{WHEEL} {importlib.metadata.version(WHEEL)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def threads() -> int:
    """Threads for the engine: the physical cores that this process may use, but one where there are only two.

    llama.cpp's threads wait for each other by spinning: on two cores, of which one is always busy with
    something else (this client, for one), two threads are many times slower than one.
    """
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable <= 2:
        return 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def new_log(name: str) -> Path:
    """A path for an engine's log. The newest few are kept, for those who ask why it did not start."""
    folder = cache_folder() / "engine"
    with contextlib.suppress(OSError):
        old = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)
        for file in old[: max(0, len(old) - LOGS_KEPT + 1)]:
            file.unlink()
    safe = "".join(c if c.isalnum() or c in "-._" else "_" for c in name)[:60]
    return folder / f"{safe}-{os.getpid()}-{time.monotonic_ns()}.log"
