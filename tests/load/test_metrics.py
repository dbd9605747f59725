"""Each metric against times that are known, with the cases in which peers go wrong."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tests.load.exchanges import make_exchange, steady
from tiltyard.load.metrics import attribute, chunk_gaps_ms, measure, why_no_rate
from tiltyard.load.prefill import prefill_kind
from tiltyard.load.summary import missing
from tiltyard.records import ServerTimings, Usage


def usage(output: int, prompt: int = 512, **more: Any) -> Usage:
    return Usage(prompt_tokens=prompt, output_tokens=output, **more)


def test_a_role_chunk_is_an_event_and_not_a_token() -> None:
    m = measure(make_exchange([(20, "o", ""), *steady(20)], usage=usage(20)))
    assert m.first_event_ms == 20
    assert m.ttft_ms == m.ttfo_ms == 300
    assert m.decode_tps == pytest.approx(25.0)
    assert m.itl_ms == pytest.approx(40.0)
    assert m.rate_source == "client"
    assert m.rate_bias is None
    assert m.chunks == 20


def test_reasoning_is_a_first_token_but_not_visible() -> None:
    m = measure(make_exchange([*steady(10, kind="r"), *steady(10, first=700)], usage=usage(20)))
    assert (m.ttft_ms, m.ttfo_ms) == (300, 700)
    assert m.decode_tps == pytest.approx(25.0)


def test_an_answer_that_is_all_reasoning_has_no_visible_output() -> None:
    m = measure(make_exchange(steady(10, kind="r"), usage=usage(10)))
    assert (m.ttft_ms, m.ttfo_ms) == (300, None)


HIDDEN = ("thinking_hidden",)


@pytest.mark.parametrize(
    ("pieces", "text", "output", "reasoning", "tps", "per_chunk"),
    [
        (20, "word", 120, 100, 25.0, 1.0),
        (20, "four more words ", 180, 100, 100.0, 4.0),
        (20, "word", 20, 100, 25.0, 1.0),  # counted apart from the output
        (20, "word", 100, 100, None, None),  # nothing is left for what was shown
    ],
)
def test_reasoning_that_was_not_shown_is_no_part_of_the_rate(
    pieces: int, text: str, output: int, reasoning: int, tps: float | None, per_chunk: float | None
) -> None:
    shown = make_exchange(
        steady(pieces, text=text), usage=usage(output, reasoning_tokens=reasoning), notes=HIDDEN
    )
    m = measure(shown)
    assert (m.decode_tps, m.tokens_per_chunk) == (tps and pytest.approx(tps), per_chunk)
    assert (m.output_tokens, m.reasoning_tokens, m.ttft_ms) == (output, reasoning, 300)
    assert m.prefill_tps is None  # the wait held the thinking
    if tps is None:
        assert "as reasoning" in why_no_rate(shown)


def test_reasoning_that_was_not_shown_is_part_of_the_servers_rate() -> None:
    timings = ServerTimings(source="llamacpp", decode_tokens=100, decode_ms=4000.0)
    events = steady(20)
    assert measure(
        make_exchange(events, usage=usage(100, reasoning_tokens=100), notes=HIDDEN, timings=timings)
    ).decode_tps == pytest.approx(25.0)


def test_equal_bursts_take_the_first_chunks_tokens_off() -> None:
    m = measure(make_exchange(steady(10, gap=160, text="four more words "), usage=usage(40)))
    assert m.itl_ms == pytest.approx(40.0)
    assert m.rate_source == "client-chunked"
    assert m.rate_bias == pytest.approx(0.125)
    assert m.tokens_per_chunk == 4


def test_bursts_with_the_servers_counts_are_exact() -> None:
    events = [*steady(10, gap=160), (2000.0, "o", "")]
    m = measure(make_exchange(events, usage=usage(40), tokens=(*([4] * 10), 0)))
    assert m.itl_ms == pytest.approx(40.0)
    assert (m.rate_source, m.rate_bias) == ("client", None)


def test_counts_of_more_tokens_than_were_generated_are_not_believed() -> None:
    """Log-probabilities of hidden markers, say: 40 of them for 20 tokens."""
    m = measure(make_exchange(steady(20), usage=usage(20), tokens=(2,) * 20))
    assert m.itl_ms == pytest.approx(40.0)
    assert m.rate_source == "client"


@pytest.mark.parametrize(
    ("events", "output", "told"),
    [
        ([(500.0, "c", "B")], 2, True),  # a letter and its end
        ([(500.0, "c", "word " * 20)], 20, False),
        ([(500.0, "c", "word")] * 20, 20, False),
        ([(500.0, "t", "{}"), (540.0, "t", "x"), (580.0, "t", "y")], 12, False),
        ([(500.0, "c", "Well"), (540.0, "t", "x"), (580.0, "t", "y")], 12, True),
    ],
)
def test_a_wait_that_holds_an_answer_tells_no_prefill_rate(
    events: list[tuple[float, str, str]], output: int, told: bool
) -> None:
    m = measure(make_exchange(events, usage=Usage(prompt_tokens=1000, output_tokens=output)))
    assert m.ttft_ms == 500
    assert m.prefill_tps == (pytest.approx(2000) if told else None)


def test_speculative_decoding_starts_with_one_token() -> None:
    """One token, then nine bursts of four: 36 tokens in 1,440 ms."""
    events = [(300.0, "c", "word"), *steady(9, first=460, gap=160, text="word" * 4)]
    m = measure(make_exchange(events, usage=usage(37)))
    assert m.itl_ms == pytest.approx(40.0)
    assert m.rate_source == "client-chunked"


def test_events_that_arrive_together_are_one_chunk() -> None:
    events = [(300.0 + 160 * (i // 4), "c", "word") for i in range(40)]
    exchange = make_exchange(events, usage=usage(40))
    m = measure(exchange)
    assert m.itl_ms == pytest.approx(40.0)
    assert m.rate_source == "client"
    assert (m.chunks, m.tokens_per_chunk) == (40, 4)
    assert chunk_gaps_ms(exchange) == pytest.approx([160.0] * 9)


def test_a_late_finish_is_a_tail_and_slows_nothing() -> None:
    events = [*steady(20), (1560.0, "o", ""), (1560.0, "o", "")]
    m = measure(make_exchange(events, usage=usage(20), closed_ms=1561))
    assert m.decode_tps == pytest.approx(25.0)
    assert m.e2e_ms == pytest.approx(1060)
    assert m.close_ms == pytest.approx(1561)
    assert m.tail_ms == pytest.approx(501)


def test_without_a_count_there_is_no_rate_but_there_are_times() -> None:
    m = measure(make_exchange(steady(10)))
    assert m.ttft_ms == 300
    assert m.e2e_ms == pytest.approx(660)
    assert (m.decode_tps, m.itl_ms, m.output_tokens, m.tokens_source) == (None, None, None, None)


def test_everything_in_one_read_has_no_client_rate() -> None:
    m = measure(make_exchange([(500.0, "c", "word")] * 20, usage=usage(20)))
    assert m.decode_tps is None
    assert m.rate_source is None
    native = ServerTimings(source="llamacpp", decode_tokens=20, decode_ms=400.0)
    m = measure(make_exchange([(500.0, "c", "word")] * 20, usage=usage(20), timings=native))
    assert (m.decode_tps, m.rate_source) == (50.0, "server")


@pytest.mark.parametrize("ending", ["truncated", "error_midstream", "http_error", "empty", "timeout_gap"])
def test_only_ok_has_latencies(ending: str) -> None:
    m = measure(make_exchange(steady(3), usage=usage(3), ending=ending))
    assert (m.ttft_ms, m.e2e_ms, m.decode_tps, m.prefill_tps, m.ttfb_ms) == (None,) * 5
    assert (m.output_tokens, m.chunks) == (3, 3)
    assert chunk_gaps_ms(make_exchange(steady(3), ending=ending)) == []


def test_waiting_in_the_client_counts_from_the_schedule() -> None:
    m = measure(make_exchange(steady(20), usage=usage(20)))
    assert (m.queue_ms, m.connect_ms) == (7, 2)
    assert m.ttft_scheduled_ms == 307
    assert m.e2e_scheduled_ms == pytest.approx(1067)


def test_prefill_leaves_cached_tokens_out() -> None:
    cold = measure(make_exchange(steady(5, first=500), usage=usage(5, 500, cached_tokens=0)))
    assert (cold.prefill_tps, cold.prefill_kind) == (1000.0, "cold")
    warm = measure(make_exchange(steady(5, first=100), usage=usage(5, 500, cached_tokens=400)))
    assert (warm.prefill_tps, warm.prefill_kind) == (1000.0, "warm")
    whole = measure(make_exchange(steady(5, first=100), usage=usage(5, 500, cached_tokens=500)))
    assert (whole.prefill_tps, whole.prefill_kind) == (None, "warm")
    silent = measure(make_exchange(steady(5, first=500), usage=usage(5, 500)))
    assert (silent.prefill_tps, silent.prefill_kind) == (1000.0, "unknown")


def test_the_servers_prefill_goes_first() -> None:
    """What came from the cache is in neither its count nor its duration."""
    native = ServerTimings(source="llamacpp", prefill_tokens=100, prefill_ms=50.0)
    m = measure(make_exchange(steady(5), usage=usage(5, 500), timings=native))
    assert (m.prefill_tps, m.server_prefill_tps) == (2000.0, 2000.0)
    assert (m.cached_tokens, m.prefill_kind) == (400, "warm")


def test_what_ollama_leaves_unsaid_of_its_cache_is_not_zero() -> None:
    """Of a prompt that is new it knew the template's head, or not."""
    native = ServerTimings(source="ollama", prefill_tokens=500, prefill_ms=250.0)
    m = measure(make_exchange(steady(5), usage=usage(5, 500), timings=native))
    assert (m.prefill_tps, m.cached_tokens, m.prefill_kind) == (2000.0, None, "cold")


