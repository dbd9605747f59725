"""Two runs in words: direction, ties, what differs, and what to be careful about."""

import pytest
from msgspec.structs import replace

from tests.reports import made
from tests.reports.graded import graded
from tiltyard.errors import UsageError
from tiltyard.reports.comparison import compare_runs, in_words
from tiltyard.reports.traits import flat, trait, traits
from tiltyard.reports.ways import Side
from tiltyard.stats.contrast import Ratio


def side(maker, **words):
    return Side(run=maker.run(**words), attempts=maker.attempts)


def ratio(low, high, paired=True, n=10):
    middle = (low * high) ** 0.5
    return Ratio(ratio=middle, low=low, high=high, p_value=0.001, paired=paired, n_a=n, n_b=n, pairs=n)


@pytest.mark.parametrize(
    ("metric", "verdict", "bounds", "words"),
    [
        ("decode_tps", "higher", (1.06, 1.09), "B is 6 to 9 % faster"),
        ("decode_tps", "lower", (0.91, 0.94), "B is 6 to 9 % slower"),
        ("decode_tps", "higher", (1.021, 1.034), "B is 2.1 to 3.4 % faster"),
        ("decode_tps", "higher", (2.481, 2.482), "B is 2.48 times as fast"),
        ("e2e_ms", "lower", (0.4963, 0.4991), "A takes 2.00 to 2.01 times as long"),
        ("decode_tps", "higher", (2.0, 2.4), "B is 2.0 to 2.4 times as fast"),
        ("decode_tps", "lower", (0.4, 0.5), "A is 2.0 to 2.5 times as fast"),
        ("ttft_ms", "lower", (0.91, 0.94), "B takes 6 to 9 % less time"),
        ("e2e_ms", "higher", (1.06, 1.09), "B takes 6 to 9 % more time"),
        ("ttft_ms", "lower", (0.4, 0.5), "A takes 2.0 to 2.5 times as long"),
        ("output_tokens", "higher", (1.06, 1.09), "B's is 6 to 9 % larger"),
        ("chunks", "lower", (0.4, 0.5), "A's is 2.0 to 2.5 times as large"),
        ("ttft_ms", "same", (0.99, 1.01), "no difference above 2 %"),
    ],
)
def test_verdicts_in_words(metric, verdict, bounds, words):
    assert in_words(metric, ratio(*bounds), verdict, None, 0.02) == words


@pytest.mark.parametrize(
    ("paired", "more", "words"),
    [
        (True, 1, "cannot tell, about 1 more pair"),
        (True, 14, "cannot tell, about 14 more pairs"),
        (False, 123, "cannot tell, about 120 more requests each"),
        (False, 12_345, "cannot tell, about 12,300 more requests each"),
        (
            True,
            None,
            "cannot tell: the two are too close, or too noisy, for any reasonable number of requests",
        ),
    ],
)
def test_not_knowing_in_words(paired, more, words):
    assert in_words("decode_tps", ratio(0.9, 1.1, paired), "unclear", more, 0.02) == words


def test_what_differs_is_named():
    a = made.quick("m", 40, quantization="Q4_K_M")
    b = made.quick("m", 40, seed=2, quantization="Q8_0")
    found = compare_runs(side(a), side(b, profile="depth"))
    assert [tuple(d) for d in found.differences] == [
        ("quant", "Q4_K_M", "Q8_0"),
        ("settings.profile", "quick", "depth"),
    ]
    assert found.warnings == ()


def test_what_to_be_careful_about():
    a, b = made.quick("m", 40), made.quick("m", 40, seed=2)
    bound = Side(run=a.run(), attempts=[replace(x, client_bound=True) for x in a.attempts])
    moved = b.run(state="interrupted")
    moved = replace(moved, machine={**moved.machine, "cpu": "Apple M4"})
    words = " ".join(compare_runs(bound, Side(run=moved, attempts=b.attempts)).warnings)
    assert "in A the client was the bottleneck in 14 of 14 requests" in words
    assert "B is interrupted" in words
    assert "the machines differ: cpu" in words
    runs = [a.run(client={"clock": "kernel"}), b.run(client={"clock": "user"})]
    runs[1] = replace(runs[1], settings={**runs[1].settings, "concurrency": 4})
    sides = [Side(run=run, attempts=maker.attempts) for run, maker in zip(runs, (a, b), strict=True)]
    words = " ".join(compare_runs(*sides).warnings)
    assert "different clocks" in words
    assert "the loads differ: concurrency" in words


def test_requests_that_failed_are_told_on_both_sides():
    a, b = made.quick("m", 40), made.quick("m", 40, seed=2)
    failing = side(a, endings={"ok": 18, "http_error": 6})
    said = "6 of 24 requests of A and 0 of 14 of B failed: the figures are of those that ended well"
    assert said in compare_runs(failing, side(b)).warnings
    cut = side(a, requests={"ok": 18, "failed": 2, "truncated": 4, "total": 24})
    assert said in compare_runs(cut, side(b)).warnings
    assert not [each for each in compare_runs(side(a), side(b)).warnings if "failed" in each]
    broken = side(a, requests={"ok": 18, "failed": 6, "total": 24}, rules={"broken_call": 6})
    assert not [each for each in compare_runs(broken, side(b)).warnings if "failed" in each]


