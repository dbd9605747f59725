"""Comparisons tell the truth: known ratios are found, equal runs are rarely called different."""

import math
import random

import pytest

from tiltyard.stats.contrast import Ratio, holm, log_ratio, mean_ratio, more_needed, verdict


def run(rng, mean, spread, n, stages=1, name="s"):
    """Values of a run: log-normal around `mean`, each under its own repetition."""
    return {
        f"{name}{k}": {("item", r): mean * math.exp(rng.gauss(0, spread)) for r in range(n)}
        for k in range(stages)
    }


def unmatched(values):
    return {s: {("other", k): v for k, v in enumerate(vs.values())} for s, vs in values.items()}


@pytest.mark.parametrize("match", [True, False])
@pytest.mark.parametrize("true", [0.5, 0.94, 1.07, 3.0])
def test_a_known_ratio_is_inside_its_interval_as_often_as_promised(match, true):
    rng, hits, tries = random.Random(f"{match}{true}"), 0, 1_000
    for _ in range(tries):
        a, b = run(rng, 40, 0.05, 8), run(rng, 40 * true, 0.05 if match else 0.1, 8 if match else 6)
        found = log_ratio(a, b if match else unmatched(b))
        assert found.paired is match
        hits += found.low <= true <= found.high
    assert 0.93 <= hits / tries <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(8, 8), (128, 9), (9, 128), (40, 5)])
@pytest.mark.parametrize("true", [0.94, 1.0, 3.0])
def test_the_ratio_of_two_means_is_inside_its_interval_as_often_as_promised(sizes, true):
    rng, hits, tries = random.Random(f"{sizes}{true}"), 0, 1_000
    for _ in range(tries):
        found = mean_ratio(run(rng, 40, 0.14, sizes[0]), run(rng, 40 * true, 0.14, sizes[1]))
        assert (found.paired, found.n_a, found.n_b) == (False, *sizes)
        hits += found.low <= true <= found.high
    assert 0.93 <= hits / tries <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("sizes", [(30, 2), (30, 3), (4, 150), (2, 2), (3, 3)])
def test_a_few_answers_on_one_side_make_no_difference_of_equal_servers(sizes, stages):
    rng, wrong, tries = random.Random(f"{sizes}{stages}"), 0, 2_000
    for _ in range(tries):
        a, b = (run(rng, 40, 0.03, n, stages) for n in sizes)
        wrong += mean_ratio(a, b).p_value < 0.05
        wrong += log_ratio(a, unmatched(b)).p_value < 0.05
    assert wrong / 2 / tries <= 0.055  # 0.05 plus one standard error of the simulation


def test_more_needed_of_few_answers_is_no_more_than_decides():
    rng, decided, tries = random.Random(12), 0, 200
    for _ in range(tries):
        first = mean_ratio(run(rng, 40, 0.03, 3), run(rng, 42, 0.03, 3))
        if verdict(first, first.p_value) != "unclear":
            continue
        assert more_needed(first) < 2_000
        tries_more = 3 + more_needed(first)
        found = mean_ratio(run(rng, 40, 0.03, tries_more), run(rng, 42, 0.03, tries_more))
        decided += verdict(found, found.p_value) != "unclear"
    assert decided / tries > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_a_verdict_never_has_the_opposite_direction_of_the_means(spread):
    """B has few answers of another spread, and all of A's count, not those that B has a partner for."""
    rng, claims = random.Random(f"{spread}"), 0
    for _ in range(1_000):
        a = {
            "s": {
                ("i", k): v
                for k, v in enumerate([60.0] * 9 + [rng.lognormvariate(3.7, 0.3) for _ in range(119)])
            }
        }
        b = run(rng, 40 * math.exp(rng.gauss(0, 0.2)), spread, 9)
        found = mean_ratio(a, {"s": b["s0"]})
        mean_a, mean_b = (math.fsum(x.values()) / len(x) for x in (a["s"], b["s0"]))
        assert found.ratio == pytest.approx(mean_b / mean_a)
        said = verdict(found, found.p_value)
        claims += said in ("higher", "lower")
        assert said != ("higher" if mean_b < mean_a else "lower")
    assert claims > 100