def test_a_prompt_that_was_cut_has_no_prefill_rate() -> None:
    """The cut may have left what a cache knows: whatever is counted then, it was not processed."""
    native = ServerTimings(source="ollama", prefill_tokens=300, prefill_ms=2.0)
    cut = make_exchange(steady(5), usage=usage(5, 300), timings=native, notes=("context_truncated",))
    m = measure(cut)
    assert (m.prefill_tps, m.server_prefill_tps, m.prefill_kind) == (None, None, "unknown")
    assert m.cached_tokens is None
    told = measure(replace(cut, usage=usage(5, 300, cached_tokens=280), timings=None))
    assert (told.prefill_tps, told.prefill_kind, told.cached_tokens) == (None, "unknown", 280)
    maybe = replace(cut, notes=("prompt_maybe_cut",))
    assert (measure(maybe).prefill_tps, measure(maybe).cached_tokens) == (None, None)
    reused = replace(maybe, usage=usage(5, 300, cached_tokens=280), timings=None)
    assert (measure(reused).prefill_kind, measure(reused).cached_tokens) == ("warm", 280)


@pytest.mark.parametrize("note", ["cold", "load_untold"])
def test_a_wait_that_may_hold_a_load_is_no_prefill_unless_the_server_times_either(note: str) -> None:
    exchange = make_exchange(steady(5, first=500), usage=usage(5, 500), notes=(note,))
    assert measure(exchange).prefill_tps is None
    loaded = replace(exchange, timings=ServerTimings(source="x", load_ms=250.0))
    assert measure(loaded).prefill_tps == 2000.0
    timed = replace(exchange, timings=ServerTimings(source="x", prefill_tokens=500, prefill_ms=100.0))
    assert measure(timed).prefill_tps == 5000.0


