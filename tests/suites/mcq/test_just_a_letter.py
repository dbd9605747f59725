"""A reply that is a letter and no more is read at once, and always as the whole ladder reads it."""

from __future__ import annotations

import warnings

import pytest

from tests.suites.mcq.test_extract import CITIES, replies
from tiltyard.suites.mcq.extract import extract, just_a_letter, weighed
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.questions import question_set

FORMS = ("{}", "{}.", "({})", "({}).", "**{}**", "**({}).**", " {}\n", "Answer: {}", "Answer: {}.")
FORMS += ("Answer: ({})", "**Answer: {}**", "\nAnswer: {}\n")
ODD = (
    ("C", "N", "O", "H"),
    ("A and B", "B and C", "All of them", "None"),
    ("a", "b", "c", "d"),
    ("$A$", "\\frac{A}{B}", "x", "y"),
    ("Vitamin A", "Vitamin B", "Vitamin C", "Vitamin D"),
    ("Answer: B", "B", "(B)", "**B**"),
    ("A1", "B1", "1A", "1B"),
    ("I", "II", "III", "IV"),
    ("А", "В", "С", "Е"),  # Cyrillic
    ("", "", "x", "y"),
)


@pytest.mark.slow
def test_it_finds_what_the_ladder_finds() -> None:
    sample = question_set(())
    shipped = [sample.row(n).options for n in range(len(sample))]
    sets = {*ODD, *(tuple(options) for _, options, _, _ in replies()), *map(tuple, shipped)}
    asked = [(form.format(a), each) for each in sets for a in LETTERS[: len(each) + 1] for form in FORMS]
    found = [(just_a_letter(reply, options), reply, options) for reply, options in asked]
    assert sum(at_once is not None for at_once, *_ in found) > len(found) / 2
    other = [(r, o) for at_once, r, o in found if at_once is not None and at_once != weighed(r, o)]
    assert not other


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        ("E", CITIES),
        ("b", CITIES),
        ("Answer: B or C", CITIES),
        ("B C", CITIES),
        ("**B", CITIES),
        ("(B", CITIES),
        ("Not B", CITIES),
        ("B?", CITIES),
        ("B", ["vitamin B", "vitamin C"]),
    ],
)
def test_anything_more_is_weighed(reply: str, options: list[str]) -> None:
    assert just_a_letter(reply, options) is None
    assert extract(reply, options) == weighed(reply, options)


@pytest.mark.parametrize("options", [CITIES, [f"place {n}" for n in range(26)]])
def test_the_last_letter_has_no_next_one(options: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = weighed("Answer: Z\n[not sure]", options)
    assert found.option == (25 if len(options) == 26 else None)
