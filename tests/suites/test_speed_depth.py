"""Which requests a prefill rate behind a context is taken from, by what the server says it had cached."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.reports.made import Maker
from tests.suites.speed_runs import run_speed
from tiltyard.records import Attempt, Exchange, Measures, Message, Request, ServerTimings, Timeline
from tiltyard.reports.comparison import compare_runs
from tiltyard.reports.terminal_stages import prefill_cell
from tiltyard.reports.ways import Side
from tiltyard.servers.simulator import SimModel
from tiltyard.suites.speed.depth import prefill_at


def attempts(cached: Sequence[int | None], prompt: int, ttft_ms: float, tps: float | None) -> list[Attempt]:
    request = Request(model="m", messages=(Message(role="user", content="x"),))
    timeline = Timeline(scheduled_ns=0, started_ns=0)
    return [
        Attempt(
            run_id="r",
            stage="s",
            item_id="i",
            item_hash="h",
            repetition=number,
            started_at="2026-01-01T00:00:00.000+00:00",
            exchanges=(Exchange(request=request, timeline=timeline, ending="ok"),),
            measures=Measures(prompt_tokens=prompt, cached_tokens=n, ttft_ms=ttft_ms, prefill_tps=tps),
        )
        for number, n in enumerate(cached)
    ]


def test_a_request_that_missed_the_cache_is_left_out() -> None:
    filling = attempts([1020] * 4, 1536, 50.0, 10_000.0) + attempts([4], 1536, 150.0, 12_000.0)
    rate, method = prefill_at(1024, filling, attempts([1000] * 5, 1024, 5.0, None))
    assert method == "cached"
    assert rate is not None
    assert (rate["n"], rate["mean"]) == (4, 10_000.0)


@pytest.mark.parametrize("depth", [128, 256, 1024])
def test_a_templates_head_does_not_hide_that_the_cache_answered(depth: int) -> None:
    filling = attempts([depth - 25] * 3, depth + 512, 50.0, 10_000.0)
    assert prefill_at(depth, filling, [])[1] == "cached"


def test_a_template_that_is_always_cached_is_no_context() -> None:
    filling = attempts([28] * 3, 640, 60.0, 10_000.0)
    rate, method = prefill_at(128, filling, attempts([28] * 3, 128, 12.0, None))
    assert method == "difference"
    assert rate is not None
    assert rate["mean"] == pytest.approx(512 / 48 * 1000)


def test_a_cache_that_mostly_missed_gives_no_rate() -> None:
    filling = attempts([1020, 0, 0, 600, 0], 1536, 50.0, 10_000.0)
    assert prefill_at(1024, filling, attempts([0] * 5, 1024, 5.0, None)) == (None, "mixed")


@pytest.mark.parametrize("constant_ms", [0.0, 60.0])
def test_what_every_prefill_takes_alike_is_no_slowness_of_depth(constant_ms: float) -> None:
    """10 tokens a millisecond at every depth, and a part of the server's own time that no token takes."""
    flat = prefill_at(0, timed(512, constant_ms), timed(128, constant_ms))
    deep = prefill_at(4096, timed(4608, constant_ms), timed(4096, constant_ms))
    for rate, method in (flat, deep):
        assert method == "difference"
        assert rate is not None
        assert rate["mean"] == pytest.approx(10_000)


@pytest.mark.parametrize("more_ms", [-1.0, 1.0])
def test_a_difference_within_its_own_error_is_no_rate(more_ms: float) -> None:
    """Waits of 40 to 60 ms, and a longer prompt that takes a millisecond more, or less."""
    short = [
        replace(a, measures=replace(a.measures, ttft_ms=t)) for a, t in zip(SHORT, (40, 60), strict=True)
    ]
    long = [
        replace(a, measures=replace(a.measures, ttft_ms=t + more_ms))
        for a, t in zip(attempts([None] * 2, 1536, 0.0, None), (40, 60), strict=True)
    ]
    rate, method = prefill_at(1024, long, short)
    assert method == "difference"
    assert rate == {"n": 2, "mean": None, "ci95": None, "why": "the difference is within its own error"}
    assert prefill_cell({"prefill_tps": rate, "prefill_method": method}) == f"– ({rate['why']})"


SHORT = attempts([None] * 2, 1024, 0.0, None)


def timed(prompt: int, constant_ms: float) -> list[Attempt]:
    """Two answers whose prefill the server timed."""
    took = constant_ms + prompt / 10
    made = attempts([0, 0], prompt, took, 1000 * prompt / took)
    timings = ServerTimings(source="ollama", prefill_tokens=prompt, prefill_ms=took)
    return [
        replace(
            a,
            exchanges=(replace(a.exchanges[0], timings=timings),),
            measures=replace(a.measures, server_prefill_tps=a.measures.prefill_tps),
        )
        for a in made
    ]


@pytest.mark.slow
def test_two_depth_runs_are_compared_by_the_rates_that_they_show() -> None:
    """One server keeps its speed behind 4,096 tokens, the other has half of it."""
    settings = {"profile": "depth", "depths": "0,4k", "output_tokens": 16}
    sides, shown = [], []
    for half_depth in (None, 4096.0):
        model = SimModel(
            name="m", loaded=True, prefill_tps=16_000, decode_tps=1_000, half_depth=half_depth, context=8_192
        )
        ran = run_speed(settings, model, "vllm")
        rows = ran.summary["findings"]["depths"]
        assert [row["prefill_method"] for row in rows] == ["direct", "cached"]
        shown.append(rows[1]["prefill_tps"]["mean"])
        run = replace(Maker("m", seed=len(sides)).stage("s").run(), settings=settings, summary=ran.summary)
        sides.append(Side(run=run, attempts=[a for result in ran.results for a in result.attempts]))
    rows = compare_runs(sides[0], sides[1], ["prefill_tps", "ttft_ms"], by_stage=True).rows
    found = {(row.metric, row.stage): row for row in rows}
    assert {stage for _, stage in found} == {None, "pp512", "pp512 @ d4096"}
    behind = found["prefill_tps", "pp512 @ d4096"]
    assert behind.ratio is not None
    assert behind.ratio.ratio == pytest.approx(shown[1] / shown[0])
    assert behind.ratio.low is not None
