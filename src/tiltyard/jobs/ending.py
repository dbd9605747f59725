"""What a sitting finds of earlier ones, and what is kept of it when it ends, well or not.

The summary is put together here; its figures are the suites'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard import __version__
from tiltyard.jobs.identity import one_spelling
from tiltyard.jobs.plan import Job
from tiltyard.load.summary import Window, summarise
from tiltyard.records import Json, RunState
from tiltyard.store.sittings import Claim
from tiltyard.store.store import Store
from tiltyard.suites import Bench, StageResult, Suite
from tiltyard.suites.asking import Sitting
from tiltyard.suites.resuming import cut, gone, key_of, outage, passed_over

SCHEMA = "tiltyard.summary/1"


def known_to(store: Store, claim: Claim) -> dict[str, Any]:
    """Which sitting of which run it is; what earlier ones have done, what failed in them, and how often."""
    sitting = {"run_id": claim.run.id, "session": claim.session}
    if not claim.resumed:
        return {**sitting, "done": {}, "tries": {}}
    done, failed = store.done(claim.run.id), store.failed(claim.run.id)
    died = {key_of(each) for each in outage(filter(cut, done.values()), [*done.values(), *failed.values()])}
    failed |= {key: done.pop(key) for key in died}
    return {**sitting, "done": done, "failed": failed, "tries": store.tries(claim.run.id)}


def summed_up(suite: Suite, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
    """The suite's part of the summary. Where it says nothing of requests, endings and speeds are added."""
    there = [n for n, result in enumerate(results) if not all(map(gone, result.attempts))]
    owed = sum(result.owed for result in results[max(there, default=0) :])  # before, it was heard of later
    found = {"owed": owed, **suite.summarise(results, bench)}
    if "requests" in found:
        return found
    windows = [Window(r.stage.name, r.stage.load, r.attempts, r.wall_s) for r in results]
    return {**summarise(windows), "gave_up": any(result.gave_up for result in results), **found}


def without_outage(store: Store, sitting: Sitting, results: Sequence[StageResult]) -> list[str]:
    """Take out of the store what failed since the server had gone, and no part of the finished run needs."""
    counted = (attempt for result in results for attempt in result.attempts)
    over = passed_over(sitting.done, sitting.failed, counted)
    if not over:
        return []
    store.take_out(sitting.run_id, over)
    return [f"left out: what an earlier sitting sent after the server had gone ({len(over):,})"]


def said_of_others(others: Mapping[str, str]) -> list[str]:
    """The note on runs that had their share of the server, or of this machine."""
    places = {where: [name for name, place in others.items() if place == where] for where in others.values()}
    return [
        f"not alone: {', '.join(ids[:3])}{' and more' * (len(ids) > 3)} ran on this {where} meanwhile, "
        "so speeds may be lower"
        for where, ids in places.items()
    ]


def describe_job(job: Job, suite: Suite) -> dict[str, Json]:
    """The head of the summary line."""
    info = one_spelling(job.server.info)
    version = info.version or job.model.engine_version
    return {
        "event": "summary",
        "schema": SCHEMA,
        "tiltyard": __version__,
        "suite": suite.name,
        "model": job.model.name,
        "server": {"dialect": info.dialect, "version": version, "url": info.url},
    }


def retold(earlier: Mapping[str, Json], state: RunState, error: str | None) -> Mapping[str, Json]:
    """The summary of the sittings before, where this one was broken off before it could ask anything.

    What was found out is still so, and a run that was finished still is.
    """
    said = "nothing could be asked again"
    notes = [note for note in earlier.get("notes", ()) if not note.startswith(said)]
    kept = {name: value for name, value in earlier.items() if name != "error"}
    kept |= {"state": "finished" if earlier.get("state") == "finished" else state}
    kept |= {"notes": [*notes, said if error is None else f"{said}: {error}"]}
    return kept if error is None else {**kept, "error": error}


def keep(
    store: Store, claim: Claim, state: RunState, summary: Mapping[str, Json], ended_at: str, lost: bool
) -> None:
    """End the sitting, which came to `state`, in the store.

    A finished run whose failures were asked again stays finished where that was broken off, with what was
    found out until then: the same command asks what still fails once more. One that nobody grades had its
    end without a server: interrupted on the way to another, it is. Where the summary has not come to all
    that earlier sittings know, it stays as it was; where there is none that has (`lost`), none is kept.
    """
    if lost:
        store.finish(claim.run.id, state, None, tuple(summary["notes"]), ended_at)
        return
    run_id, earlier = claim.run.id, claim.run.summary or {}
    broken_off = state != "finished" and earlier.get("state") == "finished"
    if broken_off and store.has_failures(run_id):
        graded = "outcomes" in earlier
        if (
            "error" in summary
            or asked_in(summary) < asked_in(earlier)
            or not (graded or state == "interrupted")
        ):
            store.put_back(run_id, ended_at)
            return
        if graded:
            summary = {**summary, "state": "finished", "gave_up": earlier["gave_up"]}
    store.finish(run_id, summary["state"], summary, tuple(summary["notes"]), ended_at)


def overtaken(claim: Claim, store: Store) -> bool:
    """Did a sitting that was killed find out more than any summary tells? Then no figures are better than
    those of the sitting before it.
    """
    earlier = claim.run.summary or {}
    if not claim.resumed or earlier.get("state") == "finished":
        return False
    return store.counts([claim.run.id])[claim.run.id] > (asked_in(earlier) if earlier else 0)


def asked_in(summary: Mapping[str, Json]) -> int:
    """How many attempts a summary counts."""
    return int(summary["n"] if "outcomes" in summary else summary["requests"]["total"])