def test_means_of_single_values_make_the_stages_the_units():
    rng = random.Random(8)
    found = mean_ratio(run(rng, 40, 0.01, 1, stages=6), run(rng, 50, 0.01, 1, stages=6))
    assert (found.pairs, found.paired, found.share_a) == (6, True, None)
    assert verdict(found, found.p_value) == "higher"
    single = mean_ratio({"a": {1: 2.0}}, {"a": {1: 3.0}})
    assert (single.ratio, single.low, single.paired) == (pytest.approx(1.5), None, False)
    assert mean_ratio({"a": {1: 0.0}}, {"a": {1: 3.0}}) is None
    assert mean_ratio({"a": {1: 0.0, 2: 2.0}}, {"a": {1: 1.0, 2: 1.0}}).ratio == pytest.approx(1)


@pytest.mark.slow
def test_more_needed_knows_which_side_is_vague():
    """A hundred noisy answers and nine steady ones: a few more of each would not help."""
    rng, decided, tries = random.Random(11), 0, 200
    for _ in range(tries):
        n_a, n_b = 128, 9
        first = mean_ratio(run(rng, 40, 0.3, n_a), run(rng, 43.9, 0.01, n_b))
        if verdict(first, first.p_value) == "unclear":
            more = min(more_needed(first) or 0, 4_000)
            n_a, n_b = n_a + more, n_b + more
        found = mean_ratio(run(rng, 40, 0.3, n_a), run(rng, 43.9, 0.01, n_b))
        decided += verdict(found, found.p_value) != "unclear"
    assert decided / tries > 0.65


def test_clear_differences_are_named_with_their_direction():
    rng = random.Random(1)
    faster = log_ratio(run(rng, 40, 0.02, 12), run(rng, 43, 0.02, 12))
    assert verdict(faster, faster.p_value) == "higher"
    slower = log_ratio(run(rng, 40, 0.02, 12), run(rng, 36, 0.02, 12))
    assert verdict(slower, slower.p_value) == "lower"
    assert slower.ratio == pytest.approx(0.9, abs=0.03)


def test_equal_and_precise_is_the_same_equal_and_noisy_is_unclear():
    rng = random.Random(2)
    precise = log_ratio(run(rng, 40, 0.01, 40), run(rng, 40, 0.01, 40))
    assert verdict(precise, precise.p_value) == "same"
    noisy = log_ratio(run(rng, 40, 0.3, 5), run(rng, 40, 0.3, 5))
    assert verdict(noisy, noisy.p_value) == "unclear"
    assert more_needed(noisy) > 50


@pytest.mark.slow
@pytest.mark.parametrize("match", [True, False, None])
def test_false_claims_stay_below_five_percent_over_five_metrics(match):
    """2,000 comparisons of a run with its equal, five metrics each: how often is any called different?"""
    rng, wrong, tries = random.Random(5 if match is None else 3 + match), 0, 2_000
    for _ in range(tries):
        found = []
        for _ in range(5):
            a, b = run(rng, 40, 0.08, 6), run(rng, 40, 0.08, 6)
            one_item = match is None
            found.append(mean_ratio(a, b) if one_item else log_ratio(a, b if match else unmatched(b)))
        adjusted = holm([f.p_value for f in found])
        wrong += any(verdict(f, p) in ("higher", "lower") for f, p in zip(found, adjusted, strict=True))
    assert wrong / tries <= 0.055  # 0.05 plus one standard error of the simulation


def test_a_real_difference_is_never_called_none():
    """The wrong 'no difference above 2 %' stays below 5 % even for a true difference of just 2 %."""
    rng, wrong, tries = random.Random(5), 0, 1_000
    for _ in range(tries):
        found = log_ratio(run(rng, 40, 0.02, 20), run(rng, 40 * 1.02, 0.02, 20))
        wrong += verdict(found, found.p_value) == "same"
    assert wrong / tries <= 0.05


