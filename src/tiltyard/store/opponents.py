"""The run that `decided` is about: the one that the user named, or the best one of the store.

It is in the settings, and so in the fingerprint: another opponent is another question. A run that was begun
against the best one of its day and not finished is carried on against that one.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Run, RunState
from tiltyard.store.fingerprint import fingerprint
from tiltyard.store.run_list import AGES
from tiltyard.store.store import Store

# Newest first; without those whose opponent is gone.
_BEGUN = (
    f"SELECT fingerprint, state, against, out_of FROM {AGES} JOIN (SELECT key, fingerprint, state, "
    "json_extract(settings, '$.against') AS against, json_extract(settings, '$.against_best') AS out_of "
    "FROM runs WHERE suite = ? AND NOT forgotten AND out_of) ON key = aged WHERE against IS NULL OR EXISTS "
    "(SELECT 1 FROM runs AS other JOIN verdicts ON run_key = other.key WHERE other.id = against) "
    "ORDER BY since DESC, key DESC"
)


class Begun(NamedTuple):
    """A run whose opponent nobody named."""

    fingerprint: str
    state: RunState
    against: str | None
    out_of: int


def with_opponent(run: Run, store: Store, movable: bool, fresh: bool = False) -> Run:
    """The run with its opponent in `against`; null where there is none: then nothing can be decided.

    Where nobody named it, `against_best` says out of how many runs it is the best, at least 1. Raises
    UsageError for one that cannot be an opponent.
    """
    if run.settings.get("stop_when") != "decided":
        return run
    named = run.settings.get("against")
    if named:
        return against(run, named_opponent(str(named), store), None, movable)
    begun = None if fresh else begun_before(run, store, movable)
    return begun or against(run, *store.opponent(run), movable=movable)


def against(run: Run, opponent: str | None, out_of: int | None, movable: bool) -> Run:
    """The run with this opponent; `out_of`: None where the user named it."""
    settings = {**run.settings, "against": opponent}
    if out_of is not None:
        settings["against_best"] = max(out_of, 1)
    found = replace(run, settings=settings)
    return replace(found, fingerprint=fingerprint(found, movable))


def named_opponent(name: str, store: Store) -> str:
    """The id of the run that the user named."""
    found = store.run(name).id
    if store.scores(found) is None:
        raise UsageError(f"run {found} has no scores to compare with", "name a finished graded run")
    return found


def begun_before(run: Run, store: Store, movable: bool) -> Run | None:
    """The same with the opponent of the newest run that is like it otherwise; None where that is finished."""
    with store.reading() as db:
        earlier = [Begun(*row) for row in db.execute(_BEGUN, (run.suite,))]
    for begun in earlier:
        found = against(run, begun.against, begun.out_of, movable)
        if found.fingerprint == begun.fingerprint:
            return None if begun.state == "finished" else found
    return None


def opponents_limits(run: Run, store: Store) -> tuple[str, ...]:
    """Notes where the opponent was graded by another version of the suite, and where its run ended early
    itself: what it was not asked decides nothing.
    """
    named = run.settings.get("against")
    if not named:
        return ()
    other, notes = store.run(str(named)), list[str]()
    if other.suite_version != run.suite_version:
        by = f"version {other.suite_version} of this suite, not by version {run.suite_version}"
        notes.append(f"run {named} was graded by {by}: what differs may be the grading")
    stopping = (other.summary or {}).get("stopping")
    scores = store.scores(str(named)) if stopping and stopping["decided"] else None
    if scores is not None:
        notes.append(f"run {named} ended early: only the {len(scores)} items that it answered can decide")
    return tuple(notes)
