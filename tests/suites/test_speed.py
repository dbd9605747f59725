"""Each profile against a simulator whose speed is known."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.patience import best_of
from tests.suites.speed_runs import FAST, Ran, run_speed
from tiltyard.errors import UsageError
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Attempt, Exchange, Measures, Request, Timeline
from tiltyard.reports.stages import prefill_way
from tiltyard.servers.simulator import SimModel
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.observed import observed
from tiltyard.suites.speed import PROFILES, Speed, load_profile
from tiltyard.suites.speed.options import SpeedSettings, read_settings
from tiltyard.suites.speed.serve import keeps_up
from tiltyard.suites.speed.trial import wanted_tokens


@pytest.mark.slow
@best_of()
def test_quick_finds_the_speed_and_stops_when_it_is_sure() -> None:
    model = replace(FAST, prefill_tps=10_000, decode_tps=500)
    ran = run_speed({"output_tokens": 32}, model)
    summary = ran.summary
    assert summary["profile"] == "quick"
    assert [stage["name"] for stage in summary["stages"]] == ["pp512 + tg32"]
    assert 3 <= summary["requests"]["ok"] <= 20
    assert summary["decode_tps"]["mean"] == pytest.approx(500, rel=0.1)
    assert summary["prefill_tps"]["mean"] == pytest.approx(10_000, rel=0.02)
    assert summary["prefill_kinds"]["cold"] == summary["requests"]["ok"]
    assert summary["prompt"] == {
        "rung": "server",
        "tokens_per_word": 2.0,
        "fixed_tokens": summary["prompt"]["fixed_tokens"],
        "counted": summary["requests"]["ok"],
        "off_target": 0,
    }
    width = summary["decode_tps"]["ci95"][1] - summary["decode_tps"]["ci95"][0]
    assert width / summary["decode_tps"]["mean"] <= 0.05


@pytest.mark.slow
@best_of()
@pytest.mark.parametrize("dialect", ["openai", "vllm"])
@pytest.mark.parametrize("more", [(), ("tokens_per_chunk=4",)])
def test_thinking_that_is_not_shown_makes_no_answer_faster(dialect: str, more: tuple[str, ...]) -> None:
    """90 of 120 tokens are counted and not shown: the other 30 still come at 200 a second."""
    model = replace(FAST, decode_tps=200, thinking_tokens=90, capabilities=("completion", "thinking"))
    settings = {
        "profile": "fixed",
        "requests": 3,
        "concurrency": "1",
        "output_tokens": 120,
        "prompt": "Hello.",
        "think": True,
    }
    ran = run_speed(settings, model, dialect, faults=("reasoning=hidden", "output_tokens=120", *more))
    assert ran.summary["decode_tps"]["mean"] == pytest.approx(200, rel=0.05)
    assert ran.summary["prefill_tps"] is None
    assert ran.summary["ttft_ms"]["p50"] > 90 / 200 * 1000
    assert any("thought without showing it" in said for said in observed(ran.results))


def test_fixed_sends_exactly_what_was_asked_and_nothing_else() -> None:
    settings = {
        "profile": "fixed",
        "requests": 30,
        "concurrency": "8",
        "output_tokens": 8,
        "prompt": "Hello.",
    }
    ran = run_speed(settings, dialect="openai")
    assert ran.summary["requests"] == {"ok": 30, "failed": 0, "truncated": 0, "total": 30}
    assert ran.summary["expected"] == 30
    assert len(ran.truth) == 30
    assert ran.summary["stages"][0]["load"] == {"kind": "closed", "concurrency": 8, "rate": None}
    assert ran.summary["prompt"]["rung"] is None
    assert ran.summary["tokens"]["output"] == sum(entry["output_tokens"] for entry in ran.truth)


@pytest.mark.slow
def test_fixed_at_a_rate_with_limits() -> None:
    settings = {
        "profile": "fixed",
        "rate": 100,
        "poisson": True,
        "requests": 40,
        "output_tokens": 4,
        "prompt_tokens": 32,
        "slo": "ttft=10s,e2e=20s",
        "seed": 5,
    }
    ran = run_speed(settings)
    assert ran.summary["stages"][0]["name"] == "poisson 100/s"
    assert ran.summary["goodput"]["share"] == 1.0
    assert ran.summary["prompt"]["rung"] == "tokenize"
    assert len(ran.truth) == 40
    assert starts_of(ran)[-1] == pytest.approx(0.4, abs=0.25)


def starts_of(ran: Ran) -> list[float]:
    """When requests were due, in seconds after the first."""
    due = sorted(a.exchanges[0].timeline.scheduled_ns for a in ran.results[0].attempts)
    return [(t - due[0]) / 1e9 for t in due]


@pytest.mark.slow
def test_bursts_come_together_and_keep_the_mean_rate() -> None:
    settings = {"profile": "fixed", "rate": 40, "burst": 8, "requests": 24, "output_tokens": 4}
    ran = run_speed(settings)
    stage = ran.summary["stages"][0]
    assert stage["name"] == "bursts of 8 at 40/s"
    assert stage["load"]["kind"] == "burst"
    assert (stage["load"]["burst"], stage["load"]["rate"]) == (8, 40)
    assert starts_of(ran) == pytest.approx([0.0] * 8 + [0.2] * 8 + [0.4] * 8)
    assert len(ran.truth) == 24


def test_a_burst_without_a_rate_is_a_single_one() -> None:
    ran = run_speed({"profile": "fixed", "burst": 16, "output_tokens": 4})
    assert ran.summary["requests"]["total"] == 16
    assert ran.summary["stages"][0]["name"] == "burst of 16"
    assert set(starts_of(ran)) == {0.0}


@pytest.mark.slow
def test_a_ramp_grows_over_its_seconds() -> None:
    settings = {"profile": "fixed", "rate": 10, "ramp_to": 50, "seconds": 1.0, "output_tokens": 4}
    ran = run_speed(settings)
    stage = ran.summary["stages"][0]
    assert stage["name"] == "ramp 10 to 50/s"
    load = {"kind": "ramp", "concurrency": None, "rate": 10, "rate_to": 50, "seconds": 1.0}
    assert {name: value for name, value in stage["load"].items() if name != "overlapped"} == load
    assert ran.summary["requests"]["ok"] == 30  # the mean of both rates
    starts = starts_of(ran)
    early, late = sum(t < 0.5 for t in starts), sum(t >= 0.5 for t in starts)
    assert (early, late) == (10, 20)


@pytest.mark.slow
@best_of()
def test_fixed_may_end_by_the_width_of_the_interval() -> None:
    model = replace(FAST, prefill_tps=10_000, decode_tps=500)
    ran = run_speed({"profile": "fixed", "width": 0.3, "output_tokens": 16}, model)
    low, high = ran.summary["decode_tps"]["ci95"]
    assert 5 <= ran.summary["requests"]["ok"] < 100
    assert (high - low) / ran.summary["decode_tps"]["mean"] <= 0.3


@pytest.mark.slow
@best_of()
def test_a_server_that_stalls_cannot_hide_behind_its_own_queue() -> None:
    """One slot, 20 ms of work every 25 ms, and 600 ms of silence in the third answer: the requests behind it
    wait too, each less than the one before. A client that waited for answers would see one slow request.
    """
    model = replace(FAST, ttft_ms=10.0, token_ms=2.0, slots=1)
    settings = {"profile": "fixed", "rate": 40, "requests": 20, "output_tokens": 6, "prompt": "Hello."}
    ran = run_speed(settings, model, faults=("stall=600@3",))
    summary = ran.summary
    assert summary["requests"]["ok"] == 20
    assert sum(a.measures.ttft_scheduled_ms > 100 for a in ran.results[0].attempts) >= 10
    assert summary["ttft_scheduled_ms"]["p90"] > 300
    assert summary["e2e_scheduled_ms"]["max"] > 600
    for a in ran.results[0].attempts:
        assert a.measures.ttft_scheduled_ms == pytest.approx(a.measures.ttft_ms + a.measures.queue_ms)
        assert a.measures.e2e_scheduled_ms >= a.measures.e2e_ms


@pytest.mark.slow
@pytest.mark.parametrize("prefix_cache", [True, False])
@best_of()
def test_depth_in_llama_benchs_words(prefix_cache: bool) -> None:
    """At depth d a token costs 1 + d / half_depth; prefill from c to p likewise."""
    rate = 20_000 if prefix_cache else 8_000
    model = replace(FAST, prefill_tps=rate, decode_tps=1_000, half_depth=4096.0, prefix_cache=prefix_cache)
    settings = {"profile": "depth", "depths": "0,2k,64k", "output_tokens": 32, "requests": 3}
    ran = run_speed(settings, model)
    short = [] if prefix_cache else ["pp128"]
    assert [r.stage.name for r in ran.results] == [
        *("pp512", "tg32", "pp512 @ d2048"),
        *short,
        "tg32 @ d2048",
    ]
    flat, deep = ran.summary["findings"]["depths"]
    assert "d65536 left out" in ran.summary["findings"]["notes"][0]
    assert deep["prefill_tps"] is not None
    assert flat["prefill_method"] == ("direct" if prefix_cache else "difference")
    assert deep["prefill_method"] == ("cached" if prefix_cache else "difference")
    slower = 1 + (2048 + 256) / 4096
    close = 0.15 if prefix_cache else 0.4  # a difference of two waits, on a machine that does other things
    assert deep["prefill_tps"]["mean"] == pytest.approx(rate / slower, rel=close)
    assert flat["decode_tps"]["mean"] == pytest.approx(1_000, rel=0.15)
    assert deep["decode_tps"]["mean"] == pytest.approx(1_000 / 1.5, rel=0.15)
    assert deep["counted_tokens"]["mean"] == pytest.approx(2048, rel=0.02)
    assert ran.summary["prompt"]["off_target"] == 0


@pytest.mark.parametrize(("when", "off", "said"), [("@20", 1, False), ("", 24, True)])
def test_a_few_prompts_of_another_size_are_counted_and_not_spoken_of(when: str, off: int, said: bool) -> None:
    settings = {
        "profile": "fixed",
        "requests": 24,
        "concurrency": 1,
        "prompt_tokens": 128,
        "output_tokens": 2,
    }
    ran = run_speed(settings, faults=(f"truncate_context=64{when}",))
    assert ran.summary["prompt"]["off_target"] == off
    assert any("not of the size asked for" in note for note in ran.summary["findings"]["notes"]) is said


@pytest.mark.slow
def test_depth_of_a_server_that_never_says_what_it_reused_is_measured_by_difference() -> None:
    settings = {"profile": "depth", "depths": "0,1k,2k", "output_tokens": 8, "requests": 3, "context": 16_384}
    ran = run_speed(settings, replace(FAST, prefill_tps=8_000), "ollama")
    rows = ran.summary["findings"]["depths"]
    assert [row["prefill_method"] for row in rows] == ["difference"] * 3
    assert all(row["prefill_tps"] is not None for row in rows)


STEP = replace(FAST, prefill_tps=20_000, decode_tps=25, prefix_cache=False)  # a token takes as long as 800


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "mlx", "vllm", "sglang", "lmstudio", "ollama", "llamacpp"])
@best_of()
def test_prefill_that_does_not_slow_with_depth_shows_no_change(dialect: str) -> None:
    settings = {"profile": "depth", "depths": "0,2k", "output_tokens": 4, "requests": 3, "context": 16_384}
    ran = run_speed(settings, STEP, dialect)
    flat, deep = ran.summary["findings"]["depths"]
    assert prefill_way(flat) == prefill_way(deep)
    assert flat["prefill_tps"]["mean"] == pytest.approx(20_000, rel=0.2)
    assert deep["prefill_tps"]["mean"] == pytest.approx(20_000, rel=0.2)
    timed = dialect in ("ollama", "llamacpp")
    assert flat["prefill_source"] == deep["prefill_source"] == ("server" if timed else "client")
    assert flat["prefill_method"] == deep["prefill_method"] == "difference"
    assert "pp128" in [r.stage.name for r in ran.results]


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@best_of()
def test_a_difference_of_prefills_holds_the_truth_where_decode_slows_with_depth(dialect: str) -> None:
    """A wait ends with a decode step, which takes longer behind 2,560 tokens than behind 2,048."""
    model = replace(FAST, prefill_tps=10_000, decode_tps=50, half_depth=4096.0, prefix_cache=False)
    settings = {"profile": "depth", "depths": "0,2k", "output_tokens": 4, "requests": 3, "context": 16_384}
    deep = run_speed(settings, model, dialect).summary["findings"]["depths"][1]
    truth = 10_000 / (1 + (2048 + 256) / 4096)
    low, high = deep["prefill_tps"]["ci95"]
    assert low - 1 <= truth <= high + 1
    assert deep["prefill_tps"]["mean"] == pytest.approx(truth, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "source"), [("openai", "client"), ("ollama", "server")])
def test_depth_zero_alone_needs_no_difference(dialect: str, source: str) -> None:
    settings = {"profile": "depth", "depths": "0", "output_tokens": 4, "requests": 2, "context": 16_384}
    ran = run_speed(settings, replace(FAST, prefix_cache=False), dialect)
    [row] = ran.summary["findings"]["depths"]
    assert (row["prefill_method"], row["prefill_source"]) == ("direct", source)
    assert [r.stage.name for r in ran.results] == ["pp512", "tg4"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dialect", "context", "why"),
    [
        ("openai", None, "4096 are assumed, since the server does not tell: --depths asks for it anyway"),
        ("llamacpp", None, "4000 are loaded"),
        ("ollama", 2048, "2048 were asked for"),
    ],
)
def test_a_depth_that_is_left_out_says_whose_limit_that_is(
    dialect: str, context: int | None, why: str
) -> None:
    settings = {"profile": "depth", "output_tokens": 8, "requests": 1, "prompt_tokens": 32}
    settings |= {} if context is None else {"context": context}
    ran = run_speed(settings, replace(FAST, context=4000), dialect)
    left = ran.summary["findings"]["notes"][0]
    assert left.startswith("d4096 left out")
    assert left.endswith(why)


def test_depths_asked_for_by_name_are_tried_where_nobody_says_what_fits() -> None:
    settings = {"profile": "depth", "depths": "5k", "output_tokens": 8, "requests": 1, "prompt_tokens": 32}
    ran = run_speed(settings, FAST, "openai")
    assert [row["depth"] for row in ran.summary["findings"]["depths"]] == [5120]
    assert not [note for note in ran.summary["findings"]["notes"] if "left out" in note]
    told = run_speed(settings, replace(FAST, context=4096), "llamacpp")
    assert "4096 are loaded" in told.summary["findings"]["notes"][0]


def test_answers_longer_than_asked_are_said() -> None:
    settings = {"profile": "fixed", "requests": 3, "output_tokens": 20, "prompt_tokens": 32}
    ran = run_speed(settings, FAST, "openai", faults=("output_tokens=60",))
    said = "3 of 3 answers were longer than asked for: 60 tokens on average instead of 20"
    assert said in ran.summary["findings"]["notes"]


@pytest.mark.parametrize(("stops_at", "notes"), [(7, 1), (None, 0)])
def test_answers_shorter_than_asked_are_said(stops_at: int | None, notes: int) -> None:
    settings = {"profile": "fixed", "requests": 3, "output_tokens": 40, "prompt_tokens": 32}
    ran = run_speed(settings, replace(FAST, stops_at=stops_at), "openai")
    found = [note for note in ran.summary["findings"]["notes"] if "ended early" in note]
    assert len(found) == notes
    if notes:
        assert found[0].endswith("this server cannot be told to go on")
        assert "3 of 3 answers ended early, at 7 tokens on average instead of 40" in found[0]


def test_more_pieces_than_tokens_are_said() -> None:
    """The second sitting has nothing left to ask. Of two known answers half the tokens were counted."""
    settings = {"profile": "fixed", "requests": 4, "output_tokens": 20, "prompt": "Hi."}
    ran = run_speed(settings)
    assert ran.summary["findings"]["notes"] == []
    known = list(ran.results[0].attempts)
    known[:2] = [replace(a, measures=replace(a.measures, output_tokens=10)) for a in known[:2]]
    notes = run_speed(settings, known=known).summary["findings"]["notes"]
    assert notes[-1] == (
        "2 of 4 answers came in more pieces than tokens were counted, 20 and 10 on average: "
        "if the count is too low, so are the rates"
    )


@pytest.mark.slow
def test_a_prompt_that_is_sent_again_has_no_prefill_rate() -> None:
    """Unless the server tells what it reused. Not even the first: it may have been sent by the run before."""
    settings = {"profile": "fixed", "requests": 3, "output_tokens": 4, "prompt": "the same words " * 200}
    silent = run_speed(settings, replace(FAST, prefill_tps=1_000), "ollama").summary
    assert (silent["prefill_tps"], silent["unmeasured"]["prefill_tps"]["requests"]) == (None, 3)
    assert "does not say what of it was cached" in silent["unmeasured"]["prefill_tps"]["why"]
    told = run_speed(settings, replace(FAST, prefill_tps=1_000), "llamacpp").summary
    assert told["prefill_tps"]["mean"] == pytest.approx(1_000, rel=0.25)
    assert (silent["tokens"]["cached"], told["tokens"]["cached"] is None) == (None, False)


@pytest.mark.parametrize("dialect", ["ollama", "openai", "llamacpp"])
def test_a_cut_prompt_has_no_prefill_rate(dialect: str) -> None:
    """On Ollama the cut takes the words away that no cache knew, and the rest is counted as processed."""
    settings = {"requests": 3, "output_tokens": 4}
    ran = run_speed(settings, replace(FAST, prefix_cache=True), dialect, faults=("truncate_context=300",))
    assert any("cut the prompt" in note for note in observed(ran.results))
    assert (ran.summary["prefill_tps"], ran.summary["prefill_warm_tps"]) == (None, None)
    assert "the server cut the prompt" in ran.summary["unmeasured"]["prefill_tps"]["why"]
    assert {a.measures.prefill_kind for result in ran.results for a in result.attempts} == {"unknown"}


def test_a_prompt_that_may_be_cut_has_no_prefill_rate_either() -> None:
    """A little less than was due: it may be the counting."""
    model = replace(FAST, prefix_cache=True)
    settings = {"requests": 3, "output_tokens": 4}
    ran = run_speed(settings, model, "ollama", faults=("truncate_context=490",))
    assert "the server may have cut the prompt (3 of 3)" in observed(ran.results)
    assert (ran.summary["prefill_tps"], ran.summary["tokens"]["cached"]) == (None, None)
    assert ran.summary["unmeasured"]["prefill_tps"]["why"] == "the server may have cut the prompt"


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["openai", "ollama", "llamacpp"])
def test_answers_whose_tokens_nobody_counted_are_not_called_short(dialect: str) -> None:
    settings = {"profile": "fixed", "requests": 3, "output_tokens": 128, "prompt_tokens": 32}
    faults = ("zero_metrics",) if dialect == "ollama" else ("usage=none",)
    ran = run_speed(settings, FAST, dialect, faults=faults)
    assert ran.summary["requests"]["ok"] == 3
    assert not [note for note in ran.summary["findings"]["notes"] if "ended early" in note]


@pytest.mark.slow
@best_of()
def test_a_silent_first_load_is_in_no_prefill_rate() -> None:
    """Who was never asked before may load first, and this server does not say."""
    settings = {"profile": "fixed", "requests": 4, "output_tokens": 4, "prompt_tokens": 400}
    slow = replace(FAST, prefill_tps=5_000, decode_tps=40)  # so that no two tokens merge
    ran = run_speed(settings, slow, "openai", faults=("jit_load=700@1",))
    found = ran.summary["prefill_tps"]
    assert (found["n"], ran.summary["unmeasured"]["prefill_tps"]["requests"]) == (3, 1)
    assert "may have waited for the model to load" in ran.summary["unmeasured"]["prefill_tps"]["why"]
    assert found["min"] > 2_000
    timed = run_speed(settings, replace(FAST, prefill_tps=5_000), "llamacpp").summary
    assert timed["prefill_tps"]["n"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["html_error", "model_404", "error_500", "busy_503", "drop", "error_midstream=1"]
)
def test_a_request_that_failed_held_no_load(fault: str) -> None:
    settings = {"profile": "fixed", "requests": 2, "output_tokens": 4, "prompt_tokens": 32}
    broken = run_speed(settings, replace(FAST, loaded=False), "ollama", faults=(fault,))
    assert broken.summary["requests"]["failed"] == 2
    assert not [note for note in observed(broken.results) if "not in memory" in note]


@pytest.mark.slow
@best_of()
def test_serve_narrows_the_highest_rate_down() -> None:
    """Two slots of about 20 ms an answer: 100 a second at the very most."""
    model = SimModel(name="m", loaded=True, ttft_ms=10.0, token_ms=2.0, slots=2)
    settings: dict[str, Any] = {
        "profile": "serve",
        "output_tokens": 6,
        "prompt_tokens": 32,
        "seconds": 0.8,
        "slo": "e2e=80ms",
    }
    ran = run_speed(settings, model)
    found = ran.summary["findings"]
    assert found["slo"] == "e2e=80ms"
    assert found["highest_rate"] is not None
    assert 15 <= found["highest_rate"]["rate"] <= 105
    assert any(row["share"] < 0.95 for row in found["rates"])
    assert ran.summary["figures_from"] == f"{found['highest_rate']['rate']:g}/s"


@best_of()
def test_cached_prompts_are_warm_and_say_so() -> None:
    """On a busy machine all four tokens may arrive at once, which tells no prefill."""
    ran = run_speed({"cached": True, "requests": 5, "output_tokens": 4})
    assert ran.summary["prefill_tps"] is None
    assert ran.summary["prefill_kinds"]["warm"] == 5
    assert ran.summary["prefill_warm_tps"]["n"] == 5


@pytest.mark.slow
@best_of()
def test_more_streams_than_slots_wait_and_the_wait_is_in_the_first_token() -> None:
    """By the simulator's own log, request by request."""
    model = SimModel(name="m", loaded=True, ttft_ms=10.0, token_ms=2.0, slots=2)
    settings = {"profile": "fixed", "requests": 24, "concurrency": 8, "output_tokens": 6, "prompt": "Hi."}
    ran = run_speed(settings, model)
    truth = {entry["request_id"]: entry for entry in ran.truth}
    errors, waits = [], []
    for attempt in ran.results[0].attempts:
        timeline = attempt.exchanges[0].timeline
        entry = truth[attempt.exchanges[0].request.request_id]
        assert attempt.measures.ttft_ms is not None
        assert timeline.sent_ns is not None
        errors.append(attempt.measures.ttft_ms - (entry["writes"][0][0] - timeline.sent_ns) / 1e6)
        waits.append(attempt.measures.ttft_ms)
    assert abs(sorted(errors)[len(errors) // 2]) < 2.0
    assert sorted(waits)[len(waits) // 2] > 50  # three others before it, at 20 ms each


def test_failures_are_counted_and_time_nothing() -> None:
    settings = {"profile": "fixed", "requests": 9, "output_tokens": 8, "prompt": "Hi."}
    ran = run_speed(settings, dialect="openai", faults=("error_midstream@/3",))
    assert ran.summary["requests"] == {"ok": 6, "failed": 3, "truncated": 0, "total": 9}
    assert ran.summary["endings"] == {"ok": 6, "error_midstream": 3}
    assert ran.summary["ttft_ms"]["n"] == 6


def test_every_profile_loads() -> None:
    for name in PROFILES:
        profile = load_profile(name)
        assert callable(profile.stages)
        assert callable(profile.conclude)
    with pytest.raises(UsageError, match="no profile"):
        load_profile("slow")
    assert (Speed.name, Speed.version) == ("speed", "1")


@pytest.mark.parametrize(
    "settings",
    [
        {"promt_tokens": 3},
        {"requests": 0},
        {"requests": "many"},
        {"prompt": "x", "prompt_tokens": 3},
        {"poisson": True},
        {"rate": 3, "concurrency": 4},
        {"seconds": -1},
        {"profile": "fixed", "burst": 0, "rate": 1},
        {"profile": "fixed", "burst": 4, "rate": 1, "poisson": True},
        {"profile": "fixed", "burst": 4, "concurrency": 2},
        {"profile": "fixed", "burst": 4, "seconds": 3},
        {"profile": "fixed", "burst": 10, "requests": 40},
        {"profile": "fixed", "burst": 10, "requests": 6},
        {"profile": "fixed", "burst": 10, "requests": 6, "rate": 5},
        {"profile": "fixed", "ramp_to": 4, "seconds": 3},
        {"profile": "fixed", "ramp_to": 4, "rate": 1},
        {"profile": "quick", "rate": 4},
        {"profile": "depth", "concurrency": 4},
        {"profile": "serve", "burst": 4},
        {"profile": "fixed", "depths": "0"},
        {"profile": "fixed", "budget_s": 9},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        read_settings(settings)


def test_a_single_burst_of_several_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="a single burst of 10 requests, not 40") as caught:
        read_settings({"profile": "fixed", "burst": 10, "requests": 40})
    assert caught.value.remedy == "make --burst 40, or add --rate REQUESTS_PER_SECOND for several"
    assert read_settings({"profile": "fixed", "burst": 10, "requests": 10}).burst == 10


def test_an_unknown_setting_gets_its_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        read_settings({"promt_tokens": 3})
    assert "prompt_tokens" in caught.value.remedy


def test_numbers_in_words() -> None:
    assert SpeedSettings(depths="0,4k, 16k").depth_list() == [0, 4096, 16384]
    assert SpeedSettings(concurrency=8).streams() == [8]
    assert SpeedSettings(rates="0.5,2,1.5k").rate_list() == [0.5, 2.0, 1500.0]
    for bad in (SpeedSettings(depths="deep"), SpeedSettings(depths="-1")):
        with pytest.raises(UsageError):
            bad.depth_list()
    with pytest.raises(UsageError):
        SpeedSettings(concurrency="1,2").one_stream_count(1)


def test_wanted_sizes_are_in_the_items_names() -> None:
    assert wanted_tokens("pp512-tg128") == 512
    assert wanted_tokens("pp512-tg1-d4096") == 4608
    assert wanted_tokens("text-abc-tg1") is None
    assert wanted_tokens("pp0-tg128") is None


@pytest.mark.parametrize("settings", [{}, {"profile": "soak", "seconds": 600.0, "concurrency": 2}])
def test_a_server_that_only_fails_is_not_asked_for_ever(settings: dict[str, Any]) -> None:
    ran = run_speed(
        {"output_tokens": 8, "prompt": "Hi.", **settings}, dialect="openai", faults=("error_500",)
    )
    assert 8 <= ran.summary["requests"]["total"] <= 12  # those under way are waited for
    assert ran.summary["requests"]["ok"] == 0
    assert ran.summary["gave_up"]
    assert observed(ran.results)[0].startswith(
        f"{ran.results[0].stage.name}: stopped after failures in a row"
    )


def test_fixed_sends_what_was_asked_even_to_a_server_that_only_fails() -> None:
    settings = {"profile": "fixed", "requests": 30, "output_tokens": 8, "prompt": "Hi."}
    ran = run_speed(settings, dialect="openai", faults=("error_500",))
    assert ran.summary["endings"] == {"http_error": 30}
    assert not ran.summary["gave_up"]


@pytest.mark.slow
def test_a_server_that_is_full_is_not_taken_for_dead() -> None:
    """It refuses at once what is too much, while the answers to the first four take their time."""
    model = replace(FAST, slots=4, queue=0, ttft_ms=300.0)
    settings = {"profile": "soak", "concurrency": 6, "seconds": 1.0, "output_tokens": 8, "prompt": "Hi."}
    ran = run_speed(settings, model, dialect="vllm")
    assert ran.summary["requests"]["failed"] > 8
    assert ran.summary["requests"]["ok"] >= 8
    assert not ran.summary["gave_up"]


def test_one_success_is_hope_enough() -> None:
    settings = {"requests": 24, "output_tokens": 8, "prompt": "Hi."}
    failing = tuple(
        f"error_500@{number}" for number in range(1, 24) if number != 7
    )  # the warm-up is the first
    ran = run_speed(settings, dialect="openai", faults=failing)
    assert ran.summary["requests"]["total"] == 24
    assert ran.summary["requests"]["ok"] == 3
    assert not ran.summary["gave_up"]


def stage_of_waits(waits: list[float]) -> StageResult:
    """One answer every 10 ms, each after the wait given."""
    attempts = [
        Attempt(
            run_id="r",
            stage="s",
            item_id="i",
            item_hash="h",
            repetition=number,
            started_at="2026-01-01T00:00:00.000+00:00",
            exchanges=(
                Exchange(
                    request=Request(model="m", messages=()),
                    timeline=Timeline(scheduled_ns=number * 10_000_000, started_ns=number * 10_000_000),
                    ending="ok",
                ),
            ),
            measures=Measures(ttft_scheduled_ms=wait),
        )
        for number, wait in enumerate(waits)
    ]
    load = Load(kind="constant", rate=100.0, stop=Stop(seconds=1.0))
    return StageResult(stage=Stage(name="s", load=load, items=()), attempts=attempts, wall_s=1.0)


def test_a_queue_that_only_grows_is_not_served() -> None:
    """Even where every wait is still within the limit."""
    assert not keeps_up(stage_of_waits([10.0 + 5 * i for i in range(80)]))
    assert keeps_up(stage_of_waits([10.0 + i % 17 for i in range(80)]))
    assert keeps_up(stage_of_waits([10.0] * 20 + [60.0 + i % 7 for i in range(60)]))  # higher, but steady
    assert keeps_up(stage_of_waits([10.0, 500.0, 900.0]))  # too few to tell


def test_energy_is_of_all_stages_and_so_are_its_tokens() -> None:
    """The figures at the top are of one stage, but the machine worked for all of them."""
    settings = {"profile": "concurrency", "concurrency": "1,2", "output_tokens": 8, "requests": 6}
    ran = run_speed(settings)
    stages = [stage["tokens"]["output"] for stage in ran.summary["stages"]]
    assert ran.summary["tokens"]["output"] in stages
    assert ran.summary["metered"] == sum(stages) == 96
