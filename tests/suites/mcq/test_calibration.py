"""From tokens to confidence, and from confidence to figures whose truth is known."""

from __future__ import annotations

import math
import random

import pytest

from tiltyard.records import TokenChoice
from tiltyard.suites.mcq.calibration import bins_by_value, calibration_of, confidence_at, ece, ece_by_luck


def token(text: str, **others: float) -> TokenChoice:
    pairs = tuple((name.replace("_", " "), math.log(p)) for name, p in others.items())
    return TokenChoice(text=text, logprob=dict(pairs).get(text, -0.1), others=pairs)


def test_confidence_is_over_the_letters_of_the_item() -> None:
    tokens = (token("Answer"), token(":"), token(" B", _B=0.5, _A=0.2, B=0.05, _the=0.2, _E=0.05))
    seen = confidence_at(tokens, "Answer: B", 8, 1, 4)
    assert seen is not None
    assert seen.options == pytest.approx((0.2 / 0.75, 0.55 / 0.75, 0.0, 0.0))
    assert seen.mass == pytest.approx(0.75)


def test_thought_before_the_text_does_not_shift_it() -> None:
    tokens = (token("B"), token("</think>"), token("\n\n"), token("Answer:"), token(" B", _B=0.9, _A=0.1))
    seen = confidence_at(tokens, "Answer: B", 8, 1, 2)
    assert seen is not None
    assert seen.options[1] == pytest.approx(0.9)


@pytest.mark.parametrize(("text", "at"), [("Answer: B", -1), ("something else", 3)])
def test_what_cannot_be_found_has_no_confidence(text: str, at: int) -> None:
    assert confidence_at((token("Answer:"), token(" B", _B=0.9)), text, at, 1, 4) is None


def test_a_token_without_letters_has_no_confidence() -> None:
    assert confidence_at((token("Paris", the=0.5),), "Paris", 0, 1, 4) is None


def test_a_token_that_holds_more_than_the_letter_has_no_confidence() -> None:
    others = (("Answer: C", 0.0), ("e", -33.6), ("C", -40.0))
    whole = TokenChoice(text="Answer: C", logprob=0.0, others=others)
    assert confidence_at((whole,), "Answer: C", 8, 2, 5) is None
    another = token(" B", _B=0.6, _A=0.4)
    assert confidence_at((token("Answer:"), another), "Answer: B", 8, 0, 4) is None


def test_letters_that_were_hardly_likely_have_no_confidence() -> None:
    """A letter that was drawn where the model was about to say something else says nothing of its belief."""
    words = {"_the": 0.6, "_B": 0.3, "_A": 0.1}
    assert confidence_at((token("Answer:"), token(" B", **words)), "Answer: B", 8, 1, 4) is None
    words = {"_the": 0.4, "_B": 0.3, "_A": 0.3}
    assert confidence_at((token("Answer:"), token(" B", **words)), "Answer: B", 8, 1, 4) is not None


def test_ece_by_hand() -> None:
    confidences, right, bins = [0.6, 0.9, 0.8, 0.7], [True, False, True, True], [0, 2, 0, 2]
    assert ece(confidences, right, bins) == pytest.approx((abs(2 - 1.4) + abs(1 - 1.6)) / 4)


def test_a_calibrated_model_is_found_calibrated_and_a_boastful_one_is_not() -> None:
    chance = random.Random(3)
    confidences = [chance.uniform(0.3, 1.0) for _ in range(20_000)]
    fair = [chance.random() < p for p in confidences]
    boasting = [chance.random() < p - 0.2 for p in confidences]
    items = range(len(fair))
    good, bad = calibration_of(confidences, fair, items), calibration_of(confidences, boasting, items)
    assert good["ece_equal_width"] < 0.02
    assert good["ece_equal_mass"] < 0.02
    assert bad["ece_equal_width"] == pytest.approx(0.2, abs=0.02)
    for kind in ("width", "mass"):
        assert good[f"ece_equal_{kind}"] <= good[f"ece_equal_{kind}_by_chance_95"] < 0.02
        assert bad[f"ece_equal_{kind}"] > 5 * bad[f"ece_equal_{kind}_by_chance_95"]
    assert "luck alone" in good["why"]
    assert good["brier"] == pytest.approx(sum(p * (1 - p) for p in confidences) / len(fair), abs=0.01)
    assert good["brier_ci95"][0] < good["brier"] < good["brier_ci95"][1]


@pytest.mark.slow
@pytest.mark.parametrize("tries", [1, 3])
def test_luck_stays_below_its_mark_in_95_of_100(tries: int) -> None:
    chance, below, runs = random.Random(5), 0, 200
    for _ in range(runs):
        confidences = [chance.uniform(0.25, 1.0) for _ in range(300 // tries) for _ in range(tries)]
        items = [number for number in range(300 // tries) for _ in range(tries)]
        draws = [chance.random() for _ in range(300 // tries)]
        right = [draws[item] < p for item, p in zip(items, confidences, strict=True)]
        bins = bins_by_value(confidences)
        below += ece(confidences, right, bins) <= ece_by_luck(confidences, bins, items)
    assert 0.9 * runs <= below <= 0.99 * runs


def test_too_few_answers_say_so() -> None:
    none = calibration_of((), (), ())
    few = calibration_of([0.9] * 50, [True] * 50, range(50))
    assert (none["brier"], none["ece_equal_width"]) == (None, None)
    assert "log-probabilities" in none["why"]
    assert few["brier"] == pytest.approx(0.01)
    assert few["ece_equal_mass"] is None
    assert "100" in few["why"]