def test_pairing_removes_what_items_share():
    rng = random.Random(6)
    items = [rng.lognormvariate(3, 1) for _ in range(20)]
    a = {"s": {k: v * math.exp(rng.gauss(0, 0.01)) for k, v in enumerate(items)}}
    b = {"s": {k: v * 1.05 * math.exp(rng.gauss(0, 0.01)) for k, v in enumerate(items)}}
    paired, unpaired = log_ratio(a, b), log_ratio(a, unmatched(b))
    assert paired.paired
    assert not unpaired.paired
    assert verdict(paired, paired.p_value) == "higher"
    assert verdict(unpaired, unpaired.p_value) == "unclear"


def test_stages_are_compared_with_their_own_kind():
    """B has ten times as many requests in the slow stage; pooled, it would look half as fast."""
    rng = random.Random(7)
    a = {**run(rng, 100, 0.02, 30, name="fast"), **run(rng, 10, 0.02, 5, name="slow")}
    b = {**run(rng, 100, 0.02, 5, name="fast"), **run(rng, 10, 0.02, 50, name="slow")}
    found = log_ratio(a, unmatched(b))
    assert found.stages == 2
    assert 0.97 < found.low < 1 < found.high < 1.03


def test_one_pair_a_stage_makes_the_stages_the_units():
    rng = random.Random(8)
    found = log_ratio(run(rng, 40, 0.01, 1, stages=6), run(rng, 50, 0.01, 1, stages=6))
    assert (found.pairs, found.paired) == (6, True)
    assert verdict(found, found.p_value) == "higher"


def test_nothing_in_common_is_no_comparison_and_one_value_no_interval():
    assert log_ratio({"a": {1: 2.0}}, {"b": {1: 2.0}}) is None
    assert log_ratio({"a": {1: 0.0}}, {"a": {1: 2.0}}) is None
    single = log_ratio({"a": {1: 2.0}}, {"a": {1: 3.0}})
    assert single.ratio == pytest.approx(1.5)
    assert (single.low, single.p_value) == (None, None)
    assert verdict(single, None) == "none"
    assert more_needed(single) is None


def test_outliers_show_in_the_ratio_of_medians():
    a = {"s": dict.fromkeys(range(9), 10.0)}
    b = {"s": {**dict.fromkeys(range(8), 10.0), 8: 1000.0}}
    found = log_ratio(a, b)
    assert found.medians == pytest.approx(1)
    assert found.ratio > 1.5


def test_no_spread_at_all():
    same = log_ratio({"a": {1: 2.0, 2: 2.0}}, {"a": {1: 2.0, 2: 2.0}})
    assert (same.low, same.high, same.p_value, verdict(same, 1.0)) == (1.0, 1.0, 1.0, "same")
    other = log_ratio({"a": {1: 2.0, 2: 2.0}}, {"a": {1: 3.0, 2: 3.0}})
    assert verdict(other, other.p_value) == "higher"


def test_holm_is_the_textbooks():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.04, None]) == [None, 0.04, None]
    assert holm([]) == []


def test_a_difference_lost_to_the_correction_is_unclear():
    barely = Ratio(ratio=1.1, low=1.01, high=1.2, p_value=0.03, paired=True, n_a=9, n_b=9, pairs=9)
    assert verdict(barely, 0.03) == "higher"
    assert verdict(barely, 0.15) == "unclear"


def test_more_needed_is_about_right():
    """After as many more as were asked for, most comparisons are decided."""
    rng, decided, tries = random.Random(9), 0, 300
    for _ in range(tries):
        n = 8
        first = log_ratio(run(rng, 40, 0.05, n), run(rng, 42, 0.05, n))
        if verdict(first, first.p_value) == "unclear":
            n = min(n + more_needed(first), 4_000)
        found = log_ratio(run(rng, 40, 0.05, n), run(rng, 42, 0.05, n))
        decided += verdict(found, found.p_value) != "unclear"
    assert decided / tries > 0.65
