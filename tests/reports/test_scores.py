"""What two graded runs scored, in words: better, worse, no difference, cannot tell, and over which items."""

import pytest
from msgspec.structs import replace

from tests.reports.graded import graded
from tiltyard.errors import UsageError
from tiltyard.reports.comparison import compare_many, compare_runs
from tiltyard.reports.scores import in_points
from tiltyard.reports.ways import Side
from tiltyard.stats.paired import Difference


def side(maker, **words):
    run = maker.run(**words)
    return Side(run=run, attempts=maker.attempts)


def difference(low, high, **more):
    values = {"p_value": 0.001, "method": "mcnemar", "pairs": 500, "n_a": 500, "n_b": 500, **more}
    return Difference(difference=(low + high) / 2, low=low, high=high, **values)


@pytest.mark.parametrize(
    ("verdict", "bounds", "words"),
    [
        ("higher", (0.03, 0.09), "B is 3 to 9 points better"),
        ("lower", (-0.09, -0.03), "B is 3 to 9 points worse"),
        ("higher", (0.004, 0.031), "B is 0.4 to 3.1 points better"),
        ("higher", (0.231, 0.234), "B is 23 points better"),
        ("same", (-0.01, 0.01), "no difference above 2 points"),
    ],
)
def test_verdicts_in_points(verdict, bounds, words):
    assert in_points(difference(*bounds), verdict, None, 0.02) == words


def test_what_cannot_be_told_says_how_much_more():
    close = difference(-0.03, 0.05)
    assert in_points(close, "unclear", 1, 0.02) == "cannot tell, about 1 more item"
    assert in_points(close, "unclear", 1234, 0.02) == "cannot tell, about 1,300 more items"
    assert in_points(close, "unclear", 121, 0.02) == "cannot tell, about 130 more items"
    assert in_points(close, "unclear", 120, 0.02) == "cannot tell, about 120 more items"
    assert in_points(close, "unclear", 120, 0.02, True) == "cannot tell, at least 120 more items"
    assert "too close" in in_points(close, "unclear", 50_000, 0.02)
    assert "too few of the same things" in in_points(difference(-0.03, 0.05, pairs=0), "unclear", None, 0.02)
    assert "no verdict" in in_points(replace(close, low=None, high=None), "none", None, 0.02)


def test_several_models_need_more_than_the_first_two_alone():
    """The p value of each is corrected for the others', so what one pair needs is a lower bound."""
    a = graded("a", 0.8)
    near, other = replace_answers(a, better=10, worse=3), replace_answers(a, better=9, worse=4)
    (alone,) = compare_runs(side(a), near, ["score"]).scores
    assert alone.words.startswith("cannot tell, about ")
    among = compare_many([side(a), near, other], ["score"])[0].scores[0]
    assert among.more == alone.more
    assert among.words == alone.words.replace("about", "at least")


def test_a_better_model_is_better_by_so_many_points():
    found = compare_runs(side(graded("a", 0.5)), side(graded("b", 0.8)))
    (row,) = found.scores
    assert row.verdict == "higher"
    assert row.found is not None
    assert (row.found.pairs, row.found.method) == (200, "mcnemar")
    assert row.found.low < 0.3 < row.found.high
    assert "points better" in row.words
    assert {r.metric for r in found.rows} >= {"decode_tps", "ttft_ms"}
    assert not [warning for warning in found.warnings if "items" in warning]


def test_pairing_sees_what_two_shares_do_not():
    """Six points are clear where sixteen items differ; over other questions they could not be."""
    a = graded("a", 0.8, n=200)
    b = replace_answers(a, better=14, worse=2)
    (paired,) = compare_runs(side(a), b).scores
    assert paired.verdict == "higher"
    strangers = graded("c", 0.86, n=200, first=5000)
    found = compare_runs(side(graded("a", 0.8, n=200)), side(strangers))
    assert (found.scores[0].found.pairs, found.scores[0].verdict) == (0, "unclear")
    assert "share too few items" in found.warnings[0]


def test_scores_over_another_set_have_no_verdict_however_far_apart():
    a = side(graded("a", 0.3, n=200))
    drawn = compare_runs(a, side(graded("b", 0.9, n=200, first=5000)))
    assert drawn.scores[0].verdict == "higher"
    other = compare_runs(a, side(graded("b", 0.9, n=200, first=5000), items="set2"))
    (row,) = other.scores
    assert (row.verdict, row.words) == ("none", "each was asked other items: no verdict")
    assert row.found.difference > 0.3
    assert row.found.low is row.found.p_value is None


