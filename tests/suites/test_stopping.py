"""Ending early, from the setting to the summary: rules, whole items, opponents, and what is said of it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_attempt, make_run
from tests.suites.graded_runs import QUESTIONS, Doubles, clever, run_doubles
from tiltyard.errors import UsageError
from tiltyard.jobs.identity import new_run
from tiltyard.jobs.plan import Job, Plan
from tiltyard.records import Attempt, Grade, Item, Model, Outcome, content_hash
from tiltyard.reports.terminal_graded import repeats_line, stopping_line
from tiltyard.run import run_job
from tiltyard.servers import Address, Server
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, running
from tiltyard.servers.simulator.config import Say
from tiltyard.stats.pairing import Scores, item_key
from tiltyard.stats.sequential import rule_of
from tiltyard.store.store import Store
from tiltyard.suites.graded import Asking, read_asking
from tiltyard.suites.scoring import repeated
from tiltyard.suites.stopping import Stopping, order_of
from tiltyard.suites.tally import Tally

MANY = 300


def graded(item: str, score: float, outcome: Outcome | None = None) -> Attempt:
    grade = Grade(outcome=outcome or ("correct" if score == 1 else "wrong"), score=score)
    return make_attempt(stage="s", item_id=item, item_hash="h", grade=grade)


def item(number: int) -> Item:
    return Item(id=f"q{number}", content_hash="h", spec={"number": number})


def test_an_item_counts_once_when_all_its_attempts_are_in() -> None:
    stopping = Stopping(rule_of("width=0.1"), asks=2)
    for number, score in ((1, 1.0), (2, 0.0), (1, 0.0)):
        stopping.take(item(number), graded(f"q{number}", score))
    assert (stopping.sequence.n, stopping.sequence.total) == (1, 0.5)
    stopping.take(item(2), graded("q2", 0.0, "error"))
    assert (stopping.sequence.n, stopping.sequence.total) == (2, 0.5)  # the answered one of the second is 0
    for _ in range(2):
        stopping.take(item(3), graded("q3", 0.0, "unsupported"))
    assert stopping.sequence.n == 2
    assert stopping.under_way == {}


def test_scores_meet_the_opponents_of_the_same_wording() -> None:
    opponent = Scores.of([(item_key("s", "q1", "h"), 0.0), (item_key("s", "q2", "other"), 0.0)])
    stopping = Stopping(rule_of("decided"), 1, opponent, "r0")
    for number in (1, 2):
        stopping.take(item(number), graded(f"q{number}", 1.0))
    summary = stopping.summary()
    assert (summary["items"], summary["pairs"], summary["gains"], summary["losses"]) == (2, 1, 1.0, 0.0)
    assert (summary["against"], summary["verdict"], summary["decided"]) == ("r0", None, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"stop_when": "soon"},
        {"stop_when": "width=2"},
        {"against": "r1"},
        {"stop_when": "width=0.1", "against": "r1"},
    ],
)
def test_rules_that_cannot_be_meant(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read_asking(settings, Asking)


def test_the_order_is_drawn_by_the_seed() -> None:
    assert list(order_of(5, None, 0, shuffled=False)) == [0, 1, 2, 3, 4]
    drawn = list(order_of(100, 10, 3, shuffled=False))
    assert drawn == sorted(drawn) == list(order_of(100, 10, 3, shuffled=False))
    assert len(set(drawn)) == 10
    assert set(order_of(100, 10, 3, shuffled=True)) == set(drawn)
    mixed = list(order_of(100, None, 3, shuffled=True))
    assert mixed != sorted(mixed) == list(range(100))
    assert mixed != list(order_of(100, None, 4, shuffled=True))
    firsts = [order_of(10, None, seed, shuffled=True)[0] for seed in range(2000)]
    assert all(150 <= firsts.count(place) <= 250 for place in range(10))


def able(share: float, name: str = "m") -> Any:
    """A model that knows about so many of the answers, the same ones each time."""
    chance = random.Random(5)
    known = [Say(when=f"<{n}>", say=str(2 * n if chance.random() < share else 1)) for n in range(MANY)]
    return replace(clever(script=tuple(known)), name=name)


def test_a_run_ends_when_its_interval_is_narrow(tmp_path: Path) -> None:
    settings = {"count": MANY, "concurrency": 4, "stop_when": "width=0.25"}
    summary, _ = run_doubles(tmp_path / "s.sqlite3", settings, model=able(0.9))
    assert 40 < summary["n"] < MANY
    low, high = summary["ci95"]
    assert high - low <= 0.25
    assert summary["ci_method"] == "always_valid"
    assert summary["stopping"] == {"rule": "width=0.25", "decided": True, "items": summary["n"]}
    assert "0.25" in str(stopping_line(summary["stopping"]))
    assert summary["state"] == "finished"


def test_repetitions_at_temperature_zero_measure_the_noise(tmp_path: Path) -> None:
    summary, _ = run_doubles(tmp_path / "s.sqlite3", {"concurrency": 3, "repeats": 3})
    assert summary["n"] == 3 * QUESTIONS
    found = summary["repeats"]
    assert (found["k"], found["items"], found["flips"]["value"]) == (3, QUESTIONS, 0.0)
    assert found["flips"]["ci95"][1] < 0.3
    assert found["pass_every"]["3"]["value"] == pytest.approx(10 / 12)
    assert summary["ci_method"] == "wilson_clustered"
    assert "0 % of the items flip" in str(repeats_line(found)).replace("0.0 %", "0 %")


@pytest.mark.slow
def test_decided_against_the_best_other_model_of_the_store(tmp_path: Path) -> None:
    """The first model runs to the end for want of an opponent; the second ends early, against the first."""
    models = (able(0.9, "good"), able(0.4, "poor"))
    path = tmp_path / "s.sqlite3"
    with running(SimConfig(models=models, dialects=("openai",))) as sim:
        good = asyncio.run(one(path, sim.url("openai"), "good"))
        poor = asyncio.run(one(path, sim.url("openai"), "poor"))
        assert asyncio.run(one(path, sim.url("openai"), "poor"))["cached"]
    assert good["stopping"]["against"] is None
    assert good["n"] == MANY
    assert (good["ci_method"], poor["ci_method"]) == ("wilson", "always_valid")
    assert "no other model's run" in str(stopping_line(good["stopping"]))
    found = poor["stopping"]
    assert found["against"] == good["run_id"]
    assert (found["verdict"], found["decided"]) == ("worse", True)
    assert found["pairs"] == poor["n"] < 60
    assert found["p_value"] <= 0.05
    assert "worse than run" in str(stopping_line(found))
    with Store.open(path) as store:
        assert store.run(poor["run_id"]).settings["against"] == good["run_id"]
        assert [row.quality.rank for row in store.board() if row.quality] == [(1, 1), (2, 2)]


async def one(path: Path, url: str, name: str, count: int = MANY) -> dict[str, Any]:
    """One run as the plan makes it; its stored summary where it was made before."""
    server: Server = OpenAI(Address(url=url))
    settings = {"count": count, "concurrency": 4, "stop_when": "decided", "items": "doubles"}
    suite = Doubles()
    try:
        with Store.open(path) as store:
            model = replace(await server.describe(name), digest=name)
            job = Job(server=server, model=model, suite="doubles", settings=settings)
            plan = Plan(jobs=[job], command="tiltyard run doubles", preflight=False)
            begun = new_run(plan, job, suite, store, movable=False)
            job = replace(job, settings=begun.settings)
            claim = store.claim(begun)
            if claim.finished:
                return {**(claim.run.summary or {}), "cached": True}
            return dict(await run_job(plan, job, suite, claim, store, lambda _: None))
    finally:
        await server.close()


def test_what_an_opponent_was_not_asked_decides_nothing() -> None:
    opponent = Scores.of([(item_key("s", f"q{number}", "h"), 0.0) for number in range(4)])
    stopping = Stopping(rule_of("decided"), 1, opponent, "r0")
    for number in range(4):
        stopping.take(item(number), graded(f"q{number}", 1.0))
    before = stopping.summary()
    for number in range(4, 200):
        stopping.take(item(number), graded(f"q{number}", 1.0))
        assert not stopping.decided()
    assert {**before, "items": 200} == stopping.summary()


def test_what_an_earlier_sitting_decided_stays_decided() -> None:
    """It was valid at that moment, whatever the answers under way brought: those are counted, no more."""
    opponent = Scores.of([(item_key("s", f"q{number}", "h"), float(number >= 12)) for number in range(16)])
    first = Stopping(rule_of("decided"), 1, opponent, "r0")
    for number in range(16):
        first.take(item(number), graded(f"q{number}", float(number < 12)))
        first.decided()
    said = first.summary()
    assert (said["verdict"], said["decided"]) == ("better", True)
    second = Stopping(rule_of("decided"), 1, opponent, "r0")
    for number in range(16):  # counted at once, without a look between them
        second.take(item(number), graded(f"q{number}", float(number < 12)))
    assert not second.decided()
    second.recall(said)
    assert second.decided()
    assert second.summary() == said


def test_ways_that_an_opponent_was_not_asked_decide_nothing() -> None:
    """One way is easy for all, and only one side was asked it."""
    opponent = Scores.of([(item_key("s", f"q{number} x", "h/x"), 0.0) for number in range(60)])
    stopping = Stopping(rule_of("decided"), 2, opponent, "r0")
    for number in range(60):
        for way, score in (("x", 0.0), ("y", 1.0)):
            grade = Grade(outcome="correct" if score else "wrong", score=score)
            asked = make_attempt(stage="s", item_id=f"q{number} {way}", item_hash=f"h/{way}", grade=grade)
            stopping.take(item(number), asked)
    summary = stopping.summary()
    assert (summary["pairs"], summary["gains"], summary["losses"]) == (60, 0.0, 0.0)


@pytest.mark.parametrize("ended_early", [True, False])
def test_an_opponent_that_ended_early_itself_is_noted(tmp_path: Path, ended_early: bool) -> None:
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        run = make_run("early", suite="doubles", model=Model(name="other"), settings={"items": "doubles"})
        store.claim(run, fresh=True)
        grade = Grade(outcome="wrong", score=0.0)
        for number in range(5):
            asked = {"stage": "doubles", "item_id": f"q{number}", "item_hash": content_hash(number)}
            store.add([make_attempt("early", grade=grade, **asked)])
        outcomes: dict[str, Any] = {"outcomes": {"wrong": 5}, "score": 0.0, "ci95": [0.0, 0.4]}
        store.finish("early", "finished", {**outcomes, "stopping": {"decided": ended_early}})
    with running(SimConfig(models=(able(0.9, "good"),), dialects=("openai",))) as sim:
        summary = asyncio.run(one(path, sim.url("openai"), "good", count=40))
    assert summary["stopping"]["against"] == "early"
    assert (summary["stopping"]["pairs"], summary["n"]) == (5, 40)
    assert sum("only the 5 items" in note for note in summary["notes"]) == int(ended_early)


def test_an_item_may_say_how_often_it_is_asked() -> None:
    stopping = Stopping(rule_of("width=0.1"))
    turned = Item(id="q1", content_hash="h", spec={"number": 1, "asks": 3})
    for score in (1.0, 1.0):
        stopping.take(turned, graded("q1", score))
    assert stopping.sequence.n == 0
    stopping.take(turned, graded("q1", 0.0))
    assert stopping.sequence.n == 1
    assert stopping.sequence.total == pytest.approx(2 / 3)


def test_rotations_are_no_repetitions() -> None:
    tally = Tally()
    tally.repeats = 2
    for number in (1, 1, 2, 2):
        tally.add(item(number), graded(f"q{number}", 1.0))
    assert repeated(tally, range(4)) is not None
    for _ in range(2):
        tally.add(item(1), graded("q1", 0.0))
    assert repeated(tally, range(6)) is None
