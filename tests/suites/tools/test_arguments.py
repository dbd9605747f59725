"""Comparing arguments: alternatives and tolerance where they are fair, types always, nothing guessed."""

from __future__ import annotations

from typing import Any

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.tools.arguments import alike, coerced, fits, kind_of, told, too_deep

NEW_YORK = {"place": ["New York", "New York City", "NYC"], "area": ["NY", "USA", "United States"]}


@pytest.mark.parametrize(
    "said",
    ["New York City", "New York, NY", "new york", "NYC", "New York, NY, USA", "New York City, United States"],
)
def test_one_place_has_many_names(said: str) -> None:
    assert fits(NEW_YORK, said)


@pytest.mark.parametrize(
    "said",
    ["York", "New Yorker", "New York, Texas", "NY New York", "", 5, None, "New York " + "NY " * 99_999],
)
def test_another_place_does_not(said: Any) -> None:
    assert not fits(NEW_YORK, said)


@pytest.mark.parametrize(
    ("want", "right", "wrong"),
    [
        ({"number": [85.5]}, [85.5, 85.50], ["85.5", 85.4, None, True, [85.5], 10**400]),
        ({"number": [1]}, [1, 1.0], [True, "1"]),
        ({"number": [1.78], "within": 0.0001}, [1.78, 1.78005], [1.79]),
        ({"is": [True]}, [True], [1, "true", False]),
        ({"is": ["celsius"]}, ["celsius"], ["Celsius", "C"]),
        ({"text": ["Meeting Tomorrow"]}, ["meeting  tomorrow.", "Meeting Tomorrow"], ["Meeting", 1, None]),
        ({"words": [["10", "ten"], ["room 4"]]}, ["At ten, in Room 4!"], ["At 10", "room 40 at 10", 10]),
        ({"any": True}, [None, 1, "x", {}], []),
        ({"list": [{"is": ["a"]}, {"is": ["b"]}]}, [["a", "b"], ["b", "a"]], [["a"], ["a", "a"], []]),
        ({"list": [{"is": [1]}, {"is": [2]}], "ordered": True}, [[1, 2]], [[2, 1], "12", {}]),
        (
            {"object": {"a": {"is": [1]}, "b": {"is": [2], "optional": True}}},
            [{"a": 1}, {"a": 1, "b": 2}],
            [{}, {"a": 1, "c": 3}, {"a": 1, "b": 3}, [], "a"],
        ),
    ],
)  # fmt: skip
def test_kinds_of_wants(want: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        assert fits(want, value), value
    for value in wrong:
        assert not fits(want, value), value


def test_a_list_without_order_finds_the_right_partners() -> None:
    want = {"list": [{"is": ["a", "b"]}, {"is": ["a"]}]}
    assert fits(want, ["a", "b"])
    assert not fits(want, ["b", "b"])


def test_facts_are_whole_words_and_numbers() -> None:
    for below in ("It is -3 °C.", "\N{MINUS SIGN}3°C", "minus 3 degrees", "(-3)", "about -3."):
        assert told(below, [["-3"]]) == 1.0
        assert told(below, [["3"]]) == 0.0
    assert told("2-3 days, room B-3, 2026-3-1", [["3"]]) == 1.0
    assert told("2-3 days, room B-3, 2026-3-1", [["-3"]]) == 0.0
    assert told("It is 13 °C.", [["3"]]) == 0.0
    assert told("That makes $1,234.50 in all.", [["1234.50", "1234.5"]]) == 1.0
    assert told("yes", [["yes"], ["no"]]) == 0.5


@pytest.mark.parametrize(
    ("text", "fact", "is_told"),
    [
        ("It costs $62.00.", "62", True),
        ("It costs 62.0 dollars", "62", True),
        ("It costs 62", "62.00", True),
        ("It is -3.0°C", "-3", True),
        ("It is \N{MINUS SIGN}3.0 °C", "-3", True),
        ("1,250 people", "1250", True),
        ("1,250.00", "1250", True),
        ("1,234,567.50", "1234567.5", True),
        ("17.10", "17.1", True),
        ("062.0", "62", False),
        ("It costs $62.50.", "62", False),
        ("It costs $620.", "62", False),
        ("It costs $0.62", "62", False),
        ("10", "1", False),
        ("100", "10", False),
        ("It is 3.0°C", "-3", False),
        ("on 14.05.2026", "14.05.2026", True),
        ("at 10:00", "10:00", True),
        ("at 10:00", "10", False),
        ("She moved to the U.S.A. in May", "USA", True),
        ("He lives in N.Y.", "NY", True),
        ("He lives in NY", "N.Y.", True),
        ("at 8 p.m. on Saturday", "8 pm", True),
        ("It ends. A new one starts.", "da", False),
        ("So said I. A. was silent.", "ia", False),
    ],
)
def test_numbers_and_abbreviations_in_words(text: str, fact: str, is_told: bool) -> None:
    assert (told(text, [[fact]]) == 1.0) is is_told


@pytest.mark.parametrize(
    "said", ["New York, N.Y.", "New York, N.Y., U.S.A.", "New York City, U.S.A", "N.Y.C.", "new york, n.y."]
)
def test_dots_of_abbreviations_do_not_count_in_places(said: str) -> None:
    assert fits(NEW_YORK, said)
    assert not fits(NEW_YORK, "New York, T.X.")
    assert fits({"text": ["USA"]}, "U.S.A.")
    assert not fits({"is": ["USA"]}, "U.S.A.")


def test_a_want_of_no_kind_is_an_error() -> None:
    for broken in ({}, {"is": [1], "text": ["a"]}, {"number": [1], "about": 2}):
        with pytest.raises(UsageError):
            kind_of(broken, "here")


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("20", "integer", 20),
        ("20.5", "number", 20.5),
        (" -3 ", "integer", -3),
        ("1e3", "number", 1000.0),
        (20.0, "integer", 20),
        (20.5, "integer", 20.5),
        ("True", "boolean", True),
        ("false", "boolean", False),
        ("[1, 2]", "array", [1, 2]),
        ('{"a": 1}', "object", {"a": 1}),
        ("twenty", "number", "twenty"),
        ("0x10", "integer", "0x10"),
        ("2*3", "number", "2*3"),
        ("nan", "number", "nan"),
        ("1e999", "number", "1e999"),
        ("9" * 5000, "integer", "9" * 5000),
        ("yes", "boolean", "yes"),
        ("{broken", "object", "{broken"),
        ("20", "string", "20"),
        (20, "string", 20),
    ],
)
def test_towards_a_schemas_types(value: Any, kind: str, expected: Any) -> None:
    assert alike(coerced(value, {"type": kind}), expected)