def replace_answers(maker, better, worse):
    """The same answers but for so many that became right, and so many that became wrong."""
    changed = []
    for attempt in maker.attempts:
        score = attempt.grade.score
        if score == 0 and better:
            better, score = better - 1, 1.0
        elif score == 1 and worse:
            worse, score = worse - 1, 0.0
        grade = replace(attempt.grade, score=score, outcome="correct" if score else "wrong")
        changed.append(replace(attempt, grade=grade))
    run = maker.run()
    return Side(run=replace(run, id="other"), attempts=changed)


def test_what_matches_is_said():
    found = compare_runs(side(graded("a", n=200)), side(graded("b", n=150, errors=10)))
    assert found.scores[0].found.pairs == 140
    assert "140 items match; 60 of A's and 0 of B's are left out" in found.warnings[0]


@pytest.mark.slow
def test_partial_scores_and_early_ends_have_their_own_tests():
    partial = compare_runs(side(graded("a", 0.5, partial=True)), side(graded("b", 0.8, partial=True)))
    assert partial.scores[0].found.method == "paired"
    early = compare_runs(side(graded("a", 0.5)), side(graded("b", 0.8), stop_when="width=0.1"))
    assert early.scores[0].found.method == "always_valid"
    assert any("always valid" in warning for warning in early.warnings)


def in_modes(maker, modes=("prompt", "json_object", "json_schema")):
    """Every item in each mode, with the same answer."""
    run = maker.run(suite="json")
    attempts = [
        replace(a, item_id=f"{a.item_id} {mode}", item_hash=f"{a.item_hash}/{mode}")
        for a in maker.attempts
        for mode in modes
    ]
    return Side(run=run, attempts=attempts)


def test_an_item_asked_in_three_modes_counts_once():
    a, b = graded("a", 0.7, n=97), graded("b", 0.8, n=97)
    once = compare_runs(side(a), side(b), ["score"]).scores[0]
    thrice = compare_runs(in_modes(a), in_modes(b), ["score"]).scores[0]
    assert thrice.found == once.found
    assert thrice.found.pairs == 97


def test_the_speed_of_an_item_asked_in_three_modes_counts_once():
    a, b = graded("a", n=40, decode=40.0), graded("b", n=40, decode=41.0, seed=2)
    once = compare_runs(side(a), side(b), ["decode_tps"]).rows[0].ratio
    thrice = compare_runs(in_modes(a), in_modes(b), ["decode_tps"]).rows[0].ratio
    assert (once.pairs, thrice.pairs) == (40, 40)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    part = compare_runs(in_modes(a), in_modes(b, ["prompt"]), ["decode_tps"]).rows[0].ratio
    assert (part.pairs, part.low) == (40, pytest.approx(once.low))
    strange = (
        compare_runs(in_modes(a, ["json_object"]), in_modes(b, ["prompt"]), ["decode_tps"]).rows[0].ratio
    )
    assert (strange.paired, strange.n_a, strange.n_b) == (False, 40, 40)


def test_modes_that_one_side_was_not_asked_in_are_said():
    a, b = graded("a", 0.7, n=97), graded("b", 0.8, n=90)
    found = compare_runs(in_modes(a), in_modes(b, ["prompt"]), ["score"])
    assert found.scores[0].found.pairs == 90
    assert "90 items match; 7 of A's and 0 of B's are left out" in found.warnings[0]
    assert "of the matching items, 180 of A's scores and 0 of B's are left out" in found.warnings[1]
    alike = compare_runs(in_modes(a), in_modes(b), ["score"])
    assert not [warning for warning in alike.warnings if "in that mode" in warning]
    strange = compare_runs(in_modes(a, ["json_object"]), in_modes(b, ["prompt"]), ["score"])
    assert strange.scores[0].found.pairs == 0
    assert not [warning for warning in strange.warnings if "in that mode" in warning]


@pytest.mark.slow
def test_more_runs_are_more_chances_to_be_fooled():
    a, b = graded("a", 0.8), graded("b", 0.8)
    near = replace_answers(a, better=13, worse=4)
    alone = compare_runs(side(a), near).scores[0]
    many = compare_many([side(a), near, *(side(graded(f"m{n}", 0.8, seed=n)) for n in range(12)), side(b)])
    assert len(many) == 14
    assert many[0].scores[0].p_adjusted > alone.p_adjusted


def test_score_can_be_asked_for_alone_and_stages_apart():
    a, b = graded("a", 0.5), graded("b", 0.8)
    found = compare_runs(side(a), side(b), ["score"])
    assert found.rows == ()
    assert len(found.scores) == 1
    speed = compare_runs(side(a), side(b), ["decode_tps"])
    assert speed.scores == ()
    with pytest.raises(UsageError, match="different things"):
        compare_runs(side(a), side(b, suite="tools"))
