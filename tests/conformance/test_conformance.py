"""Tiltyard is right in every column, for every dialect that can express it (at a seventh of the times)."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.measuring import CLIENTS, Case, play_all, scenarios_of, word_tokenizer

pytestmark = pytest.mark.slow

SCALE = 0.15
EVERY = [(dialect, scenario.name) for dialect in CLIENTS for scenario in scenarios_of(dialect)]
EXACT = {"kernel": 1.0, "user": 8.0}  # ms that a stamp may be off on a busy test machine


@cache
def cases(dialect: str) -> dict[str, Case]:
    with TemporaryDirectory() as folder:
        tokenizer = word_tokenizer(Path(folder))
        played = asyncio.run(play_all(dialect, SCALE, tokenizer))
    return {case.scenario.name: case for case in played}


def skip_merged(case: Case) -> None:
    """Nothing can be said of times between writes that were one read, as often as they were played."""
    if len(case.gaps_ms) != len(case.truth.gaps_ms):
        pytest.skip("this machine is too busy to keep two writes apart")


@pytest.mark.parametrize(("dialect", "name"), EVERY)
def test_endings(dialect: str, name: str) -> None:
    case = cases(dialect)[name]
    assert case.exchange.ending == case.scenario.ending, case.exchange.error


@pytest.mark.parametrize(("dialect", "name"), EVERY)
def test_first_token_first_output_and_end(dialect: str, name: str) -> None:
    case = cases(dialect)[name]
    close = EXACT[case.exchange.timeline.clock]
    for said, true in (
        (case.said.ttft_ms, case.truth.ttft_ms),
        (case.said.ttfo_ms, case.truth.ttfo_ms),
        (case.said.e2e_ms, case.truth.e2e_ms),
    ):
        assert (said is None) == (true is None)
        if said is not None:
            assert said == pytest.approx(true, abs=close)


@pytest.mark.parametrize(("dialect", "name"), EVERY)
def test_decode_and_tokens(dialect: str, name: str) -> None:
    case = cases(dialect)[name]
    if case.scenario.ending != "ok":
        assert case.said.itl_ms is None
        return
    if name == "nousage" and case.said.tokens_source == "estimate":
        pytest.skip("counting needs the extra `tokenizer` here")
    assert case.said.output_tokens == case.truth.tokens
    skip_merged(case)  # tokens that come with the first are not after it
    span = case.truth.e2e_ms - case.truth.ttft_ms if case.truth.e2e_ms and case.truth.ttft_ms else 1.0
    close = 2 * EXACT[case.exchange.timeline.clock] / span
    if case.said.rate_source == "server":  # its own claim is about the times that were meant
        close += 0.1
    assert case.said.itl_ms == pytest.approx(case.truth.itl_ms, rel=close)


@pytest.mark.parametrize(("dialect", "name"), EVERY)
def test_chunk_gaps(dialect: str, name: str) -> None:
    case = cases(dialect)[name]
    close = EXACT[case.exchange.timeline.clock]
    skip_merged(case)
    assert case.gaps_ms == pytest.approx(case.truth.gaps_ms, abs=2 * close)


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_a_guess_is_marked_and_a_count_is_not(dialect: str) -> None:
    burst = cases(dialect)["burst"].said
    if dialect == "vllm":  # counts in every chunk
        assert (burst.rate_source, burst.rate_bias) == ("client", None)
    elif dialect in ("ollama", "llamacpp", "lmstudio"):  # the server's own rate is better than a guess
        assert burst.rate_source == "server"
    else:
        assert burst.rate_source == "client-chunked"
        assert burst.rate_bias == pytest.approx(0.125)
    assert cases(dialect)["role"].said.rate_source == "client"


@pytest.mark.parametrize("dialect", ["openai", "sglang", "mlx"])
def test_the_opening_of_a_tool_call_is_a_guess_and_says_so(dialect: str) -> None:
    said = cases(dialect)["tool_only"].said
    assert said.rate_source == "client-chunked"
    assert said.rate_bias == pytest.approx(1 / 9)


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_a_late_finish_is_the_tail(dialect: str) -> None:
    said = cases(dialect)["tail"].said
    truth = cases(dialect)["tail"].truth
    assert truth.tail_ms is not None
    assert said.tail_ms == pytest.approx(truth.tail_ms, abs=10)
    assert said.close_ms is not None
    assert said.e2e_ms is not None
    assert said.close_ms - said.e2e_ms == pytest.approx(said.tail_ms)


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_headers_say_nothing_about_tokens(dialect: str) -> None:
    early, late = cases(dialect)["role"], cases(dialect)["late_headers"]
    assert early.said.ttfb_ms is not None
    assert late.said.ttfb_ms is not None
    assert early.truth.first_ms is not None
    assert early.said.ttfb_ms <= early.truth.first_ms + EXACT[early.exchange.timeline.clock]
    assert late.said.ttfb_ms == pytest.approx(late.truth.first_ms, abs=EXACT[late.exchange.timeline.clock])