@pytest.mark.parametrize(
    ("value", "kinds", "expected"),
    [
        ("30", ["number", "string"], "30"),
        ("thirty", ["number", "string"], "thirty"),
        ("30", ["string", "number"], "30"),
        (30, ["string", "null"], 30),
        ("30", ["integer", "null"], 30),
        ("null", ["integer", "null"], "null"),
        ("true", ["null", "boolean", "integer"], True),
        (20.0, ["integer", "null"], 20),
        (20.0, ["integer", "number"], 20.0),
        ("[1]", ["array", "null"], [1]),
        ("1", [], "1"),
        ("1", [{"no": "type"}, "integer"], 1),
    ],
)
def test_towards_one_of_several_types(value: Any, kinds: list[Any], expected: Any) -> None:
    assert alike(coerced(value, {"type": kinds}), expected)


@pytest.mark.parametrize("kinds", [["number", "string"], ["string", "number"]])
def test_a_text_that_may_be_one_has_another_form_too(kinds: list[Any]) -> None:
    schema = {"type": "array", "items": {"type": kinds}}
    assert alike(coerced(["30", "thirty"], schema), ["30", "thirty"])
    assert alike(coerced(["30", "thirty"], schema, texts_too=True), [30, "thirty"])


def test_inner_values_too() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "array", "items": {"type": "integer"}}, "on": {"type": "boolean"}},
    }
    assert coerced({"n": ["1", 2.0], "on": "true", "x": "1"}, schema) == {"n": [1, 2], "on": True, "x": "1"}


def test_nesting_has_an_end() -> None:
    deep: Any = 1
    for _ in range(39):
        deep = [deep]
    assert not too_deep(deep)
    assert too_deep([[deep]])
    assert not too_deep(list(range(100_000)))


@pytest.mark.parametrize(
    ("wanted", "within", "value", "right"),
    [
        (20, 0.1, 20.1, True),
        (1.0, 0.01, 1.01, True),
        (0, 0.1, -0.1, True),
        (20, 0.1, 20.1000001, False),
        (20, 0.1, float("inf"), False),
    ],
)
def test_the_edge_of_within_is_in_it(wanted: float, within: float, value: float, right: bool) -> None:
    assert fits({"number": [wanted], "within": within}, value) is right