@pytest.mark.parametrize(
    ("prompt", "cached", "kind"),
    [
        (512, 0, "cold"),
        (512, 32, "cold"),
        (512, 51, "cold"),
        (512, 52, "warm"),
        (30, 15, "cold"),
        (30, 16, "warm"),
        (None, 3, "unknown"),
        (30, None, "unknown"),
    ],
)
def test_cold_and_warm(prompt: int | None, cached: int | None, kind: str) -> None:
    assert prefill_kind(prompt, cached) == kind


def test_the_parts_of_a_request_add_up() -> None:
    native = ServerTimings(source="ollama", load_ms=50.0, prefill_ms=200.0, decode_ms=760.0)
    exchange = make_exchange(steady(20), usage=usage(20), timings=native)
    parts = attribute(exchange)
    assert parts["total"] == pytest.approx(1067)
    assert (parts["client"], parts["queue"]) == (5, None)
    assert parts["transport"] == pytest.approx(1060 + 2 - 1010)
    named = [parts[name] or 0.0 for name in ("client", "transport", "load", "queue", "prefill", "decode")]
    assert sum(named) == pytest.approx(parts["total"])
    assert measure(exchange).transport_ms == pytest.approx(50)


def test_a_server_that_tells_only_its_own_first_token_has_that_as_its_prefill() -> None:
    told = ServerTimings(source="lmstudio-v0", ttft_ms=250.0, decode_ms=760.0)
    parts = attribute(make_exchange(steady(20), timings=told))
    assert (parts["prefill"], parts["decode"]) == (250.0, 760.0)
    assert parts["transport"] == pytest.approx(1060 + 2 - 1010)


