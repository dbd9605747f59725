"""What do I ask, and who judges? One file (or folder) per suite behind one protocol.

A suite is one file and one line in `SUITES`; third parties add theirs by the entry-point group
`tiltyard.suites`, through the same door. What a suite may offer besides is in `Asked`, `Tabled`, `proof.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tiltyard.errors import UsageError
from tiltyard.load.schedule import Load
from tiltyard.records import Attempt, Exchange, Grade, Item, Json, Model, Record, Request, Timeouts
from tiltyard.servers import Server
from tiltyard.stats.pairing import Scores

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SUITES: Mapping[str, str] = {
    "speed": "tiltyard.suites.speed:Speed",
    "mcq": "tiltyard.suites.mcq:Mcq",
    "json": "tiltyard.suites.structured:Structured",
    "tools": "tiltyard.suites.tools:Tools",
}


class Bench(Record, frozen=True):
    """What a suite may use while it runs: one server, one model, the settings of this run."""

    server: Server
    model: Model
    settings: Mapping[str, Json]
    calibration: Mapping[str, Json] | None = None
    opponent: Scores | None = None  # another run's scores, where `stop_when` is `decided`
    stopping: Mapping[str, Json] | None = None  # what `stop_when` came to in the run's earlier sittings
    timeouts: Timeouts | None = None  # of every request; None: the usual ones


HOPELESS_TIMEOUTS = 3  # each of them takes minutes
HOPE = 4  # times as much patience with a server that has answered in this sitting, but for timeouts


class Patience(Record, frozen=True):
    """What a stage does about a request that failed on its way, and how long it rests between batches."""

    retries: int = 0  # further tries of one request; each waits twice as long as the one before
    retry_delay_s: float = 2.0
    pause_s: float = 0.0  # after every batch of the load's `concurrency`; the next waits for all of them
    give_up_after: int | None = None  # items in a row that nothing could be found out about, times `HOPE`
    hopeless_after: int | None = None  # failures of one kind before any success; 3 where they are timeouts
    gone_after_s: float | None = None  # of nothing but failures to connect, after successes, too


class Stage(Record, frozen=True):
    """A part of a run under one load, such as `pp512 @ d4096` or `8 streams`."""

    name: str
    load: Load  # when requests start, and when the stage is over
    items: Iterable[Item]  # may be endless; the load's stop rule ends it
    warmup: int = 0  # items asked first and not recorded
    expected: int | None = None  # attempts, for the progress display; None: unknown
    tally: Callable[[Item, Attempt], None] | None = None  # takes each attempt; the result then keeps none
    decided: Callable[[], bool] | None = None  # may it end before its items do? asked before each request
    patience: Patience = Patience()


class StageResult(Record, frozen=True):
    """What came of a stage: the attempts in order of completion, those of earlier sittings included.

    They come without their words (prompts, answers, raw bytes): grades, measures and times are there. A stage
    with a `tally` keeps none of them, so that it may be of any length.
    """

    stage: Stage
    attempts: Sequence[Attempt]
    wall_s: float
    total: int = 0  # attempts, kept or not
    notes: Mapping[str, int] = {}  # of their exchanges, in how many attempts each
    gave_up: bool = False  # too many in a row failed: the rest was not asked
    owed: int = 0  # failures at its end, since the server had gone: the same command goes on from there


class Suite(Protocol):
    """Yields stages, makes requests, grades answers, summarises attempts."""

    name: str
    version: str

    def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        """The stages in order; each result is sent back in, so that the next may depend on it."""

    def request(self, item: Item, bench: Bench) -> Request:
        """What to send for an item (a fresh nonce each time, where the suite wants one)."""

    def grade(self, item: Item, exchange: Exchange) -> Grade | None:
        """Judge an answer: pure."""

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        """The suite's own part of the summary object."""


@runtime_checkable
class Asked(Protocol):
    """A suite with the settings of graded suites (`graded.py`) that can tell what it would ask."""

    def asked(self, settings: Mapping[str, Json]) -> tuple[str, Iterable[Item]]:
        """The name of the stage and its items, each at least once; neither server nor model is known yet."""


@runtime_checkable
class Tabled(Protocol):
    """A suite with columns of its own in a table of requests (docs/results.md)."""

    def beside(self, attempt: Attempt) -> Mapping[str, Json]:
        """The columns of an attempt with a grade; what is unknown is left out."""


def load_suite(name: str) -> Suite:
    """A suite by its name. Raises UsageError where there is none, or it cannot be loaded."""
    maker = named(SUITES[name]) if name in SUITES else load_offered(entry_of(name), "suite")
    suite: Suite = maker()
    return suite


def known_suites() -> list[str]:
    """The names of all suites: ours, then those of third parties."""
    return [*SUITES, *sorted(offered())]


def check_name(name: str) -> None:
    """Raises UsageError where no suite has this name."""
    if name not in SUITES:
        entry_of(name)


def entry_of(name: str) -> EntryPoint:
    """Where a third party's suite is. Raises UsageError for an unknown name."""
    found = offered()
    if name not in found:
        raise UsageError(f"there is no suite called {name!r}", "choose from: " + ", ".join(known_suites()))
    return found[name]


def offered(group: str = "tiltyard.suites") -> Mapping[str, EntryPoint]:
    """What third parties offer, by the name of the suite; ours cannot be replaced."""
    from importlib.metadata import entry_points  # every package here is looked at: only where it is asked for

    return {entry.name: entry for entry in entry_points(group=group) if entry.name not in SUITES}


def package_of(entry: EntryPoint) -> str:
    """The package that offers it."""
    return entry.dist.name if entry.dist is not None else entry.module


def load_offered(entry: EntryPoint, what: str) -> Any:
    """What an entry point names. Raises UsageError where it is not there."""
    try:
        return named(entry.value)
    except (ImportError, AttributeError, SyntaxError) as error:
        package = package_of(entry)
        raise UsageError(
            f"the {what} {entry.name!r} of the package {package} cannot be loaded: {error}",
            f"update {package}, or remove it",
        ) from error


def named(target: str) -> Any:
    """The object that `module:name` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
