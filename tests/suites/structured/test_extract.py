"""From replies as models write them to the value in them, or to none."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tiltyard.suites.structured.cases import case_set
from tiltyard.suites.structured.extract import is_schema, read_value

OBJECT, ARRAY = frozenset(["object"]), frozenset(["array"])
P = '{"name": "Ada", "age": 36}'
VALUE = {"name": "Ada", "age": 36}


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        (P, "whole"),
        (f"\n  {P}\n", "whole"),
        (f"\ufeff{P}", "whole"),
        (f"```json\n{P}\n```", "fence"),
        (f"```JSON\n{P}\n```", "fence"),
        (f"```\n{P}\n```", "fence"),
        (f"Here you are:\n```json\n{P}\n```\nHope that helps.", "fence"),
        (f"```json\n{P}", "fence"),  # the fence was never closed
        (
            f'For example:\n```json\n{{"name": "X", "age": 1}}\n```\nSo the answer:\n```json\n{P}\n```',
            "fence",
        ),
        (f"```python\nprint(1)\n```\n```json\n{P}\n```\n```text\nnot this\n```", "fence"),
        (f"The answer is {P}.", "among"),
        (f'Such as {{"name": "X", "age": 1}}, so it is {P}', "among"),
        (f"I wondered about {{braces}} and [brackets], but: {P} :)", "among"),
        (f"<think>maybe {{}}</think>{P}", "among"),
        (f"json\n{P}", "among"),
        (f"{P}\n\nLet me know whether [1, 2] is better.", "among"),  # an object is wanted, the list is not it
    ],
)
def test_a_value_is_found(text: str, rung: str) -> None:
    found = read_value(text, OBJECT)
    assert (found.value, found.rung) == (VALUE, rung)
    assert found.repaired


@pytest.mark.parametrize(
    "text",
    [
        "I cannot do that.",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 2}',
        '{"a": 1,}',
        "{'a': 1}",
        '{"a": 1',
        "{a: 1}",
        '{"a": 1 /* one */}',
        "```json\n{oops\n```",
        "",
    ],
)
def test_what_is_no_json(text: str) -> None:
    found = read_value(text, OBJECT)
    assert found.rung is None
    assert found.value is None


@pytest.mark.parametrize("text", ['{"a": 1', "{'a': 1}", '{"a": 1,}', 'Sure: {"a": [1, 2'])
def test_what_a_repair_could_make_something_of(text: str) -> None:
    found = read_value(text, OBJECT)
    assert found.rung is None or found.rung == "among"
    assert found.repaired


def test_words_are_not_repaired_into_a_value() -> None:
    assert not read_value("I cannot do that.", OBJECT).repaired


def test_characters_are_not_stripped_as_a_set() -> None:
    assert read_value('"json"', frozenset(["string"])).value == "json"
    assert read_value('["jsonnosj"]', ARRAY).value == ["jsonnosj"]


def test_the_kind_that_the_schema_wants_comes_first() -> None:
    text = 'From [1, 2] one gets {"n": 2}.'
    assert read_value(text, OBJECT).value == {"n": 2}
    assert read_value(text, ARRAY).value == [1, 2]
    assert read_value("Only [1, 2] here.", OBJECT).value == [1, 2]  # it will not be valid, but it was said


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{" * 200_000,
        '{"a":' * 100_000,
        "[" * 50_000 + "]" * 50_000,
        "{}" * 200_000 + "{",
        '"' + "x" * 10_000_000,
        "x" * 10_000_000,
        "`" * 300_000,
        "```json\n" * 20_000,
    ],
)
def test_work_is_bounded(text: str) -> None:
    started = time.process_time()
    read_value(text, OBJECT)
    assert time.process_time() - started < 20  # without a bound, hours


def test_a_long_value_is_read() -> None:
    value: Any = {"text": "y" * 10_000_000}
    found = read_value('{"text": "' + "y" * 10_000_000 + '"}', OBJECT)
    assert found.rung == "whole"
    assert found.value == value


def test_every_shipped_schema_is_known_when_it_is_repeated() -> None:
    for case in case_set(None, None):
        reply = f"```json\n{json.dumps(case.schema)}\n```\nAnswer: {case.expected_text}"
        if case.expected_text[0] in "{[":
            assert read_value(reply, case.kinds).value == case.expected, case.id
        assert not is_schema(case.expected)
