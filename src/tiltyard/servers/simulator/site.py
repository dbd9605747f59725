"""One pretended server: a dialect on a port, with its own resident models, slots and caches.

Also the `Hub`, which puts all of them behind one port. What a dialect's paths answer is in its own module.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from tiltyard.errors import UsageError
from tiltyard.servers.simulator.answer import Answer, Ask, compose, decorate
from tiltyard.servers.simulator.config import SimDialect, SimModel
from tiltyard.servers.simulator.connection import Connection, Reply, Request, json_reply
from tiltyard.servers.simulator.engine import Engine
from tiltyard.servers.simulator.faults import Faults, choose
from tiltyard.servers.simulator.play import Turn
from tiltyard.servers.simulator.shapes import Shape
from tiltyard.servers.simulator.truth import Entry
from tiltyard.servers.simulator.world import World

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
MOST_CONTEXTS = 10  # in an answer where the context shifts: Ollama gives no more, whatever is asked
Handler = Callable[["Site", Request], Reply | None]


def reachable(host: str) -> str:
    """An address to put into a URL for a host to listen on."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


class Site:
    """One pretended server: a dialect on a port, with its own resident models, slots and caches."""

    def __init__(self, world: World, dialect: SimDialect) -> None:
        self.world = world
        self.config = world.config
        self.dialect = dialect
        self.pacer = world.pacer
        self.truth = world.truth
        self.prepared = world.prepared
        self.port = 0
        always = dialect in _ALWAYS_LOADED and not (dialect == "llamacpp" and self.config.router)
        asleep = dialect == "llamacpp" and "asleep" in world.standing
        self.engines = {
            model.name: Engine(model, self.config, (always or model.loaded) and not asleep)
            for model in self.config.models
        }
        self.order = [name for name, engine in self.engines.items() if engine.resident]
        self.deleted: set[str] = set()  # names, until they are pulled again
        self._always = always
        module = importlib.import_module(f"tiltyard.servers.simulator.{_MODULES[dialect]}")
        self.routes: Mapping[tuple[str, str], Handler] = module.routes(dialect, self.config)
        self._unknown: Handler = module.unknown
        self._errors: Callable[[Site, str, str], Reply] = module.error

    @property
    def url(self) -> str:
        return f"http://{reachable(self.config.host)}:{self.port}"

    def connect(self) -> Connection:
        connection = Connection(
            self.handle, _SERVER_HEADERS.get(self.dialect, "simulator"), self.dialect == "mlx"
        )
        connection.log = self.world.connections
        return connection

    def route(self, method: str, path: str) -> Handler | None:
        """Who answers there: a page of that path, or one that ends in / for everything below it."""
        found = self.routes.get((method, path))
        below = path if found is None else ""
        while found is None and below:
            below = below.rpartition("/")[0]
            found = self.routes.get((method, f"{below}/")) if below else None
        return found

    # ---- models

    @property
    def models(self) -> list[SimModel]:
        """What is there to be served: all but the deleted."""
        return [model for model in self.config.models if model.name not in self.deleted]

    def model(self, name: str) -> SimModel | None:
        found = self.config.model(name)
        return None if found is None or found.name in self.deleted else found

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
            return self.world.about(request)
        route = self.route("GET" if request.method == "HEAD" else request.method, request.path)
        spoilt = self._spoilt(request)
        if spoilt is not None:
            return spoilt if spoilt.status else None
        return (route or self._unknown)(self, request)

    def _spoilt(self, request: Request) -> Reply | None:
        """The answer of faults that befall every path, even those that are no chat; status 0: none at all."""
        faults = self.world.standing
        if "x-sim-fault" in request.headers:
            try:
                faults = choose(self.world.always, request.headers["x-sim-fault"], 0, self.config.seed)
            except UsageError as error:
                return json_reply({"error": f"X-Sim-Fault: {error}; {error.remedy}"}, 400)
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
        self.world.number += 1
        number = self.world.number
        given = request.headers.get("x-sim-fault")
        return choose(self.world.faults, given, number, self.config.seed), number

    def chat(self, request: Request, ask: Ask, shape: Callable[[Ask, Answer], Shape]) -> Reply | None:
        """Start answering."""
        faults = ask.faults
        if "drop" in faults:
            request.connection.transport.close()
            return None
        refused = self.refused(faults, request, ask.served)
        if refused is not None:
            return refused
        if "schema" in faults and isinstance(ask.schema, Mapping):
            if faults["schema"] == "refused":
                return self._errors(self, "bad_request", "response_format: this JSON schema is not supported")
            ask.schema = None
        if ("think_anyway" in faults or "reasoning" in faults) and not ask.think:
            ask.think = True
        if "truncate_context" in faults:
            ask.prompt = ask.prompt[-int(faults.number("truncate_context", 64)) :]
        key = (ask.model.name, ask.last)
        occurrence = self.world.occurrence(hash(key))
        if "output_tokens" not in faults:
            context = self.engine(ask.model).context
            ask.room = MOST_CONTEXTS * context if ask.shifts else max(context - len(ask.prompt), 0)
        answer = compose(ask, self.config.seed, occurrence)
        if answer.full and self.dialect == "lmstudio":
            answer.finish = "stop"  # only its statistics tell
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


class Hub:
    """All sites behind one port: by path where only one knows it, and under `/DIALECT/...` in any case.

    `/v1/...` belongs to the first dialect that has it, `openai` before the others.
    """

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites
        self._order = sorted(sites.values(), key=lambda site: site.dialect != "openai")

    def handle(self, request: Request) -> None:
        name, _, rest = request.path.lstrip("/").partition("/")
        site = self._sites.get(name)
        if site is not None:
            site.handle(request._replace(path="/" + rest))
            return
        known = ("GET" if request.method == "HEAD" else request.method, request.path)
        found = next((site for site in self._order if site.route(*known)), self._order[0])
        found.handle(request)
