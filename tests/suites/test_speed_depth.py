"""Which requests a prefill rate behind a context is taken from, by what the server says it had cached."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tiltyard.records import Attempt, Exchange, Measures, Message, Request, Timeline
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
