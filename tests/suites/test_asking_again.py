"""A run's later sittings: what failed is asked again, and nothing found out is lost from the count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.patience import best_of
from tests.suites.graded_runs import Doubles, clever, run_doubles, sitting
from tests.suites.speed_runs import FAST, run_speed
from tiltyard.errors import ServerError
from tiltyard.load.lag import ClientMeter
from tiltyard.records import Attempt, Timeouts
from tiltyard.servers import Address
from tiltyard.servers.openai import OpenAI
from tiltyard.servers.simulator import SimConfig, running
from tiltyard.servers.simulator.config import Say
from tiltyard.store.store import Store
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.asking import Sitting, put_through
from tiltyard.suites.telling import Teller

COUNT = 60
ONE_BY_ONE = {"retries": 0, "concurrency": 1, "count": COUNT}
FOURTHS = ("error_500@/4",)  # 15 of the 60
DEAD = tuple(f"error_500@{number}" for number in range(4, COUNT))  # after three answers
EVERY = ("error_500",)

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One sitting of the same run, with these faults."""
    script = tuple(Say(when=f"<{n}>", say=str(2 * n)) for n in range(COUNT))

    def again(faults: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        settings = {**ONE_BY_ONE, **more}
        return run_doubles(tmp_path / "s.sqlite3", settings, faults=faults, model=clever(script=script))[0]

    return again


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    names = ("run_id", "state", "n", "outcomes", "score", "bounds", "ci95", "error_rate", "gave_up")
    return {name: one[name] for name in names} == {name: other[name] for name in names}


@pytest.mark.slow
def test_a_sitting_in_which_all_fails_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    first = run(FOURTHS)
    assert (first["n"], first["outcomes"]["error"], first["state"]) == (COUNT, 15, "finished")
    assert first["bounds"] == pytest.approx([0.75, 1.0])
    for _ in range(4):
        assert same(run(EVERY), first)
    with Store.open(tmp_path / "s.sqlite3") as store:
        assert [each.state for each in store.runs()] == ["finished"]
        tries = [attempt.try_no for attempt in store.attempts(first["run_id"])]
        assert store.counts([first["run_id"]]) == {first["run_id"]: COUNT}
    assert max(tries) > 2  # it did ask again


@pytest.mark.slow
def test_a_server_that_dies_in_the_second_sitting(run: Run) -> None:
    """Seven of the fifteen are answered, eight fail again."""
    run(FOURTHS)
    second = run(tuple(f"error_500@{number}" for number in range(8, 40)))
    assert (second["n"], second["outcomes"]["error"], second["outcomes"]["correct"]) == (COUNT, 8, COUNT - 8)
    assert second["state"] == "finished"
    third = run()
    assert (third["n"], third["outcomes"]["error"], third["score"]) == (COUNT, 0, 1.0)


@pytest.mark.slow
def test_what_failed_most_is_asked_last(run: Run, tmp_path: Path) -> None:
    """Else a few questions that a server always refuses would keep other failures from being asked again."""

    def again(failed: bool) -> set[str]:
        with Store.open(tmp_path / "s.sqlite3") as store:
            found = store.attempts(first["run_id"])
        tried = [each for each in found if each.try_no > 1 and each.grade is not None]
        return {each.item_id for each in tried if (each.grade.outcome == "error") == failed}

    first = run(FOURTHS)
    run(EVERY)  # ends after five of the fifteen, or more where what came is read late
    twice = again(failed=True)
    rest = 15 - len(twice)
    assert len(twice) >= 5
    third = run(tuple(f"error_500@{number}" for number in range(rest + 1, COUNT)))
    assert third["outcomes"]["error"] == 15 - rest
    assert len(again(failed=False)) == rest
    assert not twice & again(failed=False)


@pytest.mark.slow
def test_the_same_failures_again_do_not_keep_the_rest_from_being_asked(run: Run) -> None:
    first = run(DEAD)
    errors = first["outcomes"]["error"]
    assert errors >= 5
    assert (first["n"], first["state"]) == (3 + errors, "failed")
    second = run(tuple(f"error_500@{number}" for number in range(COUNT - first["n"] + 1, COUNT)))
    outcomes = second["outcomes"]
    assert (second["n"], outcomes["error"], outcomes["correct"]) == (COUNT, errors, COUNT - errors)
    assert second["state"] == "finished"


def test_a_run_that_gave_up_counts_its_errors_also_where_the_next_sitting_gives_up(run: Run) -> None:
    first = run(DEAD)
    second = run(EVERY)
    assert second["state"] == "failed"
    assert second["outcomes"]["error"] >= first["outcomes"]["error"] + 5
    assert second["n"] == 3 + second["outcomes"]["error"]


def in_a_row(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"error_500@{number}" for number in range(first, first + count))


def test_what_stopped_a_run_stays_decided_when_the_server_recovers(run: Run) -> None:
    """Requests under way at that moment may end well."""
    found = run(in_a_row(11, 60), count=200)
    assert (found["state"], found["gave_up"]) == ("failed", True)
    assert 20 <= found["outcomes"]["error"] <= 60
    assert found["n"] <= 80
    (note,) = (note for note in found["notes"] if "not asked" in note)
    assert f"{200 - found['n']} more were not asked" in note


def test_a_server_that_recovers_does_not_end_a_run(run: Run) -> None:
    found = run((*in_a_row(5, 19), *in_a_row(30, 12)))
    assert (found["state"], found["gave_up"], found["n"]) == ("finished", False, COUNT)
    assert found["outcomes"]["error"] == 31
    assert not [note for note in found["notes"] if "not asked" in note]


@pytest.mark.slow
def test_timeouts_get_less_patience(tmp_path: Path) -> None:
    """Each of them takes minutes."""
    faults = tuple(f"stall_first=60000@{number}" for number in range(4, COUNT))
    config = SimConfig(models=(clever(),), dialects=("openai",), faults=faults)
    short = Timeouts(first_byte_s=0.5)
    with running(config) as sim:
        url = sim.url("openai")
        found, _ = asyncio.run(sitting(tmp_path / "s.sqlite3", ONE_BY_ONE, url, timeouts=short))
    assert (found["state"], found["gave_up"]) == ("failed", True)
    assert 5 <= found["endings"]["timeout_first_byte"] <= 7


def test_a_server_that_never_answers_gets_less_patience(run: Run) -> None:
    found = run(EVERY)
    assert (found["state"], found["gave_up"]) == ("failed", True)
    assert 5 <= found["n"] < 15


def test_answers_of_a_run_that_ended_early_stay_counted(run: Run) -> None:
    """By `--stop-when`: what came in is known, also behind the place where a later sitting would stop."""
    settings = {"stop_when": "width=0.5"}
    first = run(("error_500@/3",), **settings)
    assert first["outcomes"]["error"]
    assert first["n"] < COUNT
    second = run(EVERY, **settings)
    assert second["n"] >= first["n"]
    assert second["outcomes"]["correct"] == first["outcomes"]["correct"]


def test_failures_of_a_run_that_ended_early_are_asked_again(run: Run, tmp_path: Path) -> None:
    """The decision ends what was never asked; what failed is still owed an answer."""
    settings = {"stop_when": "width=0.5", "concurrency": 3}
    first = run(("error_500@/3",), **settings)
    assert first["stopping"]["decided"]
    errors = first["outcomes"]["error"]
    assert errors >= 3
    second = run(**settings)
    assert (second["run_id"], second["state"]) == (first["run_id"], "finished")
    assert (second["outcomes"]["error"], second["outcomes"]["correct"]) == (0, first["n"])
    assert (second["stopping"]["decided"], second["stopping"]["items"]) == (True, first["n"])
    with Store.open(tmp_path / "s.sqlite3") as store:
        assert not store.has_failures(first["run_id"])
        again = [attempt for attempt in store.attempts(first["run_id"]) if attempt.session == 2]
    assert len(again) == errors  # nothing else was asked


def test_failures_that_fail_again_leave_a_run_that_ended_early_finished(run: Run) -> None:
    settings = {"stop_when": "width=0.5"}
    first = run(("error_500@/3",), **settings)
    assert first["outcomes"]["error"] >= 5  # as many as end a sitting in which nothing is answered
    assert same(run(EVERY, **settings), first)


@pytest.mark.slow
def test_an_undecided_run_asks_what_was_never_asked_before_what_failed(run: Run) -> None:
    first = run(DEAD, stop_when="width=0.2")
    errors = first["outcomes"]["error"]
    assert (first["n"], first["state"]) == (3 + errors, "failed")
    second = run(stop_when="width=0.2")
    assert second["stopping"]["decided"]
    assert (second["outcomes"]["error"], second["state"]) == (0, "finished")
    assert second["n"] < COUNT


@pytest.mark.slow
def test_a_sitting_that_is_interrupted_leaves_a_finished_run_as_it_was(run: Run, tmp_path: Path) -> None:
    first = run(FOURTHS)
    config = SimConfig(models=(clever(),), dialects=("openai",), faults=("stall_first=60000",))

    async def interrupted(url: str) -> None:
        await asyncio.wait_for(sitting(tmp_path / "s.sqlite3", ONE_BY_ONE, url), 1.0)

    with running(config) as sim, pytest.raises(TimeoutError):
        asyncio.run(interrupted(sim.url("openai")))
    with Store.open(tmp_path / "s.sqlite3") as store:
        (kept,) = store.runs()
    assert same(dict(kept.summary or {}), first)
    assert run()["outcomes"]["error"] == 0


@pytest.mark.slow
def test_what_an_interrupted_sitting_found_out_is_in_the_figures(run: Run, tmp_path: Path) -> None:
    """The stored summary, the board and the stored answers say the same."""
    run(FOURTHS)
    script = tuple(Say(when=f"<{n}>", say=str(2 * n)) for n in range(COUNT))
    config = SimConfig(models=(clever(script=script),), dialects=("openai",), faults=("stall_first=60000@8",))

    async def interrupted(url: str) -> None:
        await asyncio.wait_for(sitting(tmp_path / "s.sqlite3", ONE_BY_ONE, url), 3.0)

    with running(config) as sim, pytest.raises(TimeoutError):
        asyncio.run(interrupted(sim.url("openai")))
    with Store.open(tmp_path / "s.sqlite3") as store:
        (kept,) = store.runs()
        found = store.so_far(kept.id).outcomes
        (row,) = store.board()
    assert kept.state == "finished"
    assert kept.summary is not None
    assert found == {"correct": 52, "error": 8}
    assert {name: n for name, n in kept.summary["outcomes"].items() if n} == found
    assert row.quality is not None
    assert row.quality.outcomes == kept.summary["outcomes"]
    assert (kept.summary["state"], kept.summary["gave_up"]) == ("finished", False)


@pytest.mark.slow
@pytest.mark.parametrize("faults", [("model_404",), EVERY])
def test_a_sitting_that_does_not_begin_leaves_a_finished_run_as_it_was(
    run: Run, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    first = run(FOURTHS)
    path = tmp_path / "s.sqlite3"
    config = SimConfig(models=(clever(),), dialects=("openai",), faults=faults)
    events: list[dict[str, Any]] = []
    with running(config) as sim, pytest.raises(ServerError):
        asyncio.run(sitting(path, ONE_BY_ONE, sim.url("openai"), preflight=True, events=events))
    assert same(events[-1], first)  # what is said is what is known
    assert events[-1]["error"]
    assert "nothing could be asked again: " in events[-1]["notes"][-1]
    with Store.open(path) as store:
        (kept,) = store.runs()
        board = store.board()
    assert kept.state == "finished"
    assert kept.summary is not None
    assert same(dict(kept.summary), first)
    assert "error" not in kept.summary
    assert [row.quality.n for row in board if row.quality] == [COUNT]
    assert same(run(EVERY), first)


@pytest.mark.slow
def test_a_run_that_was_not_finished_keeps_its_count_where_the_next_sitting_does_not_begin(
    run: Run, tmp_path: Path
) -> None:
    first = run(DEAD)
    path, config = tmp_path / "s.sqlite3", SimConfig(models=(clever(),), dialects=("openai",), faults=EVERY)
    for _ in range(2):
        with running(config) as sim, pytest.raises(ServerError):
            asyncio.run(sitting(path, ONE_BY_ONE, sim.url("openai"), preflight=True))
    with Store.open(path) as store:
        (kept,) = store.runs()
    assert kept.state == "failed"
    assert same(dict(kept.summary or {}), first)
    assert sum("nothing could be asked again" in note for note in kept.notes) == 1
    assert run()["n"] == COUNT


@pytest.mark.slow
def test_failures_of_a_load_that_came_to_its_end_stay() -> None:
    """By an interval's width, a count, or a time of an open load; asked alone they would succeed."""
    faults = tuple(f"error_500@{number}" for number in range(2, 5))
    width = {"profile": "fixed", "width": 0.9, "output_tokens": 8, "concurrency": 1}
    for load in (width, {**FEW, "requests": 9}, {**FEW, "rate": 40.0, "seconds": 0.25}):
        model = replace(FAST, decode_tps=200)
        first = run_speed(load, model, faults=faults).results[0]
        assert failed(first.attempts) == 3
        second = run_speed(load, model, known=first.attempts).results[0]
        assert (second.total, failed(second.attempts)) == (first.total, 3)
        assert {attempt.session for attempt in second.attempts} == {1}


FEW = {"profile": "fixed", "output_tokens": 8, "prompt": "Hi."}


def failed(attempts: Sequence[Attempt]) -> int:
    return sum(attempt.exchanges[-1].ending != "ok" for attempt in attempts)


def test_failures_of_a_load_that_was_interrupted_are_part_of_it() -> None:
    """However often it is interrupted, as many fail as without."""
    whole = run_speed({**FEW, "requests": 9}, faults=("error_500@2",)).results[0]
    second = run_speed({**FEW, "requests": 9}, known=whole.attempts[:6]).results[0]
    assert (second.total, failed(second.attempts)) == (9, 1)
    assert sum(attempt.session == 2 for attempt in second.attempts) == 3


@best_of()
@pytest.mark.parametrize("arrivals", [{"rate": 8.0, "burst": 4}, {"rate": 8.0}])
def test_the_waiting_between_arrivals_is_part_of_a_load_however_often_it_is_interrupted(
    arrivals: dict[str, Any],
) -> None:
    """The schedule of 12 requests at 8 a second has the same time for it in three sittings."""
    whole = run_speed({**FEW, **arrivals, "requests": 12}).summary
    known: list[Attempt] = []
    for requests in (4, 8, 12):
        parts = run_speed({**FEW, **arrivals, "requests": requests}, known=known)
        known = parts.results[0].attempts
    assert {attempt.session for attempt in known} == {1, 2, 3}
    for name in ("wall_s", "request_rate", "output_tps"):
        assert parts.summary[name] == pytest.approx(whole[name], rel=0.1), name


def test_failures_of_a_sitting_without_an_answer_of_its_own_are_part_of_the_load() -> None:
    whole = run_speed({**FEW, "requests": 9}, faults=("error_500@3", "error_500@4")).results[0]
    sittings = [replace(each, session=1 if place < 2 else 2) for place, each in enumerate(whole.attempts[:4])]
    third = run_speed({**FEW, "requests": 9}, known=sittings).results[0]
    assert (third.total, failed(third.attempts)) == (9, 2)


def test_failures_of_a_load_that_was_interrupted_before_an_answer_are_asked_again() -> None:
    whole = run_speed({**FEW, "requests": 9}, faults=("error_500@1", "error_500@2")).results[0]
    assert failed(whole.attempts[:2]) == 2
    second = run_speed({**FEW, "requests": 9}, known=whole.attempts[:2]).results[0]
    assert (second.total, failed(second.attempts)) == (9, 0)


def test_a_burst_of_which_all_was_sent_was_not_given_up() -> None:
    """And nothing of it is left to ask."""
    settings = {"profile": "soak", "burst": 16, "rate": 64.0, "requests": 16, "seconds": 9.0, "prompt": "Hi."}
    first = run_speed(settings, dialect="openai", faults=EVERY).results[0]
    assert (first.total, first.gave_up) == (16, False)
    second = run_speed(settings, dialect="openai", known=first.attempts).results[0]
    assert (second.total, failed(second.attempts), second.gave_up) == (16, 16, False)


class Ungraded(Doubles):
    """Nobody grades it, and each request is tried twice."""

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        async for stage in super().stages(bench):
            yield replace(stage, tally=None)


async def left_before_a_retry(url: str, suite: Doubles) -> tuple[StageResult, list[Attempt]]:
    """A sitting that is broken off while a request waits to be asked again, and what it has recorded."""
    kept, results, waits = list[Attempt](), list[StageResult](), asyncio.Event()

    async def record(attempt: Attempt) -> None:
        kept.append(attempt)

    def hear(event: Mapping[str, Any]) -> None:
        if event["event"] == "retry":
            waits.set()

    server = OpenAI(Address(url=url))
    settings = {"concurrency": 1, "retries": 1, "retry_delay_s": 300.0}
    try:
        bench = Bench(server=server, model=await server.describe("m"), settings=settings)
        async with ClientMeter() as meter:
            fixed: dict[str, Any] = {"run_id": "r", "session": 1, "done": {}, "tries": {}}
            sitting = Sitting(record=record, meter=meter, teller=Teller(hear, {}), **fixed)
            job = asyncio.create_task(put_through(suite, bench, sitting, results))
            await waits.wait()
            job.cancel()
            await asyncio.wait((job,))
    finally:
        await server.close()
    return results[0], kept


@pytest.mark.parametrize("kind", [Doubles, Ungraded])
def test_what_waits_to_be_asked_again_counts_as_failed_where_the_sitting_ends(kind: type[Doubles]) -> None:
    """As it does in the store."""
    suite = kind()
    with running(SimConfig(models=(clever(),), dialects=("openai",), faults=("busy_503@4",))) as sim:
        result, kept = asyncio.run(left_before_a_retry(sim.url("openai"), suite))
    assert result.total == len(kept) == 4
    endings = (
        suite.tally.endings if kind is Doubles else Counter(a.exchanges[-1].ending for a in result.attempts)
    )
    assert endings == {"ok": 3, "http_error": 1}
