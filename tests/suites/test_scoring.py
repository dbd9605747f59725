"""The shares of a graded run's summary: over what, and how sure where items come more than once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.load import exchanges
from tests.store.conftest import make_attempt, make_exchange
from tiltyard.load.metrics import measure
from tiltyard.records import Attempt, Exchange, Grade, Item, Measures, Outcome, Usage
from tiltyard.stats.figures import figure
from tiltyard.stats.proportions import wilson, wilson_clustered
from tiltyard.suites.mcq.figures import own_figures
from tiltyard.suites.scoring import summarise_graded
from tiltyard.suites.tally import Tally

ITEMS, TRIES = 20, 5


def attempt(outcome: Outcome = "correct", ending: str = "ok", given: int = 0, **answer: Any) -> Attempt:
    exchange = make_exchange(2, **{"ending": ending, "finish_reason": "stop", **answer})
    details = {} if ending != "ok" else {"given": given, "gold": 0}
    grade = Grade(outcome=outcome, score=float(outcome == "correct"), details=details)
    return make_attempt(exchanges=(exchange,), grade=grade)


def tally_of(attempts: list[Attempt], tries: int) -> Tally:
    """So many tries of each item, one item after the other."""
    tally = Tally()
    tally.repeats = tries
    for place, each in enumerate(attempts):
        number = place // tries
        tally.add(Item(id=f"q{number}", content_hash="h", spec={"number": number}), each)
    return tally


@pytest.mark.parametrize("points", [1 / 18, 1 / 6, 5 / 6, 0.1, 0.7])
def test_the_bounds_of_what_is_all_judged_are_its_score(points: float) -> None:
    grade = Grade(outcome="partial", score=points)
    one = replace(attempt("partial"), grade=grade)
    found = summarise_graded(tally_of([one] * 7, 1), [])
    assert found["bounds"] == [found["score"], found["score"]]


def mixed(number: int) -> Attempt:
    """Every fourth item fails, is cut, thinks or gets another letter: in all of its tries."""
    kinds: list[dict[str, Any]] = [
        {"outcome": "error", "ending": "http_error"},
        {"outcome": "truncated", "finish_reason": "length"},
        {"reasoning": "Let me see."},
        {"given": 1, "outcome": "wrong"},
    ]
    return attempt(**kinds[number % 4])


@pytest.mark.slow
def test_tries_of_one_item_are_one_witness_for_every_share() -> None:
    repeated = tally_of([mixed(place // TRIES) for place in range(ITEMS * TRIES)], TRIES)
    once = tally_of([mixed(number) for number in range(ITEMS)], 1)
    many, few = (
        {**summarise_graded(tally, []), **own_figures(tally, turned=False)} for tally in (repeated, once)
    )
    for name, value in (("error_rate", 1 / 4), ("cap_hit", 1 / 3), ("thought", 1 / 3)):
        assert many[name]["value"] == few[name]["value"] == pytest.approx(value)
        assert many[name]["n"] == TRIES * few[name]["n"]
        assert width(many[name]) >= 0.95 * width(few[name])
    letters = [figures["letters"] for figures in (many, few)]
    for other, alone in zip(*letters, strict=True):
        assert other["given"]["value"] == alone["given"]["value"]
        assert width(other["given"]) >= 0.95 * width(alone["given"])
        assert width(other["recall"]) >= 0.95 * width(alone["recall"]) if alone["n"] else True


def width(share: dict[str, Any]) -> float:
    low, high = share["ci95"]
    return float(high - low)


def waiting(number: int) -> Attempt:
    """Every item has its own length, and so its own wait, however often it is asked."""
    return replace(attempt(), measures=Measures(ttft_ms=100.0 + 10.0 * number, decode_tps=20.0 + number))


def test_tries_of_one_item_are_one_witness_for_every_speed() -> None:
    """Each request for itself would make the intervals less than half as wide as they are."""
    repeated = tally_of([waiting(place // TRIES) for place in range(ITEMS * TRIES)], TRIES)
    once = tally_of([waiting(number) for number in range(ITEMS)], 1)
    many, few = (summarise_graded(tally, [])["speed"] for tally in (repeated, once))
    for name in ("ttft_ms", "decode_tps"):
        assert (many[name]["n"], many[name]["mean"]) == (ITEMS * TRIES, few[name]["mean"])
        assert many[name]["ci95"] == pytest.approx(few[name]["ci95"])
        naive = figure(repeated.speeds[name]).ci95
        assert naive is not None
        assert width({"ci95": naive}) < width(many[name]) / 2
    alone = summarise_graded(tally_of([waiting(place) for place in range(TRIES)], TRIES), [])["speed"]
    assert (alone["ttft_ms"]["n"], alone["ttft_ms"]["ci95"]) == (TRIES, None)


def test_items_asked_once_have_wilsons_interval() -> None:
    found = summarise_graded(tally_of([mixed(number) for number in range(ITEMS)], 1), [])
    for name, part, of in (("error_rate", 5, 20), ("cap_hit", 5, 15), ("thought", 5, 15)):
        assert found[name]["ci95"] == pytest.approx(wilson(part, of))


def test_answers_that_did_not_end_are_no_part_of_what_was_cut_or_thought() -> None:
    """More of them than of whole answers, and each had begun to think."""
    broken = attempt("error", "timeout_gap", reasoning="Let me see", finish_reason=None)
    found = summarise_graded(tally_of([broken] * 9 + [attempt()], 1), [])
    assert (found["thought"]["value"], found["thought"]["n"]) == (0.0, 1)
    assert (found["cap_hit"]["value"], found["error_rate"]["value"]) == (0.0, 0.9)
    nothing = summarise_graded(tally_of([broken], 1), [])
    assert nothing["cap_hit"] == {"value": None, "ci95": None, "n": 0}


def test_letters_over_rotations_are_clustered_by_question() -> None:
    """Always the letter A, whatever stands there: ten questions are ten witnesses, not forty."""
    given = [attempt(given=place % 4 if place < 20 else 0) for place in range(40)]
    tally = tally_of([replace(each) for each in given], 4)
    letters = own_figures(tally, turned=False)["letters"]
    values = [float(place >= 20 or place % 4 == 0) for place in range(40)]
    expected = wilson_clustered(values, [place // 4 for place in range(40)])
    assert letters[0]["given"]["ci95"] == pytest.approx(expected)
    assert letters[0]["given"]["n"] == 40


@pytest.mark.parametrize(("source", "certain"), [("server", True), ("estimate", False)])
def test_a_rate_of_estimated_tokens_has_no_interval(source: str, certain: bool) -> None:
    several = [
        replace(each, measures=replace(each.measures, decode_tps=40.0 + place, tokens_source=source))
        for place, each in enumerate([attempt()] * 8)
    ]
    speed = summarise_graded(tally_of(several, 1), [])["speed"]
    assert (speed["decode_tps"]["ci95"] is not None) is certain
    assert speed["decode_tps"]["mean"] == pytest.approx(43.5)


def test_a_prefill_rate_of_cached_prompts_is_left_out() -> None:
    kinds = ["cold", "warm", "unknown", "warm"]
    several = [
        replace(each, measures=replace(each.measures, prefill_tps=100.0 + place, prefill_kind=kind))
        for place, (each, kind) in enumerate(zip([attempt()] * 4, kinds, strict=True))
    ]
    speed = summarise_graded(tally_of(several, 1), [])["speed"]
    assert (speed["prefill_tps"]["n"], speed["prefill_tps"]["mean"]) == (2, pytest.approx(101))
    warm = summarise_graded(tally_of([several[1], several[3]], 1), [])["speed"]
    assert warm["prefill_tps"] is None


def timed(arrivals: list[tuple[float, str, str]], tokens: int | None, **more: Any) -> Attempt:
    """An answer whose measures are those of its arrivals."""
    usage = Usage(prompt_tokens=50, output_tokens=tokens)
    exchange: Exchange = exchanges.make_exchange(arrivals, usage=usage, **more)
    outcome: Outcome = "correct" if exchange.ending == "ok" else "error"
    grade = Grade(outcome=outcome, score=float(outcome == "correct"))
    return make_attempt(exchanges=(exchange,), grade=grade, measures=measure(exchange))


AT_ONCE = timed([(9.0, "c", "x"), (9.0, "c", "y")], 2)
SLOW = timed([(9.0, "c", "x"), (19.0, "c", "y")], 2)


def test_rates_of_the_late_answers_alone_are_withheld() -> None:
    """As in a speed run: nearly all answers came too fast for the clock, the others were held up."""
    found = summarise_graded(tally_of([AT_ONCE] * 9 + [SLOW], 1), [])
    assert (found["speed"]["decode_tps"], found["speed"]["itl_ms"]) == (None, None)
    assert found["speed"]["ttft_ms"]["n"] == 10
    why = "9 of 10 answers came too fast for the clock; the others are the late ones"
    assert found["unmeasured"]["decode_tps"] == {"requests": 10, "why": why}
    few = summarise_graded(tally_of([SLOW] * 9 + [AT_ONCE], 1), [])
    assert few["speed"]["decode_tps"]["n"] == 9
    assert few["unmeasured"]["itl_ms"] == {"requests": 1, "why": "the whole answer arrived at once"}
    assert summarise_graded(tally_of([SLOW] * 3, 1), [])["unmeasured"] == {}


def test_answers_that_no_clock_could_time_do_not_hide_the_rates_of_others() -> None:
    """A letter of one token has no rate, and a call that the server sends whole arrives in one piece."""
    letter, call = timed([(9.0, "c", "A")], 1), timed([(9.0, "t", "{}")], 20)
    for untimed in (letter, call):
        found = summarise_graded(tally_of([untimed] * 8 + [SLOW] * 2, 1), [])
        assert found["speed"]["decode_tps"]["n"] == 2
        assert found["unmeasured"]["decode_tps"]["requests"] == 8
    late = summarise_graded(tally_of([letter] * 8 + [AT_ONCE, SLOW], 1), [])
    assert late["speed"]["decode_tps"] is None
    why = "1 of 2 answers came too fast for the clock; the others are the late ones"
    assert late["unmeasured"]["decode_tps"] == {"requests": 10, "why": why}


def test_tokens_are_of_the_answers_that_ended_well() -> None:
    steady = exchanges.steady(20)
    good, broken = timed(steady, 20), timed(steady, 20, ending="truncated")
    tally = tally_of([good, broken, good, broken], 1)
    found = summarise_graded(tally, [])["tokens"]
    assert (found["prompt"], found["output"], found["source"]) == (100, 40, "server")
    nothing = summarise_graded(tally_of([broken], 1), [])["tokens"]
    assert (nothing["prompt"], nothing["output"]) == (None, None)
