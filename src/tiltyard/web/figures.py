"""What is known of each run at this moment, gathered from its events; and the flat figures of the newest one.

One value per run, replaced whole, so that a reader in another thread never sees half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import asdict, replace

from tiltyard.records import UNJUDGED, Json, Record

NOTHING_YET: Mapping[str, Json] = {"status": "no metrics available yet"}
SPEEDS = ("ttft_ms", "e2e_ms", "decode_tps", "prefill_tps")


class RunFigures(Record, frozen=True):
    """One run. `failed`: requests that did not end well. `outcomes` counts graded answers; None in a suite
    without grades. `expected` and `left_s` are of the run, None where nobody knows. Durations in seconds.
    """

    run_id: str
    suite: str
    model: str
    state: str = "running"
    started_at: str | None = None
    done: int = 0
    expected: int | None = None
    stage: str | None = None
    stage_done: int | None = None
    stage_expected: int | None = None
    stage_left_s: float | None = None
    failed: int = 0
    retries: int = 0
    left_s: float | None = None
    outcomes: Mapping[str, int] | None = None
    mean_duration_s: float | None = None
    score: float | None = None
    ci95: tuple[float, float] | None = None
    output_tokens: int | None = None
    speed: Mapping[str, float | None] = {}  # means


class Figures:
    """Takes a run's events and keeps the figures of every run among them, the newest last."""

    def __init__(self) -> None:
        self.runs: dict[str, RunFigures] = {}

    def tell(self, event: Mapping[str, Json]) -> None:
        """Take one event; those that say nothing about a run are passed over."""
        run_id = event.get("run_id")
        if run_id is None:
            return
        known = self.runs.get(run_id) or RunFigures(
            run_id=run_id,
            suite=str(event.get("suite")),
            model=str(event.get("model")),
            started_at=event.get("started_at"),
        )
        kind = event.get("event")
        if kind == "retry":
            known = replace(known, retries=known.retries + 1)
        elif kind in ("stage", "progress"):
            known = replace(known, **progress_of(event))
        elif kind == "summary":
            known = replace(known, **closing(event))
        self.runs = {**self.runs, run_id: known}

    def all(self) -> list[RunFigures]:
        return list(self.runs.values())


def progress_of(event: Mapping[str, Json]) -> dict[str, Any]:
    """The fields that a stage or progress event knows."""
    of_run = {"done": event.get("run_done", 0), "failed": event.get("run_failed", 0)}
    of_stage = {f"stage_{name}": event.get(name) for name in ("done", "expected", "left_s")}
    found = {**of_run, "stage": event.get("stage"), **of_stage}
    # A graded run has one stage; how many others ask is not known before their end.
    whole = event.get("outcomes") is not None and event.get("done") == event.get("run_done")
    found |= {name: event.get(name) if whole else None for name in ("expected", "left_s")}
    for name in ("outcomes", "mean_duration_s"):
        if event.get(name) is not None:
            found[name] = event[name]
    return found


def closing(summary: Mapping[str, Json]) -> dict[str, Any]:
    """The fields that a summary knows: all of them, earlier sittings included."""
    requests, outcomes = summary.get("requests") or {}, summary.get("outcomes")
    speed = summary.get("speed") or summary
    means = {name: (speed.get(name) or {}).get("mean") for name in SPEEDS}
    total = summary.get("n") if outcomes is not None else requests.get("total")
    state = summary.get("state") or "finished"
    e2e = means.get("e2e_ms")
    interval = summary.get("ci95") if outcomes is not None else None
    return {
        "state": state,
        "done": total or 0,
        "expected": total if state == "finished" else summary.get("expected"),
        "failed": (requests.get("failed") or 0) + (requests.get("truncated") or 0),
        "left_s": 0.0,
        **dict.fromkeys(("stage", "stage_done", "stage_expected", "stage_left_s")),
        "outcomes": outcomes,
        "mean_duration_s": None if e2e is None else e2e / 1e3,
        "score": summary.get("score"),
        "ci95": None if interval is None else tuple(interval),
        "output_tokens": (summary.get("tokens") or {}).get("output"),
        "speed": means,
        **({"retries": summary["retries"]} if "retries" in summary else {}),
    }


def flat(runs: Iterable[RunFigures]) -> Mapping[str, Json]:
    """The newest run's figures under the plain names, and every run under `runs`.

    total_tests is what was answered; passed_tests the correct ones; failed_tests all others. accuracy: passed
    over those that could be scored, in percent; average_duration in seconds; error_rate: requests that failed
    over all, in percent. In a suite without grades a request that ended well has passed, and all others have
    failed, those that were cut off included.
    """
    known = list(runs)
    if not any(run.done or run.state != "running" for run in known):  # none, or one without an answer so far
        return NOTHING_YET
    newest = known[-1]
    outcomes = newest.outcomes
    total = sum(outcomes.values()) if outcomes is not None else newest.done
    failed = outcomes.get("error", 0) if outcomes is not None else newest.failed
    passed = outcomes.get("correct", 0) if outcomes is not None else total - failed
    scored = total - sum(outcomes.get(name, 0) for name in UNJUDGED) if outcomes is not None else total
    return {
        "total_tests": total,
        "passed_tests": passed,
        "failed_tests": total - passed,
        "accuracy": 100.0 * passed / scored if scored else None,
        "average_duration": newest.mean_duration_s,
        "total_retries": newest.retries,
        "error_rate": 100.0 * failed / total if total else None,
        **asdict(newest),
        "runs": [asdict(run) for run in known],
    }
