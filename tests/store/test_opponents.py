"""Whom a run with `--stop-when decided` is held against, also when it is carried on on another day."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_run
from tiltyard.errors import UsageError
from tiltyard.records import Model, Run, RunState
from tiltyard.store.opponents import with_opponent
from tiltyard.store.sittings import Claim
from tiltyard.store.store import Bundle, Store

DECIDED = {"stop_when": "decided", "items": "i"}
RUN = make_run("first", suite="doubles", model=Model(name="m"), settings=DECIDED)
NEW = replace(RUN, id="second")  # the same command


def rival(store: Store, name: str, score_low: float) -> None:
    """A finished run of a model of this name, with one right answer."""
    store.claim(make_run(name, suite="doubles", model=Model(name=name), settings={"items": "i"}), fresh=True)
    store.add([make_attempt(name, stage="doubles", item_id="q0")])
    outcomes = {"outcomes": {"correct": 1}, "n": 1, "score": 1.0, "ci95": [score_low, 1.0]}
    store.finish(name, "finished", outcomes)


def held_against(run: Run, store: Store, fresh: bool = False, **more: Any) -> str | None:
    """The opponent that the command's run would have, with these settings added."""
    run = replace(run, settings={**run.settings, **more})
    found: str | None = with_opponent(run, store, movable=False, fresh=fresh).settings["against"]
    return found


def begin(run: Run, store: Store, **more: Any) -> Claim:
    run = replace(run, settings={**run.settings, **more})
    return store.claim(with_opponent(run, store, movable=False))


def test_the_best_other_model_or_the_one_that_is_named(store: Store) -> None:
    assert held_against(RUN, store) is None
    rival(store, "good", 0.5)
    rival(store, "poor", 0.2)
    store.claim(make_run("speedy"), fresh=True)
    assert held_against(RUN, store) == "good"
    assert held_against(replace(RUN, model=Model(name="good")), store) == "poor"  # not its own model's
    assert held_against(RUN, store, against="poo") == "poor"
    with pytest.raises(UsageError, match="no scores"):
        held_against(RUN, store, against="speedy")
    plain = replace(RUN, settings={"stop_when": "width=0.1"})
    assert with_opponent(plain, store, movable=False) == plain


def test_of_equals_it_is_the_newest_however_late_another_was_taken_in(store: Store) -> None:
    rival(store, "here", 0.5)
    here, begun = store.run("here"), "2025-01-02T03:04:05.678+00:00"
    older = replace(here, id="older", model=Model(name="older"), started_at=begun)
    attempts = tuple(replace(a, run_id="older") for a in store.attempts("here", with_exchanges=True))
    store.take_in([Bundle(run=older, attempts=attempts)])
    assert store.scores("older") is not None
    assert held_against(RUN, store) == "here"


def test_another_opponent_is_another_fingerprint(store: Store) -> None:
    rival(store, "good", 0.5)
    rival(store, "poor", 0.2)
    best = with_opponent(RUN, store, movable=False)
    named, other = (
        with_opponent(replace(RUN, settings={**DECIDED, "against": name}), store, movable=False)
        for name in ("good", "poor")
    )
    assert (
        len({best.fingerprint, named.fingerprint, other.fingerprint}) == 3
    )  # the first pays for its picking


def test_out_of_how_many_the_best_was_picked_is_no_other_question(store: Store) -> None:
    """What was decided paid for those that there were; the same command shows it again."""
    rival(store, "poor", 0.2)
    rival(store, "good", 0.5)
    before = with_opponent(RUN, store, movable=False)
    rival(store, "poorer", 0.1)
    after = with_opponent(RUN, store, movable=False)
    assert (before.settings["against_best"], after.settings["against_best"]) == (2, 3)
    assert before.fingerprint == after.fingerprint


def test_out_of_how_many_the_best_was_picked(store: Store) -> None:
    """It stays with a run that is carried on; one that the user named was picked out of nobody."""
    rival(store, "poor", 0.2)
    begin(RUN, store)
    store.finish("first", "interrupted")
    rival(store, "good", 0.5)
    known = with_opponent(NEW, store, movable=False).settings
    assert (known["against"], known["against_best"]) == ("poor", 1)
    anew = with_opponent(NEW, store, movable=False, fresh=True).settings
    assert (anew["against"], anew["against_best"]) == ("good", 2)
    own = with_opponent(replace(NEW, settings={**DECIDED, "against": "good"}), store, movable=False)
    assert "against_best" not in own.settings


@pytest.mark.parametrize("state", ["interrupted", "failed"])
@pytest.mark.parametrize("first", [None, "poor"])
def test_an_unfinished_run_keeps_the_opponent_that_it_began_with(
    store: Store, state: RunState, first: str | None
) -> None:
    """Whatever other models did in between."""
    if first is not None:
        rival(store, first, 0.2)
    assert begin(RUN, store).run.settings["against"] == first
    rival(store, "good", 0.5)
    store.finish("first", state)
    again = begin(NEW, store)
    assert (again.run.id, again.resumed, again.run.settings["against"]) == ("first", True, first)
    assert held_against(NEW, store, fresh=True) == "good"
    assert held_against(replace(NEW, settings={**DECIDED, "temperature": 1.0}), store) == "good"


def test_a_finished_run_is_shown_again_only_against_today_s_best(store: Store) -> None:
    rival(store, "poor", 0.2)
    begin(RUN, store)
    store.finish("first", "finished", {"outcomes": {}, "score": None})
    assert begin(NEW, store).finished
    rival(store, "good", 0.5)
    anew = begin(NEW, store)
    assert (anew.run.id, anew.resumed, anew.run.settings["against"]) == ("second", False, "good")


def test_an_unfinished_run_against_one_that_was_named_is_another_command_s(store: Store) -> None:
    rival(store, "good", 0.5)
    rival(store, "poor", 0.2)
    begin(RUN, store, against="poor")
    store.finish("first", "interrupted")
    assert begin(NEW, store).run.settings["against"] == "good"


def test_an_unfinished_run_whose_opponent_is_gone_is_not_carried_on(store: Store) -> None:
    rival(store, "poor", 0.2)
    begin(RUN, store)
    store.finish("first", "interrupted")
    store.delete(["poor"])
    rival(store, "good", 0.5)
    assert begin(NEW, store).run.settings["against"] == "good"


def test_a_run_that_the_user_forgot_is_not_carried_on(store: Store) -> None:
    rival(store, "poor", 0.2)
    begin(RUN, store)
    store.finish("first", "interrupted")
    store.forget(["first"])
    rival(store, "good", 0.5)
    assert begin(NEW, store).run.settings["against"] == "good"
