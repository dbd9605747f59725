"""The order in which options are shown: drawn by content, fixed where options speak of each other."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tiltyard.suites.mcq.choices import arrangement, movable, rotations_of
from tiltyard.suites.mcq.questions import Choosing, items_of
from tiltyard.suites.mcq.reading import QuestionSet

FOUR = ("red", "green", "blue", "black")


def test_the_order_depends_on_the_content_alone() -> None:
    assert arrangement(FOUR, "seed") == arrangement(FOUR, "seed")
    assert len({arrangement(FOUR, f"{n}") for n in range(200)}) == 24
    assert arrangement(FOUR, "seed", shuffle=False) == (0, 1, 2, 3)


def test_every_option_comes_to_every_place_equally_often() -> None:
    places = Counter(arrangement(FOUR, f"{n}").index(0) for n in range(4000))
    assert all(850 < places[place] < 1150 for place in range(4))


def test_rotations_put_each_movable_option_once_into_each_place() -> None:
    options = (*FOUR, "All of the above")
    assert rotations_of(options) == 4
    orders = [arrangement(options, "s", turn) for turn in range(4)]
    for place in range(4):
        assert sorted(order[place] for order in orders) == [0, 1, 2, 3]
    assert {order[4] for order in orders} == {4}


@pytest.mark.parametrize(
    "option",
    [
        "All of the above",
        "None of the above.",
        "none of these",
        "Both of the above",
        "All the above",
        "None of the other options",
        "Any two of the above",
        "Everything listed above",
        "Any combination of the above",
        "Answers 1 and 2 above",
        "All of these are correct",
        "Todas las anteriores",
        "Ninguna de las anteriores",
        "Alle oben genannten",
        "Toutes les réponses ci-dessus",
        "以上都是",
        "以上皆非。",
        "Все вышеперечисленное",
        "nessuna delle precedenti",
        "위의 모두",
        "Todas las respuestas son correctas",
        "Todas son correctas",
        "Keine der Antworten ist richtig",
        "Nenhuma das alternativas",
        "Все ответы верны",
        "Tutte le risposte",
        "全て正しい",
    ],
)
def test_what_speaks_of_the_others_stays_in_place(option: str) -> None:
    assert movable(("x", "y", option)) == (0, 1)


@pytest.mark.parametrize(
    "option", ["Todas las mujeres", "Todas las respuestas inmunes", "Все люди", "全て白い"]
)
def test_all_of_something_else_moves(option: str) -> None:
    assert movable(("x", "y", option)) == (0, 1, 2)


@pytest.mark.parametrize("option", ["Las opciones A y B", "a) und b)", "Sowohl a) als auch b)", "(a) et (b)"])
def test_letters_named_in_other_languages_keep_the_order(option: str) -> None:
    assert movable(("x", "y", option)) == ()


@pytest.mark.parametrize(
    "option",
    [
        "A and C",
        "Both A and B",
        "A or B only",
        "B, C",
        "Only A",
        "Neither A nor B",
        "(A) and (B)",
        "A only",
        "A, B and C only",
        "options A and B",
        "Both A and B are correct.",
        "A & C",
        "A+B",
        "a and c",
        "A but not B",
        "A through C",
        "A–C",
        "Options A thru C",
        "Choices (a) through (c)",
        "A plus B",
        "Both a & b",
        "All of A, B, and C",
        "Both A and B are signs of it",
        "None of A, B or C",
        "A is true",
        "A is true, B is false",
        "All except D",
        "All but C",
        "Same as A",
        "Either A or B",
        "A y B",
        "A und C",
        "A和C",
        "Только А",
        "Tanto A como B",
        "None, if A is true",
    ],
)
def test_options_that_name_letters_keep_the_question_as_it_is(option: str) -> None:
    assert movable(("x", "y", "z", option)) == ()
    assert arrangement(("x", "y", "z", option), "s") == (0, 1, 2, 3)
    assert rotations_of(("x", "y", "z", option)) == 1


@pytest.mark.parametrize(
    "option",
    [
        "A dog",
        "Only a dog",
        "Vitamin C",
        "Both parents",
        "a choice a man makes",
        "All men are mortal",
        "Plan B",
        "vitamins A, D and K",
        "Vitamins A, B, C",
        "Hepatitis A and B",
        "blood types A and B",
        "blood group A only",
        "A",
        "X and Y",  # no letters of this question
        "Both A and R are true",
        "a/b",
        "a + b",
        "Grade A or B",
        "None",
        "NA",
        "none",
        "B cells",
        "C major",
        "5 C",
        "C. elegans",
        "A vitamin C deficiency",
        "f(A)",
        "John A. Smith",
        "Celsius (C)",
        "В Москве",
        "1.5",
    ],
)
def test_ordinary_options_move(option: str) -> None:
    assert movable(("x", "y", "z", option)) == (0, 1, 2, 3)


def test_options_with_labels_out_of_order_stay_where_they_are() -> None:
    assert movable(("B) red", "A) green", "C) blue")) == ()
    assert movable(("1.5", "2.5", "3.5")) == (0, 1, 2)


def right_places(options: tuple[str, ...], rows: int = 400) -> Counter[int]:
    """Where the right option, the first of the file, comes to stand in so many rows."""
    return Counter(arrangement(options, f"{n}", shuffle=False, drawn=True).index(0) for n in range(rows))


@pytest.mark.parametrize(
    "options",
    [
        FOUR,
        ("None", "one", "two", "three"),
        ("vitamins A, D and K", "vitamins B and C", "A and B", "only A"),
        ("A and C", "B", "A", "both A and B"),
    ],
)
def test_without_an_order_of_the_file_the_right_option_comes_to_every_place(options: tuple[str, ...]) -> None:
    places = right_places(options)
    assert all(70 <= places[place] <= 130 for place in range(4)), places


def test_without_an_order_of_the_file_all_of_the_above_comes_last() -> None:
    assert right_places(("All of the above", "x", "y", "z")) == {3: 400}
    places = right_places(("x", "y", "None of the above", "z"))
    assert all(100 <= places[place] <= 167 for place in range(3)), places
    places = right_places(("All of the above", "x", "None of the above", "z"))
    assert places[2] + places[3] == 400
    assert 160 <= places[2] <= 240


def test_rotations_of_a_drawn_order_put_each_movable_option_once_into_each_of_their_places() -> None:
    options = ("None of the above", "red", "A and B", "blue", "black")
    assert rotations_of(options, drawn=True) == 4
    orders = [arrangement(options, "s", turn, drawn=True) for turn in range(4)]
    assert {order[4] for order in orders} == {0}
    for place in range(4):
        assert sorted(order[place] for order in orders) == [1, 2, 3, 4]


@pytest.mark.slow
def test_a_file_in_gpqas_layout_has_its_right_options_everywhere(tmp_path: Path) -> None:
    kinds = [
        ("None", "One", "Two", "NA"),
        ("vitamins A, D and K", "vitamin C", "A and B", "iron"),
        ("x", "y", "z", "v"),
    ]
    path = tmp_path / "gpqa.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Question", "Correct Answer", *(f"Incorrect Answer {n}" for n in (1, 2, 3))])
        writer.writerows([f"Question {n}?", *kinds[n % 3]] for n in range(600))
    questions = QuestionSet([path])
    for settings in (Choosing(), Choosing(shuffle=False)):
        items = list(items_of(questions, range(600), settings))
        places = Counter(item.spec["right"] for item in items)
        assert all(110 <= places[place] <= 190 for place in range(4)), places
    turned = Choosing(rotations=True)
    places = Counter(item.spec["right"] for item in items_of(questions, range(600), turned))
    assert set(places.values()) == {600}
