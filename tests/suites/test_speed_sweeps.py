"""Sweeps over streams and long loads: every level is asked, and a run in two sittings is one run."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tests.patience import best_of
from tests.suites.speed_runs import FAST, run_speed
from tiltyard.errors import UsageError
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Attempt, Events, Exchange, Measures, Model, Request, Timeline
from tiltyard.reports.stages import in_words
from tiltyard.stats.queues import QUEUED, SHARED
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.asking import ask_stage
from tiltyard.suites.speed import load_profile
from tiltyard.suites.speed.options import read_settings
from tiltyard.suites.speed.trial import Trial


@pytest.mark.slow
@best_of()
def test_concurrency_finds_the_knee() -> None:
    model = replace(FAST, decode_tps=800, knee=4.0)
    settings = {"profile": "concurrency", "output_tokens": 40, "prompt_tokens": 32}
    ran = run_speed(settings, model)
    found = ran.summary["findings"]
    assert found["knee"]["streams"] == 4
    assert [row["streams"] for row in found["curve"]] == [1, 2, 4, 8, 16]
    assert found["curve"][2]["output_tps"]["mean"] == pytest.approx(3200, rel=0.2)
    assert ran.summary["figures_from"] == "4 streams"


def test_concurrency_levels_as_given() -> None:
    ran = run_speed({"profile": "concurrency", "concurrency": "1,3", "output_tokens": 8, "requests": 9})
    assert [r.stage.name for r in ran.results] == ["1 stream", "3 streams"]
    assert ran.summary["requests"]["ok"] == 18


def test_every_level_that_was_named_is_asked() -> None:
    """Six requests never keep four streams under way for long: their rate is of the whole level."""
    settings = {"profile": "concurrency", "concurrency": "1,4,6", "output_tokens": 8, "requests": 6}
    found = run_speed(settings).summary["findings"]
    one, four, six = found["curve"]
    assert one["output_tps"]["ci95"] is not None
    for row in (four, six):
        assert row["output_tps"]["mean"] > 0
        assert (row["output_tps"]["n"], row["output_tps"]["ci95"]) == (1, None)
        assert row["output_tps"]["why"] == "over the whole window, start and drain included"
    assert [note.partition(":")[0] for note in found["notes"]] == ["4 streams", "6 streams"]
    assert "6 requests are few for a rate while all are under way" in found["notes"][0]
    assert not found["knee"]["resolved"]


@pytest.mark.parametrize(
    ("settings", "names", "rates"),
    [
        ({"profile": "concurrency", "concurrency": "2,1,2"}, ["2 streams", "1 stream"], [None, None]),
        ({"profile": "serve", "rates": "500,500"}, ["500/s"], [500.0]),
        ({"profile": "serve", "rates": "500.001,500.0020001"}, ["500.001/s", "500.0020001/s"], None),
        ({"profile": "serve", "rates": "1234.5,1k"}, ["1234.5/s", "1000/s"], [1234.5, 1000.0]),
    ],
)
def test_levels_are_those_that_were_named_each_once(
    settings: dict[str, Any], names: list[str], rates: list[float | None] | None
) -> None:
    ran = run_speed({**settings, "output_tokens": 4, "requests": 3, "prompt": "Hi."})
    assert [r.stage.name for r in ran.results] == names
    assert [r.stage.load.rate for r in ran.results] == (rates or [float(name[:-2]) for name in names])
    assert [r.total for r in ran.results] == [3] * len(names)


def test_two_stages_of_one_name_are_refused_before_answers_are_lost() -> None:
    """The name is a part of what an attempt is known by."""
    first = run_speed({"profile": "fixed", "requests": 1, "prompt": "Hi."}).results
    stage, nothing = first[0].stage, cast(Any, None)
    with pytest.raises(UsageError, match="two stages are called '1 stream'"):
        asyncio.run(ask_stage(stage, nothing, nothing, nothing, first))


MANY = 0.4  # of a level's requests failed


@pytest.mark.slow
@best_of()
def test_a_level_at_which_requests_failed_is_neither_best_nor_the_knee() -> None:
    """Six streams are served, the others are turned away: what eight would have brought is not known."""
    model = replace(FAST, decode_tps=200, slots=6, queue=0)
    settings = {"profile": "concurrency", "concurrency": "2,8,4", "output_tokens": 16, "prompt": "Hi."}
    ran = run_speed(settings, model, dialect="openai")
    found = ran.summary["findings"]
    rows = {row["streams"]: row for row in found["curve"]}
    lost = {row["load"]["concurrency"]: row["requests"]["failed"] for row in ran.summary["stages"]}
    assert {streams: row["failed"] for streams, row in rows.items()} == lost
    assert (lost[2], lost[4]) == (0, 0)
    assert lost[8] > 0
    assert (found["knee"]["streams"], found["knee"]["growing"]) == (4, True)
    assert ran.summary["figures_from"] == "4 streams"
    words = in_words(ran.summary)
    assert words[0].startswith("Throughput was still growing at 4 streams, ")
    assert words[1].startswith("From 8 streams on requests fail: ")


@pytest.mark.parametrize(
    ("lost", "few", "asked"),
    [
        ((8, 16, 32), 0.0, [1, 2, 4, 8, 16]),
        ((1, 2, 4), 0.0, [1, 2, 4]),
        ((1, 4), 0.0, None),
        ((), 0.02, None),  # a server that drops one now and then does so at every level
    ],
)
def test_a_sweep_of_our_own_ends_where_two_levels_in_a_row_fail(
    lost: tuple[int, ...], few: float, asked: list[int] | None
) -> None:
    """Though each is faster than the one before. A lone one ends nothing."""

    async def levels() -> list[int]:
        found, stages = [], load_profile("concurrency").stages(trial_of("concurrency"))
        stage = await anext(stages)
        while (streams := stage.load.concurrency) < 64:
            found.append(streams)
            try:
                share = MANY if streams in lost else few
                stage = await stages.asend(answered(streams, 100.0 * streams, share))
            except StopAsyncIteration:
                break
        return found

    assert asyncio.run(levels()) == (asked or [1, 2, 4, 8, 16, 32])


def test_a_level_that_failed_below_the_knee_leaves_it_in_doubt() -> None:
    """Whether fewer streams are enough, nobody knows then."""
    rates = {1: 100.0, 2: 200.0, 4: 400.0, 8: 800.0}
    levels = [answered(streams, rate, MANY if streams == 4 else 0.0) for streams, rate in rates.items()]
    profile, trial = load_profile("concurrency"), trial_of("concurrency")
    knee = profile.conclude(trial, levels)["knee"]
    assert (knee["streams"], knee["resolved"]) == (8, False)
    sure = profile.conclude(trial, [answered(streams, rate) for streams, rate in rates.items()])
    assert sure["knee"]["resolved"]
    lone = profile.conclude(trial, [answered(1, 100.0), answered(2, 200.0, MANY)])
    assert (lone["knee"], lone["headline"]) == (None, "1 stream")


def trial_of(profile: str) -> Trial:
    """A run of which nobody asks a server anything."""
    settings = {"profile": profile, "prompt": "Hi."}
    return Trial(
        Bench(server=cast(Any, None), model=Model(name="m"), settings=settings), read_settings(settings)
    )


def answered(streams: int, output_tps: float, failed: float = 0.0) -> StageResult:
    """Ten answers a stream, one after the other, all with the same even steps; a share of them may be lost,
    the last ones.
    """
    tokens, turns = 20, 10
    length_s = tokens * streams / output_tps
    attempts = [
        in_steps(f"{streams} streams", number, number // streams * length_s, length_s, tokens)
        for number in range(turns * streams)
    ]
    for place in range(round(len(attempts) * (1 - failed)), len(attempts)):
        lost = replace(attempts[place].exchanges[0], ending="http_error")
        attempts[place] = replace(attempts[place], exchanges=(lost,))
    load = Load(concurrency=streams, stop=Stop(count=len(attempts)))
    stage = Stage(name=f"{streams} streams", load=load, items=())
    return StageResult(stage=stage, attempts=attempts, wall_s=turns * length_s, total=len(attempts))


def in_steps(stage: str, number: int, start_s: float, length_s: float, tokens: int) -> Attempt:
    """An answer whose tokens come in even steps, the last one at its end."""
    start, step = round(start_s * 1e9), length_s * 1e9 / tokens
    times = tuple(start + round(step * (n + 1)) for n in range(tokens))
    timeline = Timeline(scheduled_ns=start, started_ns=start, sent_ns=start, closed_ns=times[-1])
    events = Events(t_ns=times, kinds="c" * tokens, texts=("x",) * tokens)
    request = Request(model="m", messages=())
    exchange = Exchange(request=request, timeline=timeline, ending="ok", events=events)
    return replace(make_attempt(exchange, number, stage), measures=Measures(output_tokens=tokens))


@pytest.mark.slow
def test_answers_that_were_cut_have_failed_at_their_level() -> None:
    settings = {"profile": "concurrency", "concurrency": "1,2", "output_tokens": 8, "requests": 20}
    cut = tuple(f"no_finish@{number}" for number in range(28, 44))
    ran = run_speed(settings, dialect="openai", faults=cut)
    alone, two = ran.summary["findings"]["curve"]
    assert (alone["failed"], alone["overloaded"]) == (0, False)
    assert two["failed"] >= 10
    assert two["overloaded"]


def test_levels_left_out_after_failures_alone_are_said() -> None:
    settings = {"profile": "concurrency", "concurrency": "1,2,4", "requests": 20, "prompt": "Hi."}
    ran = run_speed(settings, dialect="openai", faults=("error_500",))
    assert [r.stage.name for r in ran.results] == ["1 stream"]
    notes = ran.summary["findings"]["notes"]
    assert notes[0] == "1 stream: given up after failures in a row, so the levels after it were left out"


def test_a_level_that_was_broken_off_keeps_the_rate_of_its_first_sitting() -> None:
    """The second sitting asks the two that are left: too few for four streams."""
    settings = {"profile": "concurrency", "concurrency": "4", "output_tokens": 8, "requests": 18}
    whole = run_speed(settings)
    known = [replace(a, session=1) for a in whole.results[0].attempts[:16]]
    ran = run_speed(settings, known=known)
    [row] = ran.summary["findings"]["curve"]
    assert {a.session for a in ran.results[0].attempts} == {1, 2}
    assert (row["output_tps"]["n"], ran.summary["findings"]["notes"]) == (10, [])


@pytest.mark.slow
@best_of()
def test_soak_tells_the_drift() -> None:
    ran = run_speed({"profile": "soak", "seconds": 1.0, "concurrency": 2, "output_tokens": 16})
    drift = ran.summary["findings"]["drift"]
    assert set(drift) == {"decode_tps", "ttft_ms", "e2e_ms", "prefill_tps"}
    assert drift["decode_tps"]["n"] == ran.summary["requests"]["ok"]
    assert abs(drift["decode_tps"]["change"]) < 0.5


def test_waits_in_a_queue_have_a_drift_without_an_interval() -> None:
    ran = run_speed({"profile": "soak", "seconds": 1.0, "rate": 30.0, "output_tokens": 96})
    assert ran.summary["stages"][0]["load"]["overlapped"]
    drift = ran.summary["findings"]["drift"]
    for name, why in (("ttft_ms", QUEUED), ("e2e_ms", QUEUED), ("decode_tps", SHARED)):
        assert drift[name]["change"] is not None
        assert [drift[name][part] for part in ("clear", "slope_ci95", "change_ci95")] == [None] * 3
        assert drift[name]["why"] == why


def test_a_drift_is_over_all_sittings() -> None:
    """Each sitting has a steady speed of its own, and a clock of its own: the second is slower."""
    known = [at_speed(n, 100.0, session=1, start_s=5_000.0 + n) for n in range(20)]
    known += [at_speed(n, 71.0, session=2, start_s=9.0 + n) for n in range(20, 40)]
    stage = Stage(name="soak", load=Load(stop=Stop(seconds=40.0)), items=())
    result = StageResult(stage=stage, attempts=known, wall_s=40.0)
    trial: Any = None  # nothing of it is asked
    found = load_profile("soak").conclude(trial, [result])
    line = found["drift"]["decode_tps"]
    assert (found["sittings"], line["n"], line["clear"]) == (2, 40, True)
    assert line["change"] < -0.2
    assert -2 < line["slope_per_s"] < -0.5
    [words] = in_words({"findings": found})
    assert words.startswith("Decode speed drifted: −")
    assert words.endswith("over the run's 2 sittings, without the time between.")


def at_speed(number: int, decode_tps: float, session: int, start_s: float) -> Attempt:
    """An answer of one second."""
    start = round(start_s * 1e9)
    timeline = Timeline(scheduled_ns=start, started_ns=start, sent_ns=start, closed_ns=start + 10**9)
    return Attempt(
        run_id="r",
        stage="soak",
        item_id="pp512-tg20",
        item_hash="h",
        repetition=number,
        session=session,
        started_at="2026-01-01T00:00:00.000+00:00",
        exchanges=(Exchange(request=Request(model="m", messages=()), timeline=timeline, ending="ok"),),
        measures=Measures(decode_tps=decode_tps, output_tokens=20),
    )


def test_a_level_that_its_requests_cannot_fill_is_refused() -> None:
    with pytest.raises(UsageError, match="8 streams need at least as many requests, not 6"):
        run_speed({"profile": "concurrency", "concurrency": "1,8", "requests": 6})
