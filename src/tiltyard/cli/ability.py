"""Behind `tiltyard calibrate --suites`: models of known ability through the whole pipeline, on the engine.

For each graded suite a tiny model is made that answers the suite's own items rightly with probability 0.7;
then it is run like any other model. What comes out must be 0.7, within what chance allows.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiltyard.errors import EngineError, install
from tiltyard.records import Json, Model

if TYPE_CHECKING:
    from tiltyard.suites import Bench, Suite

ABILITY = 0.7
ANSWERS = 600  # at least, unless the suite names its own repeats
# Of two streams each slot reads a prompt that the other one has read: two to three times as long.
SETTINGS: Mapping[str, Json] = {"temperature": 1.0, "max_tokens": 512, "concurrency": 1}
CONTEXT = 16_384  # a tiny model's tokens are short, and twenty tools are a long text
SIGMAS = 3.29  # a right pipeline is beyond it once in a thousand times

Tell = Callable[[str], None]


async def abilities(folder: Path, tell: Tell) -> list[dict[str, Json]]:
    """Score the models; `folder` takes their files and a store. Raises EngineError without the engine."""
    from tiltyard.servers.engine_process import EXTRA

    if importlib.util.find_spec("xllamacpp") is None:
        raise EngineError("the embedded engine is not installed", install(EXTRA))
    return [await ability_of(name, folder, tell) for name in provable()]


def provable() -> list[str]:
    """Our suites that judge answers."""
    from tiltyard.suites import SUITES, load_suite
    from tiltyard.suites.proof import Provable

    return [name for name in SUITES if isinstance(load_suite(name), Provable)]


async def ability_of(name: str, folder: Path, tell: Tell) -> dict[str, Json]:
    """Make the model, run the suite, compare."""
    from tiltyard.jobs.plan import Job, Plan
    from tiltyard.run import execute
    from tiltyard.servers import Address
    from tiltyard.servers.choose import choose
    from tiltyard.store.store import Store

    path = folder / f"ability-{name}.gguf"
    settings = settings_of(name)
    items = min(make(name, path), settings.get("limit") or ANSWERS)
    settings.setdefault("repeats", math.ceil(ANSWERS / items))
    tell(f"{name}: {items} items, {settings['repeats']} times each")
    server, model = await choose(str(path), like=Address(url="", context=CONTEXT))
    try:
        with Store.open(folder / "ability.sqlite3") as store:
            job = Job(server=server, model=model, suite=name, settings=settings)
            plan = Plan(jobs=[job], command="tiltyard calibrate --suites", preflight=False)
            (summary,) = await execute(plan, store, lambda event: None)
    finally:
        await server.close()
    return verdict(name, summary)


def settings_of(name: str) -> dict[str, Json]:
    """A suite's usual settings, those of its proofs, and sampling as the model was made for."""
    from tiltyard.cli.suite_commands import defaults_of
    from tiltyard.suites import load_suite
    from tiltyard.suites.proof import ProofSettings

    suite = load_suite(name)
    own = suite.proof_settings() if isinstance(suite, ProofSettings) else {}
    return {**defaults_of(name), **SETTINGS, **own}


def make(name: str, path: Path) -> int:
    """Write the model; how many items it knows."""
    from tiltyard.servers.tiny import TinySpec
    from tiltyard.suites.known import known_answers, write_known

    answers = known_answers(*asked_of(name, path), ABILITY)
    write_known(path, TinySpec(name=path.stem, answers=answers))
    return len(answers)


def asked_of(name: str, path: Path) -> tuple[Suite, Bench]:
    """A suite, and what it needs to make its requests to a model file that need not be there yet."""
    from tiltyard.servers import Address
    from tiltyard.servers.embedded import Embedded
    from tiltyard.suites import Bench, load_suite

    server, model = Embedded(Address(url=str(path))), Model(name=path.stem)
    return load_suite(name), Bench(server=server, model=model, settings=settings_of(name))


def verdict(name: str, summary: Mapping[str, Json]) -> dict[str, Json]:
    """Does the score agree with the ability that the model was made with?"""
    score, n = summary["score"], summary["n"]
    reach = SIGMAS * math.sqrt(ABILITY * (1 - ABILITY) / max(n, 1))
    return {
        "suite": name,
        "made": ABILITY,
        "n": n,
        "score": score,
        "ci95": summary["ci95"],
        "outcomes": {k: v for k, v in summary["outcomes"].items() if v},
        "holds": score is not None and abs(score - ABILITY) <= reach,
    }


def show(results: Sequence[Mapping[str, Json]]) -> None:
    """The result for a person."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Models made to be right with probability 0.7", title_justify="left")
    for head in ("suite", "answers", "score", "95 %", ""):
        table.add_column(head, justify="left" if head in ("suite", "") else "right")
    for result in results:
        score, interval = result["score"], result["ci95"]
        table.add_row(
            result["suite"],
            str(result["n"]),
            "-" if score is None else f"{score:.3f}",
            "-" if not interval else f"{interval[0]:.3f} to {interval[1]:.3f}",
            "✓ holds" if result["holds"] else "✗ does not hold",
        )
    Console().print(table)
