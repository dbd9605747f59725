"""The shipped cases hold, by two judges; a user's own are checked with file and place."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.suites.openings import openings
from tiltyard.cli.run_json import content
from tiltyard.errors import UsageError
from tiltyard.records import Model
from tiltyard.suites import Bench
from tiltyard.suites.structured import Structured
from tiltyard.suites.structured.cases import Case, case_set, from_folder, set_hash
from tiltyard.suites.structured.judge import judge_of
from tiltyard.suites.structured.values import compare

CASES = case_set(None, None)


def test_there_are_enough_of_every_level_and_draft() -> None:
    assert len(CASES) >= 63
    assert min(Counter(case.level for case in CASES).values()) >= 10
    drafts = {str(case.schema.get("$schema", "")) for case in CASES}
    for name in ("draft-04", "draft-06", "draft-07", "2019-09", "2020-12"):
        assert any(name in draft for draft in drafts), name
    text = json.dumps([case.schema for case in CASES])
    for keyword in (
        *("enum", "const", "format", "pattern", "minimum", "exclusiveMinimum", "multipleOf", "minLength"),
        *("uniqueItems", "prefixItems", "contains", "anyOf", "oneOf", "allOf", "not", "if", "$ref", "$defs"),
        *("definitions", "patternProperties", "dependentRequired", "additionalProperties", "minProperties"),
    ):
        assert f'"{keyword}"' in text, keyword
    for name in ("person", "three-books", "product"):
        assert any(case.id == name for case in CASES)


def test_prompts_are_unique_and_carry_their_schema() -> None:
    assert len({case.words for case in CASES}) == len(CASES)
    for case in CASES:
        assert json.dumps(case.schema, ensure_ascii=False) in case.words
        assert case.expected_text not in case.words, f"{case.id} gives its answer away"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_two_judges_agree_about_mutated_answers(case: Case) -> None:
    ours = judge_of(case.schema)
    kind = jsonschema.validators.validator_for(case.schema, default=jsonschema.Draft202012Validator)
    theirs = kind(case.schema, format_checker=None)
    assert ours.judge(case.expected).formats
    for value in mutations(case.expected):
        assert ours.judge(value).shape == theirs.is_valid(value), value


def mutations(value: Any) -> Iterator[Any]:
    """Neighbours of a value: parts left out, added, or of another type."""
    yield from (None, True, 0, -1, 10**6, "x", "", [], {}, [value], {"extra": value})
    if isinstance(value, dict):
        for key in value:
            less = copy.deepcopy(value)
            part = less.pop(key)
            yield less
            for other in (None, "", "zzz zzz", -3, 2.25, True, [], [part], {}, {"a": part}):
                yield {**value, key: other}
            for deeper in mutations(part) if isinstance(part, dict | list) else ():
                yield {**value, key: deeper}
        yield {**value, "unexpected": 1}
    elif isinstance(value, list):
        yield [*value, *value]
        yield value[:-1]
        yield value[::-1]
        for place, part in enumerate(value[:2]):
            for deeper in mutations(part) if isinstance(part, dict | list) else (None, "zzz", -3, 2.25):
                yield [*value[:place], deeper, *value[place + 1 :]]


@pytest.mark.parametrize(
    ("name", "part", "said"),
    [
        ("product", "tags", ["dimmable", "led"]),
        ("unique-tags", "tags", ["baking", "bread"]),
        ("recipe", "steps", ["boil the milk.", "Stir in the oats."]),
        ("recipe", "steps", ["Boil the milk", "Stir in the oats"]),
        ("recipe", "steps", ["Stir in the oats.", "Boil the milk."]),
    ],
)
def test_what_a_prompt_fixes_is_held(name: str, part: str, said: list[str]) -> None:
    case = next(case for case in CASES if case.id == name)
    assert "order" in case.words or "word for word" in case.words
    assert not compare(case.expected, {**case.expected, part: said}, case.compare).exact


@pytest.mark.parametrize(
    ("name", "part", "said"),
    [
        ("product", "name", "Desk Lamp"),
        ("graph", "edges", [["b", "c"], ["a", "b"]]),
        ("freezing", "place", "piz nair"),
    ],
)
def test_what_a_prompt_leaves_open_is_free(name: str, part: str, said: Any) -> None:
    case = next(case for case in CASES if case.id == name)
    assert compare(case.expected, {**case.expected, part: said}, case.compare).exact


def test_levels_choose() -> None:
    easy = case_set(None, "1")
    assert {case.level for case in easy} == {1}
    assert {case.level for case in case_set(None, "2-4")} == {2, 3, 4}
    assert set_hash(easy) != set_hash(CASES)
    for bad in ("0", "6", "x", "3-", "1-9"):
        with pytest.raises(UsageError, match="level"):
            case_set(None, bad)


def write(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_a_users_own_folder(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    write(tmp_path, "bare.json", schema)
    write(tmp_path, "full.json", {"schema": schema, "prompt": "a is 3", "expected": {"a": 3}, "level": 2})
    write(tmp_path, "notes.txt", "not read")
    bare, full = case_set(str(tmp_path), None)
    assert (bare.id, bare.graded, full.id, full.graded, full.level) == ("bare", False, "full", True, 2)
    assert "Make up one example" in bare.words
    assert full.expected == {"a": 3}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"type": "objekt"}, r"bad\.json: the schema does not hold: /type"),
        ({"properties": {"a": {"minimum": "x"}}}, r"/properties/a/minimum"),
        (
            {"properties": {"a": {"$ref": "https://example.org/a.json"}}},
            r"/properties/a/\$ref: a reference to",
        ),
        ({"$ref": "other.json#/x"}, r"/\$ref: a reference to"),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "draft 3 is too old"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ('{"type": ', "holds no JSON object"),
        ("[1, 2]", "holds no JSON object"),
        ({"schema": True, "prompt": "x", "expectd": 1}, "unknown field `expectd`"),
        ({"schema": {"type": "integer"}, "prompt": "x", "expected": "y"}, "does not fit its schema"),
        ({"schema": True, "prompt": "x", "compare": {"/a": "roughly"}}, "no such comparison"),
        (
            {"schema": True, "prompt": "x", "expected": {"a": [1]}, "compare": {"/b": "text"}},
            "nothing in the expected value is at /b",
        ),
        *(
            (
                {"schema": True, "prompt": "x", "expected": {"a": 1, "l": ["x"]}, "compare": {path: rule}},
                words,
            )
            for path, rule, words in (
                ("/b", "any", "nothing in the expected value is at /b"),
                ("/a/x", "any", "nothing in the expected value is at /a/x"),
                ("a", "any", "nothing in the expected value is at a"),
                ("/l/1", "any", "nothing in the expected value is at /l/1"),
                ("/a", "set", "`set` is for a list, and there is none at /a"),
                ("/a", "text", "`text` is for a text, and there is none at /a"),
                ("/l", "text", "`text` is for a text, and there is none at /l"),
                ("/l/0", "within:1", "`within:1` is for a number, and there is none at /l/0"),
            )
        ),
        ({"schema": True, "prompt": "x", "level": 9}, "no such level: 9"),
        ({"schema": {"type": "object"}}, "has a `schema` without a `prompt`"),
        ({"name": "left-pad", "version": "1.0.0"}, "neither a schema nor a case"),
        ({"$schema": "https://example.org/mine", "type": "object"}, r"/\$schema: 'https://example.org/mine'"),
        ('{"schema": true, "prompt": "\\ud800"}', "half a character"),
    ],
)
def test_what_does_not_hold_is_named(tmp_path: Path, content: Any, words: str) -> None:
    write(tmp_path, "bad.json", content)
    with pytest.raises(UsageError, match=words) as caught:
        case_set(str(tmp_path), None)
    assert "bad.json" in str(caught.value)


def test_ids_must_be_unique(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write(tmp_path, name, {"id": "same", "schema": True, "prompt": "x"})
    cases, (error,) = from_folder(tmp_path)
    assert len(cases) == 1
    assert "b.json: the id 'same' occurs twice; a.json has it too" in str(error)


def test_what_holds_is_asked_beside_what_does_not(tmp_path: Path) -> None:
    nested = {"schema": True, "prompt": "x", "expected": {"a": [{"b": "c"}]}, "compare": {"/a/*/b": "text"}}
    write(tmp_path, "good.json", {**nested, "compare": {"/a": "set", **nested["compare"], "/a/0": "any"}})
    write(tmp_path, "broken.json", {"type": "objekt"})
    write(tmp_path, "cut.json", '{"type": ')
    cases, broken = from_folder(tmp_path)
    assert [case.id for case in cases] == ["good"]
    assert len(broken) == 2
    assert "broken.json" in str(broken[0])
    assert "cut.json" in str(broken[1])


def test_a_folder_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "good.json", {"type": "object"})
    write(tmp_path, "broken.json", {"type": "objekt"})
    with openings() as names:
        content(tmp_path, None)
    assert sorted(name for name in names if name.endswith(".json")) == ["broken.json", "good.json"]
    settings: dict[str, Any] = {"files": {"schemas": str(tmp_path)}, "modes": ["prompt"], "concurrency": 1}
    bench, suite = Bench(server=cast(Any, None), model=Model(name="m"), settings=settings), Structured()
    with openings() as names:
        asyncio.run(anext(suite.stages(bench)))
    assert sorted(name for name in names if name.endswith(".json")) == ["broken.json", "good.json"]
    assert "broken.json" in suite.left_out[0]


def test_an_empty_folder_and_a_file_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \*\.json file"):
        case_set(str(tmp_path), None)
    (tmp_path / "latin.json").write_bytes(b'{"title": "caf\xe9"}')
    with pytest.raises(UsageError, match=r"latin\.json is not UTF-8"):
        case_set(str(tmp_path), None)


def test_a_catastrophic_pattern_is_bounded() -> None:
    judge = judge_of({"type": "string", "pattern": "^(a+)+$"})
    started = time.process_time()
    assert not judge.judge("a" * 5_000 + "!").shape
    assert time.process_time() - started < 20  # a backtracking engine would take for ever


def test_formats_are_judged_apart() -> None:
    judge = judge_of({"type": "string", "format": "email"})
    assert judge.judge("a@example.org") == (True, True, ())
    verdict = judge.judge("nobody")
    assert (verdict.shape, verdict.formats) == (True, False)
    assert verdict.errors


@pytest.mark.slow
def test_the_schemas_own_draft_counts() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 0, "exclusiveMinimum": True}
    assert not judge_of(old).judge(0).shape
    assert judge_of({"minimum": 0}).judge(0).shape
    assert judge_of({"multipleOf": 0.1}).judge(0.3).shape
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert judge_of({"type": "object"}).judge(deep).shape is False