@pytest.mark.parametrize(
    ("of_a", "of_b", "words"),
    [
        ({}, {"text_tools": True}, "A in the usual way; B calls read from text"),
        ({"cot": True}, {"shuffle": False}, "A with reasoning; B options in the file's order"),
        ({"few_shot": 5}, {"rotations": True}, "A first 5 as examples; B in every order"),
        ({"examples": "0123"}, {"examples": "4567"}, "A examples (0123); B examples (4567)"),
        ({"prompt": "x"}, {"prompt": "y"}, "their prompts differ"),
    ],
)
def test_runs_that_were_asked_in_other_ways_are_said_to_be_so(of_a, of_b, words):
    found = compare_runs(*asked(of_a, of_b))
    assert [row.verdict for row in found.scores] != ["none"]
    (said,) = [line for line in found.warnings if "asked" in line]
    assert said == f"asked in different ways, which may make the difference: {words}"


def test_what_is_no_other_way_of_asking_is_no_warning():
    found = compare_runs(*asked({"shuffle": True, "limit": 100}, {"few_shot": 0, "cot": False}))
    assert not [line for line in found.warnings if "asked" in line]


def asked(*settings):
    makers = graded("a"), graded("b", seed=2)
    runs = [replace(maker.run(), settings=more) for maker, more in zip(makers, settings, strict=True)]
    return [Side(run=run, attempts=maker.attempts) for run, maker in zip(runs, makers, strict=True)]


def test_nothing_is_pooled():
    a, b = made.quick("m", 40), made.quick("m", 40, seed=2)
    with pytest.raises(UsageError, match="ask different things"):
        compare_runs(side(a), Side(run=replace(b.run(), suite="mcq"), attempts=b.attempts))
    with pytest.raises(UsageError, match="same run"):
        compare_runs(side(a), side(a))
    with pytest.raises(UsageError, match="no metric"):
        compare_runs(side(a), side(b), ["nonsense"])


def test_stages_are_rows_of_their_own_when_asked_for():
    a, b = made.depth("m"), made.depth("m", decode=82, seed=2)
    found = compare_runs(side(a), side(b), ["decode_tps"], by_stage=True)
    assert [row.stage for row in found.rows][:3] == [None, "pp512 @ d0", "tg128 @ d0"]
    assert all(row.verdict == "higher" for row in found.rows)
    whole = compare_runs(side(a), side(b), ["output_tps"]).rows[0]
    assert whole.ratio.pairs == 10
    assert whole.verdict == "higher"
    assert [row.stages for row in found.rows[:2]] == [10, 1]


def test_repetitions_of_one_item_are_compared_with_all_their_values():
    """A's first answers are slow; B has as few as those."""
    a, b = made.quick("m", 40, n=60), made.quick("m", 40, n=9, seed=2)
    slow = [
        replace(x, measures=replace(x.measures, decode_tps=x.measures.decode_tps * (0.7 if i < 9 else 1.1)))
        for i, x in enumerate(a.attempts)
    ]
    row = compare_runs(Side(run=a.run(), attempts=slow), side(b), ["decode_tps"]).rows[0]
    means = [sum(x.measures.decode_tps for x in attempts) / len(attempts) for attempts in (slow, b.attempts)]
    assert (row.ratio.paired, row.ratio.n_a, row.ratio.n_b) == (False, len(slow), len(b.attempts))
    assert row.ratio.ratio == pytest.approx(means[1] / means[0])
    assert row.ratio.ratio < 1
    assert row.verdict != "higher"


def test_different_items_are_paired():
    a, b = graded("a"), graded("b", seed=2)
    [row] = compare_runs(side(a), side(b), ["decode_tps"]).rows
    assert row.ratio.paired
    unfinished = [Side(run=replace(x.run(), summary=None), attempts=x.attempts) for x in (a, b)]
    assert compare_runs(*unfinished, ["decode_tps"]).rows[0].ratio.paired


def test_other_stages_cannot_be_compared():
    row = compare_runs(side(made.quick("m")), side(made.depth("m", seed=2)), ["decode_tps"]).rows[0]
    assert (row.verdict, row.words) == ("none", "no stage in which both measured it")


def test_prefill_that_a_cache_skipped_is_not_compared():
    a, b = made.quick("m"), made.quick("m", seed=2)
    warm = [replace(x, measures=replace(x.measures, prefill_kind="warm")) for x in b.attempts]
    found = compare_runs(side(a), Side(run=b.run(), attempts=warm), ["prefill_tps"])
    assert found.rows[0].ratio is None


def test_traits_answer_to_short_names():
    run = made.quick("m").run()
    assert trait(run, "quantization") == trait(run, "quant") == "Q4_K_M"
    assert trait(run, "engine_version") == trait(run, "version") == "0.14.2"
    assert trait(run, "profile") == "quick"
    assert trait(run, "cpu") == "AMD Ryzen 9 7950X"
    assert trait(run, "gpus.0.driver") == "580.65"
    assert trait(run, "beauty") is None


def test_a_list_of_plain_values_is_one_trait():
    values = {"categories": ["simple", "multiple"], "none": [], "gpus": [{"name": "x"}, {"name": "y"}]}
    assert flat(values, "settings.") == {
        "settings.categories": "simple, multiple",
        "settings.gpus.0.name": "x",
        "settings.gpus.1.name": "y",
    }


def test_traits_are_written_as_people_write_numbers():
    run = made.quick("m").run()
    model = replace(run.model, parameters=6_352_128, bits_per_weight=17.47555716761375)
    known = traits(replace(run, model=model))
    assert (known["parameters"], known["bits_per_weight"]) == ("6,352,128", "17.48")
