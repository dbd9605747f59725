"""Runs Tiltyard as its users do, in a process of its own, and compares what it stored with what happened."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.child import Cost, run
from benchmarks.yardstick import CLIENT_CORE, MODEL, Yardstick, pinned
from tiltyard.load.calibrate import Errors, errors_of, spread


class Ask(NamedTuple):
    """A load: streams at once, requests in all, tokens of each answer."""

    streams: int
    requests: int
    tokens: int = 128


class Outcome(NamedTuple):
    """One run of the whole tool."""

    ask: Ask
    cost: Cost
    summary: dict[str, Any]
    errors: Errors

    @property
    def tokens(self) -> int:
        return int(self.summary["tokens"]["output"])


def command() -> list[str]:
    """Tiltyard as installed beside this interpreter."""
    program = Path(sys.executable).with_name("tiltyard")
    return [str(program)] if program.exists() else [sys.executable, "-m", "tiltyard"]


def tiltyard(server: Yardstick, ask: Ask, *, core: int | None = CLIENT_CORE, limit_s: float = 120) -> Outcome:
    """`tiltyard run speed --profile fixed` against a yardstick; raises RuntimeError with its last words."""
    folder = tempfile.mkdtemp(prefix="tiltyard-bench-")
    try:
        place = [] if core is None else pinned(core)
        cost = run(
            [*place, *command(), *options(server, ask)], env={"TILTYARD_DATA_DIR": folder}, limit_s=limit_s
        )
        if cost.rc != 0:
            raise RuntimeError(f"tiltyard ended with {cost.rc}: {cost.stderr.strip()[-2000:]}")
        summary = json.loads(cost.stdout.strip().splitlines()[-1])
        return Outcome(ask, cost, summary, errors_of(stored(Path(folder), summary["run_id"]), server.truth()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def options(server: Yardstick, ask: Ask) -> list[str]:
    words = ["run", "speed", "--profile", "fixed", "--server", server.url, "--dialect", "openai"]
    words += ["--model", MODEL, "--concurrency", str(ask.streams), "--requests", str(ask.requests)]
    return [*words, "--prompt-tokens", "32", "--output-tokens", str(ask.tokens), "--fresh", "--json"]


def stored(folder: Path, run_id: str) -> list[Any]:
    """The exchanges of a run, read back from the store: what a user could see, not what was in memory."""
    from tiltyard.store.store import FILE, Store

    store = Store.open(folder / FILE)
    try:
        attempts = store.attempts(run_id, with_exchanges=True)
        return [exchange for attempt in attempts for exchange in attempt.exchanges]
    finally:
        store.close()


def errors_row(errors: Errors) -> dict[str, Any]:
    """The figures of an outcome's errors that the tables show."""
    ttft, token, tpot = spread(errors.ttft_ms), spread(errors.token_ms), spread(errors.tpot_ms)
    gap = None
    if errors.gaps_ms:
        from tiltyard.stats.figures import percentile

        gap = abs(percentile(errors.gaps_ms, 0.99) - percentile(errors.true_gaps_ms, 0.99))
    return {
        "ttft_error_ms_p50": ttft["p50"],
        "ttft_error_ms_p99": ttft["p99"],
        "token_error_ms_p50": token["p50"],
        "token_error_ms_p99": token["p99"],
        "gap_p99_error_ms": gap,
        "tpot_error_ms_max": tpot["max"],
        "compared": errors.exchanges,
        "lost_tokens": errors.lost,
    }