def test_attribution_of_a_request_that_was_never_sent() -> None:
    exchange = make_exchange([], ending="connect_error")
    timeline = type(exchange.timeline)(scheduled_ns=0, started_ns=5)
    parts = attribute(make_exchange([], ending="connect_error", timeline=timeline))
    assert parts["total"] is None
    assert parts["client"] is None


def test_a_gap_with_an_event_between_is_one_gap() -> None:
    events = [(100.0, "c", "a"), (110.0, "p", ""), (150.0, "r", "b"), (170.0, "o", ""), (200.0, "t", "c")]
    assert chunk_gaps_ms(make_exchange(events)) == pytest.approx([50.0, 50.0])


def test_one_token_more_than_chunks_is_still_a_token_a_chunk() -> None:
    """The end-of-answer token is often counted and never seen; the error stays below 1 / (N - 1)."""
    m = measure(make_exchange(steady(100), usage=usage(101)))
    assert m.rate_source == "client"
    assert m.rate_bias == pytest.approx(0.01)


def test_more_pieces_than_tokens_make_the_rate_a_guess() -> None:
    """20 pieces, 10 ms apart, of 10 tokens by the server's count: 50 tokens/s, or 100 if it counts wrong."""
    twenty = steady(20, gap=10.0)
    found = measure(make_exchange(twenty, usage=Usage(output_tokens=10)))
    assert found.rate_source == "client-chunked"
    assert found.decode_tps == pytest.approx(9.5 / 0.190)
    assert found.rate_bias == pytest.approx(1.0)
    timings = ServerTimings(source="x", decode_tokens=20, decode_ms=200.0, decode_tps=100.0)
    told = measure(make_exchange(twenty, usage=Usage(output_tokens=10), timings=timings))
    assert (told.rate_source, told.decode_tps) == ("server", told.server_decode_tps)
    for tokens in (18, 19, 20):
        near = measure(make_exchange(twenty, usage=Usage(output_tokens=tokens)))
        assert near.rate_source == "client"


def test_one_token_has_no_rate_whatever_the_server_divides() -> None:
    native = ServerTimings(source="llamacpp", decode_tokens=1, decode_ms=0.001, decode_tps=1e6)
    m = measure(make_exchange(steady(1), usage=usage(1), timings=native))
    assert (m.decode_tps, m.rate_source, m.ttft_ms) == (None, None, 300)


@pytest.mark.parametrize(("clock", "shortest"), [("kernel", 0.4), ("user", 5.0)])
def test_a_time_that_the_clock_cannot_tell_gives_no_rate(clock: str, shortest: float) -> None:
    for window, measurable in ((shortest * 0.99, False), (shortest * 1.01, True)):
        exchange = make_exchange(
            [(300.0, "c", "a"), (300.0 + window, "c", "b")], usage=Usage(prompt_tokens=9, output_tokens=2)
        )
        exchange = replace(exchange, timeline=replace(exchange.timeline, clock=clock))
        assert (measure(exchange).decode_tps is not None) is measurable
        assert (measure(exchange).itl_ms is not None) is measurable
        assert "too short for this clock" in why_no_rate(exchange)


def opened_by_a_call(fragments: int) -> list[tuple[float, str, str]]:
    return [(300.0, "t", "get_weather"), *steady(fragments, first=340, kind="t", text='"a"')]


