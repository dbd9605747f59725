"""What am I testing? One client per dialect behind one small protocol.

A dialect is one file and one line in `DIALECTS`; third parties add theirs by the entry-point group
`tiltyard.servers`, through the same door. Choosing a server from words is in `servers/choose.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from tiltyard.records import Capture, Dialect, Exchange, Model, Record, Request, ServerInfo, Usage

SAY_EVERY_S = 5.0  # between two words to whoever waits for a model to load

# dialect -> "module:Class"; the class takes one `Address`. Imported only when it is needed.
DIALECTS: Mapping[Dialect, str] = {
    "ollama": "tiltyard.servers.ollama:Ollama",
    "lmstudio": "tiltyard.servers.lmstudio:LMStudio",
    "llamacpp": "tiltyard.servers.llamacpp:LlamaCpp",
    "mlx": "tiltyard.servers.mlx:Mlx",
    "vllm": "tiltyard.servers.vllm:Vllm",
    "sglang": "tiltyard.servers.sglang:SGLang",
    "openai": "tiltyard.servers.openai:OpenAI",
    "embedded": "tiltyard.servers.embedded:Embedded",
    "simulator": "tiltyard.servers.simulated:Simulated",
}


class Address(Record, frozen=True):
    """Where a server is and how to be let in. The key goes into request headers and nowhere else."""

    url: str  # base address, no trailing slash; for `embedded` the path of a GGUF file
    api_key: str | None = None
    context: int | None = None  # context to load with, where the server can be told
    slots: int | None = None  # parallel requests, where we start the server ourselves
    loading_s: float = 600.0  # how long a server may be loading its model before it says who it is
    say: Callable[[str], None] | None = None  # hears of that wait, at once and every few seconds
    named: bool = False  # the user typed it: a key of the keyring may be shown to whoever listens there

    def __repr__(self) -> str:
        return f"Address(url={self.url!r}, api_key={'***' if self.api_key else None})"


class Loading(Record, frozen=True):
    """A model was brought into memory: how long that took, and who says so."""

    load_ms: float
    source: str  # "server" (its own figure) or "client" (wall time of the call)
    server_load_ms: float | None = None
    was_loaded: bool = False  # it was in memory already: not a cold start


@runtime_checkable
class Server(Protocol):
    """A running server. Everything that waits is async; `read` is pure."""

    info: ServerInfo
    # of: load, unload, tokenize, ignore_eos, cache_off, seed, tools, schema, think; version, where only
    # answers tell the engine's; and of a server that loads: own_context, where it decides with which context
    # unless it is told one, fixed_context, where it cannot be told
    can: frozenset[str]

    async def identify(self) -> ServerInfo:
        """Ask who it is; raises NoServer, NotAModelServer, Unauthorized."""

    async def models(self) -> list[Model]:
        """Every model it offers, with what the listing tells."""

    async def describe(self, model: str) -> Model:
        """All that can be found out about one model; raises ModelNotFound with the nearest names."""

    async def open_connections(self, count: int) -> None:
        """Open that many connections, so that the first requests of a load need not wait for them."""

    async def ask(self, request: Request, scheduled_ns: int | None = None) -> Capture:
        """Send and receive, stamping arrivals, interpreting nothing. Never raises for what the server does.

        The capture may be sealed; `read` gets it opened.
        """

    def unspoken(self) -> bool:
        """Does a request under way, of a few, wait for the first words of its answer?"""

    def read(self, request: Request, capture: Capture) -> Exchange:
        """Interpret a capture."""

    async def send(self, request: Request, scheduled_ns: int | None = None) -> Exchange:
        """`ask`, then `read`."""

    async def count_tokens(self, model: str, text: str) -> Usage | None:
        """Tokens of a bare text by the server's own tokenizer; None where it has no such service."""

    async def count_chat(self, request: Request) -> Usage | None:
        """Tokens of whole messages, chat template included, without asking the model; None likewise."""

    async def load(self, model: str, context: int | None = None) -> Loading:
        """Bring the model into memory; raises Unsupported where the server has no way."""

    async def unload(self, model: str) -> None:
        """Take it out of memory and wait until it is out; raises Unsupported likewise."""

    async def close(self) -> None:
        """Close connections; stop the process if we started it."""
