"""Answers that would fool, crash or hold up a careless judge; each is graded like any other."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from tiltyard.records import Exchange, Grade, Item, Request, Timeline
from tiltyard.suites.structured import Shaping, Structured, items_of
from tiltyard.suites.structured.cases import Case, RawCase
from tiltyard.suites.structured.extract import kinds_of, read_value
from tiltyard.suites.structured.values import compare

ADA = '{"name": "Ada", "age": 36}'
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "v": {"type": "integer"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["v", "kids"],
        }
    },
    "$ref": "#/$defs/node",
}


def item(schema: Any = PERSON, mode: str = "prompt", **more: Any) -> Item:
    more = {"expected": {"name": "Ada", "age": 36}} if not more and schema is PERSON else more
    case = Case(RawCase(id="c", schema=schema, prompt="?", **more))
    return next(items_of([case], [0], Shaping(modes=(mode,))))


def graded(text: str, asked: Item | None = None, **more: Any) -> Grade:
    fields: dict[str, Any] = {"ending": "ok", "status": 200, "finish_reason": "stop", **more}
    exchange = Exchange(
        request=Request(model="m", messages=()),
        timeline=Timeline(scheduled_ns=0, started_ns=0),
        text=text,
        **fields,
    )
    return Structured().grade(asked or item(), exchange)


# ------------------------------------------------------------------ what is not the answer


@pytest.mark.parametrize(
    "text",
    [
        '{"v": 1, "kids": [{"v": 2, "kids": []}, {"v": 3, "kids": []}',  # its parts are valid trees
        '{"v": 1, "kids": [{"v": 2, "kids": []},], }',  # broken; its part is a valid tree
        '{"v": 1 "kids": [{"v": 2, "kids": []}]}',
        "{'v': 1, 'kids': [{\"v\": 2, \"kids\": []}]}",
        '{v: 1, kids: [{"v": 2, "kids": []}]}',
        '{"v": NaN, "kids": [{"v": 2, "kids": []}]}',
        '{"v": 1, "v": 2, "kids": [{"v": 2, "kids": []}]}',
        'Like this:\n```json\n{"v": 9, "kids": []}\n```\nSo:\n```json\n{"v": 1, "kids": [}\n```',
        'Like {"v": 9, "kids": []}. So:\n```json\n{"v": 1, "kids": [\n```',
    ],
)
def test_a_piece_or_an_example_is_not_the_answer(text: str) -> None:
    found = read_value(text, kinds_of(TREE))
    assert (found.rung, found.value) == (None, None)
    grade = graded(text, item(TREE, expected={"v": 2, "kids": []}))
    assert (grade.outcome, grade.score) == ("unparsed", 0.0)
    assert grade.details["extracted"] is False


def test_the_last_of_several_counts() -> None:
    assert graded(f'First {{"name": "Bob", "age": 1}}, no: {ADA}').outcome == "correct"
    assert graded(f'{ADA} or rather {{"name": "Bob", "age": 1}}').outcome == "wrong"
    assert graded(f"{ADA} (see [1] and [note])").outcome == "correct"  # an object is wanted


def test_a_fence_inside_of_a_text_does_not_end_it() -> None:
    value = {"name": "Ada", "code": "```\nx = {}\n```"}
    text = f"Here:\n```json\n{msgspec.json.encode(value).decode()}\n```\nDone."
    assert read_value(text, frozenset(["object"])).value == value


@pytest.mark.parametrize(
    ("text", "outcome", "rule"),
    [
        (f"{ADA}\nThis is a person who", "correct", "among"),  # whole before the limit
        (f"```json\n{ADA}\n```\nThis is", "correct", "fence"),
        (f'{ADA}\nOr better: {{"name": "Ad', "truncated", "cut"),  # the limit came within a further one
        (f'```json\n{ADA}\n```\nOr:\n```json\n{{"na', "truncated", "cut"),
        ('{"name": "Ada", "age": 3', "truncated", "cut"),
        ("Let me think about", "truncated", "cut"),
        ("I'm sorry, but I cannot", "truncated", "cut"),
    ],
)
def test_what_the_limit_cut(text: str, outcome: str, rule: str) -> None:
    grade = graded(text, finish_reason="length")
    assert (grade.outcome, grade.rule) == (outcome, rule)


@pytest.mark.parametrize("mode", ["json_object", "json_schema"])
def test_a_mode_that_promises_json_alone_is_held_to_it(mode: str) -> None:
    for text in (f"```json\n{ADA}\n```", f"Here: {ADA}"):
        grade = graded(text, item(mode=mode))
        assert (grade.outcome, grade.score, grade.rule) == ("wrong", 0.0, "not_alone")
        assert grade.details["schema_valid"] is True  # the ladder says how near it was
        assert grade.details["strict"] is False
    assert graded(f"\n{ADA}\n", item(mode=mode)).outcome == "correct"


def test_space_is_what_json_says_it_is() -> None:
    assert read_value(f" \t\r\n{ADA}\n", frozenset()).rung == "whole"
    for odd in ("\u00a0", "\u2028", "\x0c"):
        assert read_value(ADA + odd, frozenset()).rung == "among"


# ------------------------------------------------------------------ what is no value at all


def test_a_schema_without_a_known_answer_has_no_fields() -> None:
    for text, outcome in ((ADA, "correct"), ('{"name": 5}', "wrong"), ("no", "unparsed")):
        grade = graded(text, item(PERSON, level=2))
        assert grade.outcome == outcome
        assert not {"exact", "field_accuracy", "fields", "fields_right"} & grade.details.keys()


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "\\ud800", "age": 36}',  # half a character
        '{"\\udfff": 1, "name": "Ada", "age": 36}',
        f'{{"name": "Ada", "age": {"9" * 400}}}',
        '{"name": "Ada", "age": 1e999}',
        f'{{"name": "Ada", "age": {"9" * 10_000}}}',  # more digits than anybody converts
        '{"name": "\\u0000", "age": 36}',
        f'{{"name": {"[" * 300}{"]" * 300}, "age": 36}}',
        f'{{"name": {"[" * 5000}{"]" * 5000}, "age": 36}}',
    ],
)
def test_odd_values_are_judged_and_can_be_kept(text: str) -> None:
    for schema in (PERSON, {"type": "object"}):
        grade = graded(text, item(schema, expected={"name": "Ada", "age": 36}))
        assert grade.outcome in ("wrong", "partial", "unparsed")
        msgspec.json.encode(grade)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "```" + " " * 2_000_000,
        '{"a": "' + '\\"' * 1_000_000,
        '[{"a": 1, "a": 2},' * 100_000,
        "{ " * 2_000_000 + ADA,
        "[[" * 40_000 + "]" * 80_000,
        '["a" ' * 9_000,  # a repair would take a minute
        '{"a": ' + "[1, " * 900 + "]" * 900 + "}",
        '{"name": "Ada", "age": 36, "x": [' + "1," * 3_000_000 + "1]}",
        "{" + ",".join(f'"k{n}": {n}' for n in range(300_000)) + "}",
        '{"name": ' + '{"a": ' * 500 + "1" + "}" * 500 + "}",
    ],
    ids=range(10),
)
def test_every_answer_is_judged_in_bounded_time(text: str) -> None:
    started = time.process_time()
    msgspec.json.encode(graded(text))
    assert time.process_time() - started < 30  # without bounds: minutes to years


def test_saying_what_is_wrong_is_bounded() -> None:
    started = time.process_time()
    numbers = graded(
        "[" + "1," * 500_000 + "1]", item({"type": "array", "items": {"type": "string"}}, level=1)
    )
    assert numbers.reasons == ("does not fit the schema; too long or too deep to say where",)
    ends = [
        {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}, "required": ["c", name]}
        for name in "xyz"
    ]
    schema = {"$defs": {"n": {"anyOf": [*ends, {"type": "null"}]}}, "$ref": "#/$defs/n"}
    deep = graded('{"c": ' * 100 + "null" + "}" * 100, item(schema, level=1))  # 3^100 ways to be wrong
    assert (deep.outcome, deep.details["schema_valid"]) == ("wrong", False)
    assert time.process_time() - started < 30


@pytest.mark.slow
def test_comparing_is_bounded() -> None:
    started = time.process_time()
    found = compare({"a": [{"k": n} for n in range(5)]}, {"a": [{"k": [0] * 100_000}] * 50}, {"/a": "set"})
    assert found.accuracy < 0.01
    assert compare({"a": 5}, {"a": [1] * 2_000_000}, {"/a/*": "within:1"}).accuracy < 0.001
    assert time.process_time() - started < 30


def test_a_slash_in_a_key_is_no_path() -> None:
    assert not compare({"a/b": 1}, {"a": {"b": 1}}, {}).exact
    assert compare({"a/b": 1}, {"a/b": 1}, {}).exact
    assert compare({"": {"": 1}}, {"": {"": 1}}, {}).exact


def test_lists_without_order_take_the_freedoms_inside_of_them() -> None:
    expected = [{"name": "Emma", "n": 1}, {"name": "Dracula", "n": 2}]
    said = [{"name": "dracula", "n": 2}, {"name": "EMMA", "n": 1}]
    assert compare({"l": expected}, {"l": said}, {"/l": "set", "/l/*/name": "text"}).exact
    assert not compare({"l": expected}, {"l": said}, {"/l": "set"}).exact


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"type": "object"}, {"object"}),
        ({"type": ["array", "null"]}, {"array", "null"}),
        (TREE, {"object"}),
        ({"anyOf": [{"type": "object"}, {"type": "array"}]}, {"object", "array"}),
        ({"oneOf": [{"type": "object"}, True]}, set()),
        ({"allOf": [{"minProperties": 1}, {"type": "object"}]}, {"object"}),
        ({"$ref": "#"}, set()),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, set()),
        ({}, set()),
        (True, set()),
    ],
)
def test_the_types_at_the_root(schema: Any, kinds: set[str]) -> None:
    assert kinds_of(schema) == kinds
