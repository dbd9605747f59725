"""The simulator as a whole: one site per dialect and port, all in one loop, with one truth.

`Simulator` runs in the loop that starts it; `running` gives it a thread of its own for tests,
`spawn` a process of its own for measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tiltyard import __version__
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.servers.simulator.answer import Answer, Ask, compose, decorate
from tiltyard.servers.simulator.config import DIALECT_NAMES, SimConfig, SimDialect, SimModel
from tiltyard.servers.simulator.connection import Connection, Reply, Request, json_reply
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Fault, Faults, choose, parse_fault
from tiltyard.servers.simulator.pace import Pacer
from tiltyard.servers.simulator.play import Turn
from tiltyard.servers.simulator.shapes import Prepared, Shape
from tiltyard.servers.simulator.truth import Entry, Truth

_MODULES: Mapping[SimDialect, str] = {
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "llamacpp": "llamacpp",
    "mlx": "mlx",
    "vllm": "vllm",
    "sglang": "vllm",
    "openai": "openai",
}
_SERVER_HEADERS = {
    "llamacpp": "llama.cpp",
    "mlx": "BaseHTTP/0.6 Python/3.12.4",
    "vllm": "uvicorn",
    "sglang": "uvicorn",
}
_ALWAYS_LOADED = frozenset({"llamacpp", "mlx", "vllm", "sglang", "openai"})
Handler = Callable[["Site", Request], Reply | None]


class Site:
    """One pretended server: a dialect on a port, with its own resident models, slots and caches."""

    def __init__(self, simulator: Simulator, dialect: SimDialect) -> None:
        self.simulator = simulator
        self.config = simulator.config
        self.dialect = dialect
        self.pacer = simulator.pacer
        self.truth = simulator.truth
        self.prepared = simulator.prepared
        self.port = 0
        always = dialect in _ALWAYS_LOADED and not (dialect == "llamacpp" and self.config.router)
        self.engines = {
            model.name: Engine(model, self.config, always or model.loaded) for model in self.config.models
        }
        self.order = [name for name, engine in self.engines.items() if engine.resident]
        self._always = always
        module = importlib.import_module(f"tiltyard.servers.simulator.{_MODULES[dialect]}")
        self.routes: Mapping[tuple[str, str], Handler] = module.routes(dialect, self.config)
        self._unknown: Handler = module.unknown
        self._errors: Callable[[Site, str, str], Reply] = module.error

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.config.host in ("0.0.0.0", "::") else self.config.host
        return f"http://{host}:{self.port}"

    def connect(self) -> Connection:
        connection = Connection(
            self.handle, _SERVER_HEADERS.get(self.dialect, "simulator"), self.dialect == "mlx"
        )
        connection.log = self.simulator.connections
        return connection

    # ---- models

    def engine(self, model: SimModel) -> Engine:
        return self.engines[model.name]

    def take_in(self, engine: Engine) -> None:
        """The model is in memory now; the one loaded longest ago makes room."""
        name = engine.model.name
        engine.resident = True
        if self._always:
            return
        if name in self.order:
            self.order.remove(name)
        self.order.append(name)
        while len(self.order) > self.config.max_loaded:
            idle = next((each for each in self.order[:-1] if not self.engines[each].busy), None)
            if idle is None:
                break
            self.put_out(self.engines[idle])

    def put_out(self, engine: Engine) -> None:
        engine.resident = False
        engine.context = engine.model.context
        engine.flush_cache()
        if engine.model.name in self.order:
            self.order.remove(engine.model.name)

    @property
    def first(self) -> SimModel:
        return self.config.models[0]

    # ---- requests

    def handle(self, request: Request) -> None:
        """Answer one HTTP request, at once or by starting a turn."""
        reply = self._reply(request)
        if reply is not None:
            request.connection.reply(reply)

    def _reply(self, request: Request) -> Reply | None:
        if request.path.startswith("/tiltyard"):
            return self.simulator.about(request)
        route = self.routes.get((request.method, request.path))
        if route is None and request.method == "HEAD":
            route = self.routes.get(("GET", request.path))
        spoilt = self._spoilt(request)
        if spoilt is not None:
            return spoilt if spoilt.status else None
        return (route or self._unknown)(self, request)

    def _spoilt(self, request: Request) -> Reply | None:
        """The answer of faults that befall every path, even those that are no chat; status 0: none at all."""
        faults = self.simulator.standing
        if "x-sim-fault" in request.headers:
            faults = choose(self.simulator.always, request.headers["x-sim-fault"], 0, self.config.seed)
        if not faults:
            return None
        if "not_a_model_server" in faults:
            return Reply(200, b"<!doctype html><title>It works!</title><h1>It works!</h1>", "text/html")
        if "unknown_200" in faults:
            return json_reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        if "loading_503" in faults and request.path not in ("/v1/models", "/props"):
            return self._errors(self, "loading", self.first.name)
        return None

    def refused(self, faults: Faults, request: Request, model: str) -> Reply | None:
        """The faults that answer a chat request with an error status."""
        for name, kind in (
            ("unauthorized_401", "unauthorized"),
            ("no_model_400", "no_model"),
            ("model_404", "not_found"),
            ("loading_503", "loading"),
            ("busy_503", "busy"),
            ("error_500", "internal"),
        ):
            if name in faults:
                return self._errors(self, kind, model)
        if "not_a_model_server" in faults or "html_error" in faults:
            status = int(faults.number("html_error", 502)) if "html_error" in faults else 200
            return Reply(
                status, b"<html><head><title>nginx</title></head><body>Bad Gateway</body></html>", "text/html"
            )
        if "unknown_200" in faults:
            return json_reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        return None

    def error(self, kind: str, detail: str) -> Reply:
        """An error in this dialect's form; kinds: not_found, bad_request, too_long, unauthorized, ..."""
        return self._errors(self, kind, detail)

    def faults(self, request: Request) -> tuple[Faults, int]:
        """The faults and the number of a chat request."""
        self.simulator.number += 1
        number = self.simulator.number
        given = request.headers.get("x-sim-fault")
        return choose(self.simulator.faults, given, number, self.config.seed), number

    def chat(self, request: Request, ask: Ask, shape: Callable[[Ask, Answer], Shape]) -> Reply | None:
        """Start answering."""
        faults = ask.faults
        if "drop" in faults:
            request.connection.transport.close()
            return None
        refused = self.refused(faults, request, ask.served)
        if refused is not None:
            return refused
        if ("think_anyway" in faults or "reasoning" in faults) and not ask.think:
            ask.think = True
        if "truncate_context" in faults:
            ask.prompt = ask.prompt[-int(faults.number("truncate_context", 64)) :]
        key = (ask.model.name, ask.last)
        occurrence = self.simulator.occurrence(hash(key))
        answer = compose(ask, self.config.seed, occurrence)
        if faults:
            decorate(answer, faults)
        request_id = request.headers.get("x-request-id") or f"sim-{ask.number}"
        entry = Entry(request_id, request.received_ns, self.dialect, request.path)
        entry.model = ask.model.name
        entry.faults = list(faults)
        self.truth.open(entry)
        turn = Turn(self, request, entry, shape(ask, answer))
        if not turn.begin():
            entry.closed_ns = request.received_ns
            return self._errors(self, "busy", ask.served)
        return None


