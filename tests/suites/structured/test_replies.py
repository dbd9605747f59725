"""Replies as small local models write them, each with the verdict of every rung of the ladder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.suites.structured.test_hostile import graded, item
from tiltyard.suites.structured.extract import read_value

ADA = '{"name": "Ada", "age": 36}'
ESCAPED = '{\\"name\\": \\"Ada\\", \\"age\\": 36}'
BOB = '{"name": "Bob", "age": 1}'
ASKED = '{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}'
LISTED = '{"type": "array", "items": {"type": "object"}}'
LONG = '{"name": "Ada", "age": 36, "town": {"name": "London", "land": "England"}}'
ALL = "strict extracted repaired schema_valid exact"
FOUND = "extracted repaired schema_valid exact"
OTHER = "extracted repaired schema_valid"  # a value that fits and is not the right one
PATCHED, NO = "repaired", ""
OBJECT, ARRAY = frozenset(["object"]), frozenset(["array"])

REPLIES = [
    # thinking before the answer
    (f'The user wants {{"name": "X", "age": 0}}, so\n</think>\n\n{ADA}', "among", FOUND),
    (f"Hm, {BOB}?</thinking>\n{ADA}", "among", FOUND),
    (f"[THINK]{BOB} perhaps[/THINK]{ADA}", "among", FOUND),
    (f"Let me think. The name is Ada, the age is [36].\n\nAnswer: {ADA}", "among", FOUND),
    # fences
    (f"```python\n{ADA}\n```", "fence", FOUND),
    (f"```javascript\nconst person = {ADA};\n```", "among", FOUND),
    (f"```JSON5\n{ADA}\n```", "fence", FOUND),
    (f"``` json\r\n{ADA}\r\n```\r\n", "fence", FOUND),
    (f"```json {ADA} ```", "among", FOUND),
    (f"~~~json\n{ADA}\n~~~", "among", FOUND),
    (f"````json\n{ADA}\n````", "fence", FOUND),
    (f"```json\n{ADA}\n```\nSources: [1], [2024]", "fence", FOUND),
    (f"`{ADA}`", "among", FOUND),
    # an example and the answer
    (f"Example:\n```json\n{BOB}\n```\nAnswer:\n```json\n{ADA}\n```", "fence", FOUND),
    (f"Example: {BOB}\nAnswer: {ADA}", "among", FOUND),
    (f"Answer: {ADA}\nIn another form: {BOB}", "among", OTHER),  # the last word counts
    (f"By the schema\n```json\n{ASKED}\n```\n```json\n{ADA}\n```", "fence", FOUND),
    (f"```json\n{ADA}\n```\nIt fits this schema:\n```json\n{ASKED}\n```", "fence", FOUND),
    (f"The schema is {ASKED} and so: {ADA}", "among", FOUND),
    (f"{ADA}\nIt fits {ASKED}.", "among", FOUND),
    (f"```json\n{ASKED}\n```\n\nAnswer:\n```\n{ADA}\n```", "fence", FOUND),
    (f"```json\n{ASKED}\n```\n\nAnswer: {ADA}", "among", FOUND),
    (f"```\n{ASKED}\n```\n\nAnswer: {ADA}", "among", FOUND),
    (f"```json\n{ADA}\n```\nThe schema:\n```json\n{ASKED}\n```\n```json\n{ASKED}\n```", "fence", FOUND),
    (f"```json\n{LISTED}\n```\n```json\n{ADA}\n```\n```json\n{LISTED}\n```", "fence", FOUND),
    (f"```\n{ADA}\n```\nIt fits this schema:\n```json\n{ASKED}\n```", "fence", FOUND),
    (f"{ADA}\nIt fits this schema:\n```json\n{ASKED}\n```", "among", FOUND),
    (f"By the schema:\n```json\n{ASKED}\n```\nI do not know.", "fence", "extracted repaired"),
    (f"```json\n{{broken: {{\n```\n```json\n{ASKED}\n```", None, PATCHED),
    # marks of thoughts that an answer speaks of
    ('Here: {"name": "Ada", "age": 36, "tag": "</think>"}', "among", OTHER),
    (f"Hm. [THINK]or {BOB}?[/THINK] {ADA}", "among", FOUND),
    (f"{ADA}\n<think>Or {BOB}?</think>", "among", FOUND),
    # footnotes and asides
    (f"{ADA}\n\n[1] Lovelace, A. [2024]", "among", FOUND),
    (f"{ADA} as the text says [1]; an empty object {{}} would be wrong.", "among", FOUND),
    ("I could not find that [1].", None, NO),
    ("Use names[] as shown, please.", None, NO),
    # not quite JSON
    ('{"name": "Ada", "age": 36,}', None, PATCHED),
    ('{"name": "Ada", // her name\n "age": 36}', None, PATCHED),
    ('{ // a person\n "name": "Ada", "town": {"name": "London", "age": 2000}}', None, PATCHED),
    ('{\n  # a person\n  "name": "Ada", "town": {"name": "London", "age": 2000}\n}', None, PATCHED),
    ("{'name': 'Ada', 'age': 36}", None, PATCHED),
    ('[\'Ada\', {"name": "Ada", "age": 36}]', None, NO),
    ("{“name”: “Ada”, “age”: 36}", None, PATCHED),
    ('{“name”: “Ada”, “town”: {"name": "London", "age": 2000}}', None, PATCHED),
    ("{name: 'Ada', age: 36}", None, PATCHED),
    ('{"name": "Ada", "age": NaN}', None, PATCHED),
    ('{"name": "Ada", "age": 36, "age": 36}', None, PATCHED),
    ('{"name": "Ada", "age": None}', None, PATCHED),
    ('{"first\\_name": "Ada", "age": 36}', None, PATCHED),
    ('{"name": "Ada\nLovelace", "age": 36}', None, PATCHED),
    ('{"name": "Ada", "age": 036}', None, PATCHED),
    ('{"name": "Ada", "age": 3', None, PATCHED),
    ('```json\n{"name": "Ada", "age": 36\n```', None, PATCHED),
    ('"name": "Ada", "age": 36', None, NO),
    ("name: Ada\nage: 36", None, NO),
    # doubled braces, as templates write them
    ('{{"name": "Ada", "age": 36}}', None, PATCHED),
    ('Here: {{ "name": "Ada", "age": 36 }}', None, PATCHED),
    ('```json\n{{"name": "Ada", "age": 36}}\n```', None, PATCHED),
    ('{{"name": "Ada", "town": {{"name": "London", "age": 2000}}}}', None, PATCHED),
    (f'Not {{{{"name": "x"}}}} as in the template, but {ADA}', "among", FOUND),
    # whole, and yet not the answer, or with marks around it
    (f"\ufeff\n{ADA}", "whole", ALL),
    (f"{ADA}\x00", "among", FOUND),
    (f'"{ESCAPED}"', "whole", "strict extracted repaired"),  # a text that holds JSON
    ('{"answer": {"name": "Ada", "age": 36}}', "whole", "strict extracted repaired"),
    (f"[{ADA}]", "whole", "strict extracted repaired"),
    ('{"name": "Ada", "age": "36"}', "whole", "strict extracted repaired"),
    ("null", "whole", "strict extracted repaired"),
]


@pytest.mark.parametrize(("text", "rung", "flags"), REPLIES)
def test_the_verdict_of_each_rung(text: str, rung: str | None, flags: str) -> None:
    details = graded(text).details
    assert details.get("rung") == rung
    assert details["answered"] is True
    assert {name for name in ALL.split() if details[name]} == set(flags.split())


@pytest.mark.parametrize("text", [reply[0] for reply in REPLIES])
def test_only_a_whole_reply_is_right_where_json_alone_is_promised(text: str) -> None:
    grade = graded(text, item(mode="json_schema"))
    assert (grade.outcome == "correct") == (text.strip("\ufeff\n") == ADA)


PETS = '[{"name": "Rex"}, {"name": "Tom"}]'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"{PETS}\n\nSee the register [1] of [2024].", [{"name": "Rex"}, {"name": "Tom"}]),
        ('["Rex"] [1]', ["Rex"]),
        ("[3, 5, 8, 13, 21] (found in [1, 2])", [3, 5, 8, 13, 21]),
        ("All: [1, 2, 3, 4, 5, 6]. The even ones: [2, 4, 6]", [2, 4, 6]),
        ("[36], says [1]", [36]),
        ("By step [2] we get [3, 5]", [3, 5]),
        ("No pet at all: []. See [1].", []),
        ("It is [36].", [36]),
        (f"Of {ADA} and [1] nothing follows", [1]),
    ],
)
def test_an_array_among_words(text: str, value: Any) -> None:
    assert read_value(text, ARRAY).value == value


def test_a_quoted_part_is_not_the_answer() -> None:
    assert (
        read_value(f'{LONG}\nI took {{"age": 36}} from the text.', OBJECT).value["town"]["name"] == "London"
    )
    assert read_value(f'First {{"age": 36}} was found, then all: {LONG}', OBJECT).value["age"] == 36


def test_what_is_chosen_does_not_depend_on_what_is_right() -> None:
    """The wrong one of two that look alike is taken where it stands last, whatever the key says."""
    for first, last, outcome in ((ADA, BOB, "wrong"), (BOB, ADA, "correct")):
        assert graded(f"{first} or {last}").outcome in (outcome, "partial")
