"""Counts, rates and figures of a run; percentiles over true gaps; p99 only where it means something."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from tests.load.attempts import attempts
from tests.load.exchanges import SENT_NS, make_exchange, steady
from tiltyard.errors import UsageError
from tiltyard.load.schedule import Load, Stop
from tiltyard.load.slo import Slo, goodput, parse_slo
from tiltyard.load.steady import WHOLE, steady_output_tps, whole_output_tps
from tiltyard.load.summary import Window, overlapped, summarise
from tiltyard.records import Attempt, Exchange, Request, ServerTimings, Timeline, Usage
from tiltyard.stats.queues import QUEUED, SHARED
from tiltyard.stats.rounds import Rounds

LOAD = Load(stop=Stop(count=1))
ALONE = Rounds(None)
USAGE = Usage(prompt_tokens=100, output_tokens=20, cached_tokens=0)


def window(*exchanges: Exchange, wall_s: float = 2.0, name: str = "s") -> Window:
    return Window(name, LOAD, attempts(exchanges), wall_s)


def test_only_ok_counts_for_rates_and_latencies() -> None:
    good = make_exchange(steady(20), usage=USAGE)
    late = make_exchange(steady(20, first=99_999), usage=USAGE, ending="truncated")
    broken = make_exchange(steady(1), ending="error_midstream")
    found = summarise([window(good, good, late, broken)])
    assert found["requests"] == {"ok": 2, "failed": 1, "truncated": 1, "total": 4}
    assert found["endings"] == {"ok": 2, "truncated": 1, "error_midstream": 1}
    assert found["tokens"] == {"prompt": 200, "output": 40, "cached": 0, "source": "server"}
    assert (found["output_tps"], found["request_rate"]) == (20.0, 1.0)
    assert found["ttft_ms"]["max"] == 300
    assert found["attribution_ms"] == pytest.approx({"client": 5, "transport": 1062, "total": 1067})
    assert found["error_rate"]["value"] == 0.25
    assert found["error_rate"]["ci95"][0] < 0.25 < found["error_rate"]["ci95"][1]


def test_where_the_time_went_is_on_average_over_all_requests() -> None:
    cold = ServerTimings(source="ollama", load_ms=500.0, prefill_ms=100.0)
    made = [make_exchange(steady(20), usage=USAGE, timings=each) for each in (cold, None, None, None)]
    found = summarise([window(*made)])["attribution_ms"]
    assert found["load"] == 125.0
    assert sum(ms for name, ms in found.items() if name != "total") == pytest.approx(found["total"])


def test_nothing_measured_is_null_and_not_zero() -> None:
    found = summarise([window(make_exchange([], ending="connect_error"))])
    for name in ("ttft_ms", "ttfo_ms", "itl_ms", "chunk_gap_ms", "e2e_ms", "decode_tps", "prefill_tps"):
        assert found[name] is None, name
    assert found["output_tps"] is None
    assert summarise([])["requests"]["total"] == 0


def test_gap_percentiles_are_of_gaps_and_p99_needs_a_hundred() -> None:
    exchanges = [make_exchange(steady(6, gap=20), usage=USAGE) for _ in range(19)]
    exchanges.append(make_exchange([*steady(5, gap=20), (880.0, "c", "x")], usage=USAGE))
    gaps = summarise([window(*exchanges)])["chunk_gap_ms"]
    assert gaps["n"] == 100
    assert gaps["max"] == 500
    assert gaps["p50"] == 20
    assert gaps["p99"] is not None
    few = summarise([window(*exchanges[:19])])["chunk_gap_ms"]
    assert (few["n"], few["p99"]) == (95, None)


def test_cold_and_warm_prefills_stay_apart() -> None:
    cold = make_exchange(steady(20, first=100), usage=USAGE)
    warm = make_exchange(
        steady(20, first=10), usage=Usage(prompt_tokens=100, output_tokens=20, cached_tokens=90)
    )
    found = summarise([window(cold, warm)])
    assert (found["prefill_tps"]["n"], found["prefill_warm_tps"]["n"]) == (1, 1)
    assert found["prefill_kinds"] == {"cold": 1, "warm": 1, "unknown": 0}
    assert found["prefill_source"] == "client"


def test_the_headline_stage_gives_the_figures_and_all_stages_the_counts() -> None:
    slow = window(make_exchange(steady(20, gap=80), usage=USAGE), name="slow")
    fast = window(make_exchange(steady(20, gap=10), usage=USAGE), name="fast")
    found = summarise([slow, fast], headline="fast")
    assert found["requests"]["total"] == 2
    assert found["itl_ms"]["mean"] == pytest.approx(10)
    assert found["tokens"]["output"] == 20
    assert [stage["name"] for stage in found["stages"]] == ["slow", "fast"]
    assert found["figures_from"] == "fast"
    assert summarise([slow, fast])["itl_ms"]["n"] == 2


def test_mixed_sources_are_called_mixed() -> None:
    native = Usage(output_tokens=20, source="server-native")
    found = summarise(
        [window(make_exchange(steady(20), usage=USAGE), make_exchange(steady(20), usage=native))]
    )
    assert found["tokens"]["source"] == "mixed"


def test_goodput_counts_from_the_schedule_and_failures_against() -> None:
    slo = parse_slo("ttft=305ms, itl=50, e2e=2s")
    assert slo == Slo(ttft_ms=305, itl_ms=50, e2e_ms=2000)
    assert parse_slo(slo.as_text()) == slo
    tried = attempts(
        [
            make_exchange(steady(20, first=290), usage=USAGE),
            make_exchange(steady(20, first=300), usage=USAGE),  # 307 ms after it was due
            make_exchange(steady(20, first=290, gap=60), usage=USAGE),
            make_exchange(steady(20, first=290), usage=USAGE, ending="truncated"),
        ]
    )
    assert goodput(parse_slo("ttfo=305ms"), tried, 2.0, ALONE)["good"] == 2  # the first visible token
    found = goodput(slo, tried, 2.0, ALONE)
    assert (found["good"], found["total"], found["requests_per_s"], found["share"]) == (1, 4, 0.5, 0.25)


def test_one_token_keeps_any_limit_of_itl() -> None:
    one = Usage(prompt_tokens=1, output_tokens=1)
    found = goodput(
        parse_slo("ttft=500ms,itl=50ms"),
        attempts([make_exchange(steady(1), usage=one)] * 6),
        2.0,
        Rounds(None),
    )
    assert (found["good"], found["judged"], found["unjudged"], found["share"]) == (6, 6, {}, 1.0)


def test_what_came_too_fast_for_the_clock_keeps_a_limit_far_above_it() -> None:
    fast = attempts([make_exchange(steady(20, gap=0.01), usage=USAGE)] * 3)  # by a clock to 5 ms
    for limit, good in (("itl=1ms", 3), ("itl=0.2ms", 0)):
        found = goodput(parse_slo(limit), fast, 2.0, ALONE)
        assert (found["good"], found["unjudged"]) == (good, {} if good else {"itl": 3}), limit


@pytest.mark.parametrize(
    ("limit", "good", "judged"),
    [("itl=161ms", 1, 1), ("itl=100ms", 0, 0), ("itl=11ms", 0, 0), ("itl=9ms", 0, 1)],
)
def test_a_limit_near_a_rate_over_estimated_tokens_is_not_judged(limit: str, good: int, judged: int) -> None:
    """40 ms, give or take a factor of four."""
    guessed = make_exchange(steady(20), usage=Usage(prompt_tokens=1, output_tokens=20, source="estimate"))
    found = goodput(parse_slo(limit), attempts([guessed]), 2.0, ALONE)
    assert (found["good"], found["judged"]) == (good, judged)
    fast = make_exchange(steady(20, gap=0.01), usage=Usage(output_tokens=20, source="estimate"))
    assert goodput(parse_slo("itl=1ms"), attempts([fast]), 2.0, ALONE)["judged"] == 0


def test_what_nobody_can_judge_is_in_no_share() -> None:
    """An answer in one piece has no ITL: where it was too late anyway it counts against, else not at all."""
    whole, late = make_exchange([(300, "c", "one two")], usage=USAGE), [(900, "c", "one two")]
    tried = [make_exchange(steady(20), usage=USAGE), whole, whole, make_exchange(late, usage=USAGE)]
    found = goodput(parse_slo("ttft=500ms,itl=50ms"), attempts(tried), 2.0, ALONE)
    assert (found["good"], found["judged"], found["total"]) == (1, 2, 4)
    assert (found["unjudged"], found["share"], found["requests_per_s"]) == ({"itl": 2}, 0.5, 0.5)
    none = goodput(parse_slo("itl=50ms"), attempts([whole]), 2.0, ALONE)
    assert (none["share"], none["share_ci95"], none["requests_per_s"]) == (None, None, None)


def test_a_limit_within_what_a_guessed_rate_may_be_wrong_by_is_not_judged() -> None:
    """More pieces than counted tokens: 40 ms a token if each piece is one, 58 if the count is right."""
    usage = Usage(prompt_tokens=1, output_tokens=44)
    tried = attempts([make_exchange(steady(64, gap=40.0), usage=usage)])
    found = [goodput(parse_slo(f"itl={limit}ms"), tried, 2.0, ALONE) for limit in (30, 50, 100)]
    assert [(each["good"], each["judged"]) for each in found] == [(0, 1), (0, 0), (1, 1)]


def test_reasoning_alone_is_no_visible_token_in_time() -> None:
    tried = attempts([make_exchange(steady(20, kind="r"), usage=USAGE)])
    found = goodput(parse_slo("ttfo=10s"), tried, 2.0, ALONE)
    assert (found["good"], found["judged"]) == (0, 1)


@pytest.mark.parametrize("text", ["", "ttft", "ttft=fast", "speed=3", "ttft=1h", "ttft=0", "ttft=1.2.3ms"])
def test_limits_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_slo(text)


def shifted(start_s: float, seconds: float, tokens: int) -> Exchange:
    """A request that takes `seconds`, its tokens evenly over it."""
    start = SENT_NS + round(start_s * 1e9)
    gap = seconds * 1000 / tokens
    exchange = make_exchange(
        [(start_s * 1000 + (i + 1) * gap, "c", "word") for i in range(tokens)],
        usage=Usage(prompt_tokens=1, output_tokens=tokens),
    )
    timeline = Timeline(
        scheduled_ns=start, started_ns=start, sent_ns=start, closed_ns=start + round(seconds * 1e9)
    )
    return replace(exchange, timeline=timeline)


def test_the_steady_rate_leaves_the_drain_out() -> None:
    """Two streams at 50 tokens/s each; the last request runs alone for 4 of its 5 s."""
    streams: list[Any] = [shifted(t, 1.0, 50) for t in range(6)] + [shifted(t, 1.0, 50) for t in range(5)]
    streams.append(shifted(5.0, 5.0, 250))
    found = steady_output_tps(attempts(streams), 2)
    assert found.mean == pytest.approx(100, rel=0.02)
    assert found.ci95 is not None
    assert steady_output_tps(attempts(streams[:3]), 2).n == 0


def test_the_steady_rate_is_of_the_sitting_with_the_longest_full_window() -> None:
    """The second sitting has two requests left, then runs for longer, slower: no window spans the two."""
    streams: list[Any] = [shifted(t, 1.0, 50) for t in range(6)] * 2
    first = attempts(streams)
    second = [replace(a, session=2) for a in attempts([shifted(0.0, 1.0, 25), shifted(0.0, 1.0, 25)])]
    assert steady_output_tps([*first, *second], 2).mean == pytest.approx(100, rel=0.02)
    assert steady_output_tps(second, 2).n == 0
    longer = [replace(a, session=2) for a in attempts([shifted(t, 1.0, 25) for t in range(9)] * 2)]
    assert steady_output_tps([*first, *longer], 2).mean == pytest.approx(50, rel=0.02)


def test_a_whole_window_is_one_value_and_says_so() -> None:
    found = whole_output_tps(attempts([shifted(0.0, 1.0, 50), shifted(0.0, 2.0, 100)]), 2.0)
    assert (found.n, found.mean, found.ci95, found.why) == (1, 75.0, None, WHOLE)
    assert whole_output_tps([], 2.0).n == 0


def test_what_could_not_be_measured_is_named_with_its_reason() -> None:
    at_once = [
        make_exchange([(9.0, "c", "x"), (9.0, "c", "y")], usage=Usage(output_tokens=2)) for _ in range(3)
    ]
    found = summarise([Window("s", Load(stop=Stop(count=3)), attempts(at_once), 1.0)])
    assert found["decode_tps"] is None
    assert found["unmeasured"]["decode_tps"] == {"requests": 3, "why": "the whole answer arrived at once"}
    assert found["unmeasured"]["prefill_tps"]["why"] == "nobody counted the prompt's tokens"
    assert "ttft_ms" not in found["unmeasured"]
    nothing = summarise([Window("s", Load(stop=Stop(count=3)), (), 1.0)])
    assert nothing["unmeasured"]["ttft_ms"] == {"requests": 0, "why": "no request ended well"}


def test_an_answer_of_no_tokens_did_not_come_in_one_piece() -> None:
    silent = make_exchange([(9.0, "o", "")], usage=Usage(output_tokens=0))
    found = summarise([Window("s", Load(stop=Stop(count=3)), attempts([silent] * 3), 1.0)])
    why = {"requests": 3, "why": "nothing of the answer was streamed"}
    assert (found["unmeasured"]["chunk_gap_ms"], found["unmeasured"]["ttft_ms"]) == (why, why)


def test_a_wait_beside_other_requests_is_no_prefill() -> None:
    """Unless the server timed it: at 4 streams a TTFT holds the prompts of the others."""
    exchange = make_exchange(steady(20), usage=USAGE)
    alone = summarise([Window("s", LOAD, attempts([exchange] * 3), 1.0)])
    assert alone["prefill_tps"]["mean"] == pytest.approx(100 / 300 * 1000)
    beside = Load(concurrency=4, stop=Stop(count=3))
    together = summarise([Window("s", beside, attempts([exchange] * 3), 1.0)])
    assert together["prefill_tps"] is None
    assert together["unmeasured"]["prefill_tps"]["requests"] == 3
    timings = ServerTimings(source="x", prefill_tokens=100, prefill_ms=50.0)
    timed = summarise([Window("s", beside, attempts([replace(exchange, timings=timings)] * 3), 1.0)])
    assert timed["prefill_tps"]["mean"] == pytest.approx(2000)


def test_a_prompt_that_was_sent_before_has_no_prefill_rate_unless_the_server_says_what_it_reused() -> None:
    request = Request(model="m", messages=(), prefix_shared=True)
    silent = make_exchange(steady(20), usage=Usage(prompt_tokens=100, output_tokens=20), request=request)
    found = summarise([window(silent, silent)])
    assert (found["prefill_tps"], found["prefill_warm_tps"]) == (None, None)
    assert found["unmeasured"]["prefill_tps"]["requests"] == 2
    assert "does not say what of it was cached" in found["unmeasured"]["prefill_tps"]["why"]
    noted = replace(silent, request=Request(model="m", messages=()), notes=("prefill_may_be_cached",))
    assert summarise([window(noted)])["prefill_tps"] is None
    told = replace(silent, usage=replace(USAGE, cached_tokens=0))
    assert summarise([window(told)])["prefill_tps"]["mean"] == pytest.approx(100 / 300 * 1000)


@pytest.mark.parametrize(
    ("cached", "streams", "warm", "why"),
    [
        (90, 1, 1, "most of the prompt came from a cache: prefill_warm_tps"),
        (90, 4, 0, "the server does not time it, and the wait may have held other requests"),
        (100, 1, 0, "all of the prompt came from a cache"),
    ],
)
def test_warm_prompts_are_named_as_such_where_they_have_a_rate(
    cached: int, streams: int, warm: int, why: str
) -> None:
    exchange = make_exchange(steady(20), usage=replace(USAGE, cached_tokens=cached))
    load = Load(concurrency=streams, stop=Stop(count=3))
    found = summarise([Window("s", load, attempts([exchange]), 1.0)])
    assert ((found["prefill_warm_tps"] or {}).get("n", 0), found["prefill_tps"]) == (warm, None)
    assert found["unmeasured"]["prefill_tps"] == {"requests": 1, "why": why}


def test_rates_of_the_late_ones_alone_are_withheld() -> None:
    """Nearly all answers came too fast for the clock: the others have a rate because they were held up."""
    fast = make_exchange([(9.0, "c", "x"), (9.0, "c", "y")], usage=Usage(output_tokens=2))
    late = make_exchange([(9.0, "c", "x"), (19.0, "c", "y")], usage=Usage(output_tokens=2))
    found = summarise([window(*[fast] * 9, late)])
    assert (found["decode_tps"], found["itl_ms"]) == (None, None)
    why = "9 of 10 answers came too fast for the clock; the others are the late ones"
    assert found["unmeasured"]["decode_tps"] == {"requests": 10, "why": why}
    assert summarise([window(*[late] * 9, fast)])["decode_tps"]["n"] == 9


def test_what_a_guess_can_be_wrong_by_is_part_of_the_interval() -> None:
    """Chunks of four, the first of one: 25 tokens/s by a guess that is off by 8 %, and every answer alike."""
    events = [(300.0, "c", "a"), *steady(10, first=460.0, gap=160.0)]
    alike = make_exchange(events, usage=Usage(output_tokens=41))
    found = summarise([window(*[alike] * 5)])
    for rate in (found["decode_tps"], found["stages"][0]["decode_tps"]):
        factor = 1 + found["rate_bias"]
        assert rate["ci95"] == pytest.approx([rate["mean"] / factor, rate["mean"] * factor])
        assert rate["ci95"][0] <= 25.0 <= rate["ci95"][1]
    halved = make_exchange(steady(40, gap=10.0), usage=Usage(output_tokens=20))  # each piece was a token
    rate, itl = (summarise([window(*[halved] * 5)])[name]["ci95"] for name in ("decode_tps", "itl_ms"))
    assert (rate[1], itl[0]) == pytest.approx((100.0, 10.0))
    told = summarise([window(*[make_exchange(steady(20), usage=USAGE)] * 5)])
    assert told["decode_tps"]["ci95"] == pytest.approx([25.0, 25.0])


def test_counts_that_nobody_gave_are_null() -> None:
    silent = make_exchange(steady(20), usage=Usage(output_tokens=20, source="estimate"))
    found = summarise([window(silent)])
    assert found["tokens"] == {"prompt": None, "output": 20, "cached": None, "source": "estimate"}
    assert found["rate_source"] == "client-estimated"
    assert summarise([window(make_exchange([]))])["tokens"]["output"] is None


def test_a_sum_is_of_all_requests_or_of_none() -> None:
    untold = make_exchange(steady(20), usage=Usage(prompt_tokens=100, output_tokens=20))
    uncounted = make_exchange(steady(20), usage=Usage(output_tokens=20))
    told = make_exchange(steady(20), usage=USAGE)
    found = summarise([window(told, untold, told)])["tokens"]
    assert found == {"prompt": 300, "output": 60, "cached": None, "source": "server"}
    assert summarise([window(uncounted, told)])["tokens"]["prompt"] is None
    assert summarise([window(told, told)])["tokens"]["cached"] == 0


def test_estimated_tokens_have_no_interval() -> None:
    silent = make_exchange(steady(20), usage=Usage(output_tokens=18, source="estimate"))
    other = make_exchange(steady(20), usage=Usage(output_tokens=19, source="estimate"))
    found = summarise([window(silent, other, silent)])
    for name in ("decode_tps", "itl_ms", "e2e_tps", "tokens_per_chunk"):
        assert (found[name]["ci95"], found[name]["why"]) == (None, "token counts are estimates"), name
    assert found["ttft_ms"]["ci95"] is not None
    assert found["stages"][0]["decode_tps"]["ci95"] is None
    counted = summarise([window(*[make_exchange(steady(20), usage=USAGE)] * 2)])
    assert counted["decode_tps"]["ci95"] is not None


def test_a_cut_prompt_and_an_untold_load_are_named() -> None:
    request = Request(model="m", messages=())
    cut = make_exchange(steady(20), usage=USAGE, request=request, notes=("context_truncated",))
    found = summarise([window(cut)])
    assert found["prefill_tps"] is None
    assert found["prefill_kinds"] == {"cold": 0, "warm": 0, "unknown": 0}
    why = "the server cut the prompt"
    assert found["unmeasured"]["prefill_tps"] == {"requests": 1, "why": why}
    first = replace(cut, notes=("load_untold",))
    why = summarise([window(first)])["unmeasured"]["prefill_tps"]["why"]
    assert why == "the first answer may have waited for the model to load: the server does not say"


def test_waits_under_arrivals_have_no_interval_and_say_why() -> None:
    made = [make_exchange(steady(20, first=200 + n), usage=USAGE) for n in range(5)]
    open_loop = Load(kind="poisson", rate=2.0, stop=Stop(count=5))
    found = summarise([Window("2/s", open_loop, attempts(made), 2.0)])
    for figures in (found, found["stages"][0]):
        for name in ("ttft_ms", "e2e_ms", "ttft_scheduled_ms", "close_ms"):
            assert figures[name]["mean"] > 0
            assert (figures[name]["ci95"], figures[name]["why"]) == (None, QUEUED), name
        for name in ("decode_tps", "itl_ms", "chunk_gap_ms"):
            assert (figures[name]["ci95"], figures[name]["why"]) == (None, SHARED), name
    assert found["error_rate"] == found["truncation_rate"] == {"value": 0.0, "ci95": None, "why": QUEUED}
    alone = summarise([window(*made)])
    assert None not in (alone[name]["ci95"] for name in ("ttft_ms", "decode_tps", "chunk_gap_ms"))


def test_requests_that_fail_together_are_few_witnesses_of_how_many_fail() -> None:
    good, broken = make_exchange(steady(20), usage=USAGE), make_exchange([], ending="http_error")
    made = attempts([good] * 32 + [broken] * 32)
    alone, together = (
        summarise([Window("s", Load(concurrency=streams, stop=Stop(count=64)), made, 2.0)])["error_rate"]
        for streams in (1, 8)
    )
    assert alone["value"] == together["value"] == 0.5
    assert together["ci95"][0] < alone["ci95"][0] < alone["ci95"][1] < together["ci95"][1]


def apart(start_ms: int, session: int = 1) -> Attempt:
    """A request that was due then, and took some 600 ms."""
    made = make_exchange(steady(20, first=200), usage=USAGE)
    times = structs.asdict(made.timeline)
    moved = {name: at + start_ms * 1_000_000 for name, at in times.items() if isinstance(at, int)}
    return replace(attempts([replace(made, timeline=replace(made.timeline, **moved))])[0], session=session)


def test_arrivals_that_never_overlap_are_as_of_a_single_stream() -> None:
    load = Load(kind="constant", rate=1.0, stop=Stop(count=3))
    each = [apart(0), apart(1000), apart(2000)]
    found = summarise([Window("1/s", load, each, 3.0)], slo=parse_slo("ttft=1s"))
    assert not found["stages"][0]["load"]["overlapped"]
    assert None not in (found[name]["why"] or found[name]["ci95"] for name in ("ttft_ms", "decode_tps"))
    assert found["goodput"]["share_ci95"] is not None
    assert overlapped([apart(0), apart(300)])
    assert not overlapped([apart(2000), apart(300, session=2)])


def test_a_share_of_requests_in_a_queue_has_no_interval() -> None:
    tried = attempts([make_exchange(steady(20, first=200 + n), usage=USAGE) for n in range(5)])
    slo = parse_slo(f"ttft={tried[2].measures.ttft_scheduled_ms + 0.5}ms")
    shares = [goodput(slo, tried, 2.0, Rounds(None, why)) for why in (None, QUEUED)]
    assert [share["share"] for share in shares] == [0.6, 0.6]
    assert [share["share_why"] for share in shares] == [None, QUEUED]
    assert [share["share_ci95"] is None for share in shares] == [False, True]