class Simulator:
    """All sites. `async with Simulator(config) as sim:` listens until the end of the block."""

    def __init__(self, config: SimConfig) -> None:
        self.config = config
        self.truth = Truth(config.truth_requests, config.truth_writes)
        self.prepared = Prepared()
        self.connections: set[Connection] = set()
        self.faults: list[Fault] = [parse_fault(text) for text in config.faults]
        self.always = [fault for fault in self.faults if fault[2:] == (None, None, None)]
        self.standing = choose(self.always, None, 0, config.seed)
        self.number = 0
        self.sites: dict[str, Site] = {}
        self._seen: dict[int, int] = {}
        self._servers: list[asyncio.Server] = []
        if not config.models:
            raise UsageError("the simulator has no model", "give it one with --model NAME")

    def url(self, dialect: str | None = None) -> str:
        """Base address of a dialect's server; of the first one without a name."""
        return self.sites[dialect or self.config.dialects[0]].url

    def urls(self) -> dict[str, str]:
        return {name: site.url for name, site in self.sites.items()}

    def occurrence(self, key: int) -> int:
        """How often this very prompt came before: repetitions differ, yet in a way that can be repeated."""
        if len(self._seen) > 100_000:
            self._seen.clear()
        before = self._seen.get(key, 0)
        self._seen[key] = before + 1
        return before

    async def __aenter__(self) -> Simulator:
        loop = asyncio.get_running_loop()
        self.pacer = Pacer(loop)
        try:
            for dialect in self.config.dialects:
                site = Site(self, dialect)
                port = self.config.ports.get(dialect, 0)
                server = await loop.create_server(site.connect, self.config.host, port, backlog=2048)
                site.port = server.sockets[0].getsockname()[1]
                self._servers.append(server)
                self.sites[dialect] = site
        except OSError as error:
            await self.__aexit__()
            raise UsageError(
                f"cannot listen: {error.strerror or error}", "choose another --port-base"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        self.pacer.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        for server in self._servers:
            await server.wait_closed()

    # ---- what is known about it

    def about(self, request: Request) -> Reply:
        """`/tiltyard`, `/tiltyard/truth`, `/tiltyard/faults`."""
        if request.path == "/tiltyard/truth":
            if request.method == "DELETE":
                self.truth.reset()
                self._seen.clear()
                self.number = 0
                return json_reply({"reset": True})
            since = request.query.get("since", "0")
            return json_reply(self.truth.read(int(since) if since.isdigit() else 0, request.query.get("id")))
        if request.path == "/tiltyard/faults":
            from tiltyard.servers.simulator.faults import FAULTS

            return json_reply(dict(FAULTS))
        if request.path != "/tiltyard":
            return json_reply({"error": "there are /tiltyard, /tiltyard/truth and /tiltyard/faults"}, 404)
        models = [
            {"name": model.name, "digest": model.digest, "quantization": model.quantization}
            for model in self.config.models
        ]
        return json_reply(
            {"server": "tiltyard-simulator", "version": __version__, "models": models, "urls": self.urls()}
        )


class Running:
    """A simulator in a thread of its own. All methods may be called from any thread."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._simulator = simulator
        self._loop = loop

    def url(self, dialect: str | None = None) -> str:
        return self._simulator.url(dialect)

    def truth(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """What really happened, oldest first; see `truth.py`."""

        async def read() -> list[dict[str, Any]]:
            return self._simulator.truth.read(0, request_id)

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result(10)


@contextlib.contextmanager
def running(config: SimConfig | None = None) -> Iterator[Running]:
    """Serve in a thread until the end of the block."""
    ready: list[Running] = []
    failed: list[BaseException] = []
    event = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with Simulator(config or SimConfig()) as simulator:
            ready.append(Running(simulator, loop))
            event.set()
            await over.wait()

    def main() -> None:
        try:
            run_loop(serve)
        except (TiltyardError, OSError, ImportError) as error:  # handed to the caller's thread below
            failed.append(error)
        finally:
            event.set()

    thread = threading.Thread(target=main, name="simulator", daemon=True)
    thread.start()
    event.wait(10)
    if not ready:
        raise failed[0] if failed else TimeoutError("the simulator did not start")
    try:
        yield ready[0]
    finally:
        stop[0]()
        thread.join(10)


def run_loop(main: Callable[[], Any]) -> None:
    """Run a coroutine function on uvloop, or on the standard loop where there is none."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


class Spawned:
    """A simulator in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], urls: Mapping[str, str]) -> None:
        self.process = process
        self.urls = urls
        self.pid = process.pid

    def url(self, dialect: str | None = None) -> str:
        return self.urls[dialect] if dialect else next(iter(self.urls.values()))


@contextlib.contextmanager
def spawn(config_path: Path, *arguments: str) -> Iterator[Spawned]:
    """`tiltyard simulate --config PATH --json ARGUMENTS` as a child, stopped at the end of the block."""
    command = [
        sys.executable,
        "-m",
        "tiltyard",
        "simulate",
        "--config",
        str(config_path),
        "--json",
        *arguments,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line.strip():
            raise UsageError("the simulator did not start", " ".join(command))
        yield Spawned(process, json.loads(line)["urls"])
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


__all__ = ["DIALECT_NAMES", "Running", "Simulator", "Site", "Spawned", "run_loop", "running", "spawn"]