def test_the_opening_of_a_tool_call_holds_tokens_that_nothing_shows() -> None:
    m = measure(make_exchange(opened_by_a_call(9), usage=usage(11)))  # two of them in the opening
    assert m.decode_tps == pytest.approx(25.0)
    assert m.rate_source == "client-chunked"
    assert m.rate_bias == pytest.approx(10 / 9 - 1)


def test_no_rate_where_the_opening_may_hold_anything() -> None:
    exchange = make_exchange(opened_by_a_call(9), usage=usage(40))
    assert (measure(exchange).decode_tps, measure(exchange).rate_bias) == (None, None)
    assert why_no_rate(exchange) == "nothing tells how many tokens the opening of the tool call held"
    native = ServerTimings(source="llamacpp", decode_tokens=40, decode_ms=400.0)
    m = measure(replace(exchange, timings=native))
    assert (m.decode_tps, m.rate_source) == (100.0, "server")
    counted = make_exchange(opened_by_a_call(9), usage=usage(40), tokens=(31, *[1] * 9))
    assert measure(counted).decode_tps == pytest.approx(25.0)


def test_tokens_of_a_call_after_text_lie_within_the_time_of_the_rate() -> None:
    m = measure(make_exchange([*steady(20), (1140.0, "t", "get_weather")], usage=usage(22)))
    assert m.decode_tps == pytest.approx(25.0, rel=0.01)


def test_a_servers_rate_without_its_count_is_held_to_the_answers() -> None:
    """LM Studio prints a rate beside a time, and counts in `usage`."""
    for tps, believed in ((1e12, False), (200.0, True)):
        native = ServerTimings(source="lmstudio-v0", decode_tps=tps)
        m = measure(make_exchange([(300.0, "c", "a" * 100)], usage=usage(100), timings=native))
        assert (m.server_decode_tps, m.decode_tps) == ((tps, tps) if believed else (None, None))


def test_a_servers_claim_over_no_time_is_no_rate() -> None:
    """A simulator without delays says 128 tokens in a nanosecond."""
    claims = ServerTimings(
        source="llamacpp", prefill_tokens=512, prefill_ms=1e-6, decode_tokens=128, decode_tps=1.28e11
    )
    exchange = make_exchange(
        [(0.3, "c", "x")], usage=Usage(prompt_tokens=512, output_tokens=128), timings=claims
    )
    measures = measure(exchange)
    assert (measures.decode_tps, measures.server_decode_tps, measures.server_prefill_tps) == (None,) * 3
    assert measures.prefill_tps is None  # and our own wait held the whole answer
    assert why_no_rate(exchange) == "the whole answer arrived at once"
    honest = replace(claims, decode_tps=50.0)  # a proxy held the answer back; the server was there
    assert measure(replace(exchange, timings=honest)).decode_tps == 50.0


def test_an_answer_in_one_piece_has_no_first_token_and_only_the_servers_rate() -> None:
    """Two reads of it, a millisecond apart, as of a long body: no rate of ours either."""
    native = ServerTimings(source="llamacpp", decode_tokens=20, decode_ms=500.0)
    pieces = [(552.0 + i // 10, "r" if i < 5 else "c", "word") for i in range(20)]
    exchange = make_exchange(pieces, usage=usage(20), timings=native, notes=("not_streamed",))
    m = measure(exchange)
    assert (m.ttft_ms, m.ttfo_ms, m.ttft_scheduled_ms, m.prefill_tps) == (None,) * 4
    assert (m.decode_tps, m.rate_source, m.server_decode_tps) == (40.0, "server", 40.0)
    assert m.e2e_ms == pytest.approx(553)
    assert chunk_gaps_ms(exchange) == []
    alone = replace(exchange, timings=None)
    assert (measure(alone).decode_tps, why_no_rate(alone)) == (None, "the whole answer arrived at once")
    why = dict(missing(make_attempt(alone), True))
    assert {why[name] for name in ("ttft_ms", "ttfo_ms", "chunk_gap_ms")} == {"the answer came in one piece"}
    assert why["prefill_tps"] == "the wait held the answer, or the beginning of a tool call"
