"""The cases: the shipped ones, or a folder of a user's own schemas.

A case is a schema, the words that ask for a value, and the right value where there is one. Reading is strict:
a broken schema, a remote reference or an id that occurs twice is an error that names file and place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Json, content_hash
from tiltyard.suites.regular import regular
from tiltyard.suites.structured.extract import DECODER, NOTHING, kinds_of, parsed
from tiltyard.suites.structured.judge import BadSchemaError, judge_of
from tiltyard.suites.structured.values import leaves, parts, rule_at

SHIPPED = "cases.json"
LARGEST = 5_000_000  # bytes of a schema file
KEYWORDS = frozenset((
    "$schema", "$ref", "$dynamicRef", "$recursiveRef", "$defs", "definitions", "type", "enum", "const",
    "allOf", "anyOf", "oneOf", "not", "if", "properties", "patternProperties", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "required", "dependentRequired", "dependentSchemas",
    "dependencies", "minProperties", "maxProperties", "items", "prefixItems", "additionalItems",
    "unevaluatedItems", "contains", "minItems", "maxItems", "uniqueItems", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format",
))  # fmt: skip
RULE = re.compile(r"any|text|set|within:\d+(?:\.\d+)?")
TAKES = {"text": "text", "set": "list", "within": "number"}  # what a comparison is for; `any`: anything
WITH_SCHEMA = "{prompt}\n\nAnswer with one JSON value that fits this JSON Schema, and nothing else:\n{schema}"
BARE = "Make up one example that fits the JSON Schema below."


class RawCase(msgspec.Struct, forbid_unknown_fields=True):
    """A case as it is written in a file."""

    id: str
    schema: Json
    prompt: str
    expected: Json = msgspec.UNSET
    level: int = 1
    compare: dict[str, str] = {}


class Case:
    """One thing to ask for. `kinds`: the types that the schema allows at the root; empty: any."""

    def __init__(self, raw: RawCase) -> None:
        self.id, self.schema, self.level, self.compare = raw.id, raw.schema, raw.level, raw.compare
        self.expected = raw.expected
        self.graded = raw.expected is not msgspec.UNSET
        text = json.dumps(raw.schema, ensure_ascii=False)
        self.words = WITH_SCHEMA.replace("{prompt}", raw.prompt).replace("{schema}", text)
        self.hash = content_hash(
            [raw.schema, raw.prompt, self.expected if self.graded else None, raw.compare]
        )
        self.kinds = kinds_of(raw.schema)

    @cached_property
    def safe_name(self) -> str:
        """The id as servers take it in a request."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.id)[:60] or "case"

    @cached_property
    def fields(self) -> int:
        """Leaves of the expected value."""
        return sum(1 for _ in leaves(self.expected, "", self.compare)) if self.graded else 0

    @property
    def expected_text(self) -> str:
        return json.dumps(self.expected, ensure_ascii=False)


CaseSet = Sequence[Case]


def case_set(folder: str | None, level: str | None) -> CaseSet:
    """The cases of a folder, or the shipped ones; of some levels only. Raises UsageError."""
    return read_cases(folder, level)[0]


def read_cases(folder: str | None, level: str | None) -> tuple[CaseSet, tuple[UsageError, ...]]:
    """The cases that `case_set` has, and what is wrong with the folder's other files. Raises UsageError."""
    cases, broken = (shipped(), ()) if folder is None else from_folder(Path(folder))
    if level is not None:
        low, high = levels(level)
        cases = tuple(case for case in cases if low <= case.level <= high)
        if not cases:
            raise UsageError(f"no case is of level {level}", "levels are 1 (easy) to 5")
    return cases, broken


def set_hash(cases: CaseSet) -> str:
    """What is asked, as one hash."""
    return content_hash([[case.id, case.hash] for case in cases])


def levels(text: str) -> tuple[int, int]:
    """`3` or `1-3`; raises UsageError."""
    found = re.fullmatch(r"([1-5])(?:-([1-5]))?", text.strip())
    if found is None:
        raise UsageError(f"--level {text} is no level", "1 (easy) to 5, or a range such as 1-3")
    return int(found[1]), int(found[2] or found[1])


@lru_cache(maxsize=1)
def shipped() -> CaseSet:
    """The shipped cases, checked."""
    source = files("tiltyard.suites.structured").joinpath("data", SHIPPED)
    raw = msgspec.json.decode(source.read_bytes(), type=list[RawCase])
    cases: dict[str, Case] = {}
    for number, each in enumerate(raw, 1):
        places = dict.fromkeys(cases, SHIPPED)
        cases[each.id] = checked(each, f"{SHIPPED}: case {number}", places)
    return tuple(cases.values())


def from_folder(folder: Path) -> tuple[CaseSet, tuple[UsageError, ...]]:
    """Every *.json file of a folder, each a case or a bare schema; and what is wrong with those that do not
    hold, file and place included. Raises UsageError where no file holds.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "give the folder that holds your *.json schemas")
    paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not paths:
        raise UsageError(f"no *.json file in {folder}", "put a schema or a case into it: docs/json.md")
    cases: dict[str, Case] = {}
    places: dict[str, str] = {}  # of each id
    broken: list[UsageError] = []
    for path in paths:
        try:
            case = checked(read_file(path), str(path), places)
        except UsageError as error:
            broken.append(error)
        else:
            cases[case.id], places[case.id] = case, path.name
    if not cases:
        raise broken[0]
    return tuple(cases.values()), tuple(broken)


def read_file(path: Path) -> RawCase:
    """One file of a user's."""
    try:
        size = regular(path).st_size
        if size > LARGEST:
            raise UsageError(f"{path} has {size} bytes", f"schemas of up to {LARGEST} bytes are read")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        words = f"{path} is not UTF-8: byte {error.start + 1} is none of a character"
        raise UsageError(words, "save it as UTF-8") from None
    except OSError as error:
        words = f"{path} cannot be read: {error.strerror}"
        raise UsageError(words, "check its rights, or move it elsewhere") from None
    value = parsed(text)
    if value is NOTHING:
        raise UsageError(f"{path} holds no JSON object: {why_broken(text)}", "mend it at that place")
    if not isinstance(value, Mapping | bool):
        raise UsageError(f"{path} holds no JSON object", "a schema, or a case: docs/json.md")
    if not isinstance(value, Mapping) or is_schema(value):
        return RawCase(id=path.stem, schema=value, prompt=BARE)
    if "schema" in value and "prompt" not in value:
        raise UsageError(
            f"{path} has a `schema` without a `prompt`",
            "add the `prompt`, or leave only the schema itself in the file: docs/json.md",
        )
    if "schema" not in value:
        raise UsageError(
            f"{path} is neither a schema nor a case: no key of it is a keyword of JSON Schema, and a case "
            "has `schema` and `prompt`",
            "docs/json.md has the forms",
        )
    try:
        return msgspec.convert({"id": path.stem, **value}, RawCase)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {error}", "docs/json.md has the form of a case") from None


def is_schema(value: Mapping[str, Json]) -> bool:
    """Is one of the keys a keyword that says something about values?"""
    return not KEYWORDS.isdisjoint(value)


def why_broken(text: str) -> str:
    """What the JSON reader says, with line and column."""
    try:
        DECODER.decode(text.strip())
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return str(error)
    return "not JSON"


def checked(raw: RawCase, where: str, others: Mapping[str, str]) -> Case:
    """A case out of what a file holds; raises UsageError for what does not hold. `others`: where ids are."""
    try:
        judge = judge_of(raw.schema)
    except BadSchemaError as error:
        raise UsageError(f"{where}: the schema does not hold: {error}", "mend it at that place") from None
    if raw.id in others:
        words = f"{where}: the id {raw.id!r} occurs twice; {others[raw.id]} has it too"
        raise UsageError(words, "give one of them another `id`")
    if not 1 <= raw.level <= 5:
        raise UsageError(f"{where}: no such level: {raw.level}", "levels are 1 (easy) to 5")
    try:
        case = Case(raw)
        case.id.encode()
    except UnicodeEncodeError:
        words = f"{where}: half a character (a lone surrogate), which cannot be sent"
        raise UsageError(words, "write the character itself") from None
    check_comparisons(raw, where)
    if case.graded and not (verdict := judge.judge(raw.expected)).formats:
        raise UsageError(
            f"{where}: the expected value does not fit its schema: {'; '.join(verdict.errors)}",
            "correct one of them",
        )
    return case


def check_comparisons(raw: RawCase, where: str) -> None:
    """Raises UsageError for a comparison that there is none of, or that nothing is at its path for."""
    for pattern, rule in raw.compare.items():
        if RULE.fullmatch(rule) is None:
            raise UsageError(f"{where}: no such comparison: {pattern}: {rule}", "any, text, set, within:0.01")
        if raw.expected is msgspec.UNSET:
            continue
        named = list(named_by(pattern, raw.expected))
        if not named:
            raise UsageError(
                f"{where}: nothing in the expected value is at {pattern}", "paths are like /pets/0"
            )
        takes = TAKES.get(rule.partition(":")[0])
        if takes is not None and not any(kind_of(value) == takes for value in named):
            words = f"{where}: `{rule}` is for a {takes}, and there is none at {pattern}"
            raise UsageError(words, "paths are like /pets/0; /pets/* is everything in a list")


def named_by(pattern: str, value: Json) -> Iterator[Json]:
    """What is at the paths of this pattern: leaves, and what is around them."""
    stack = [("", value)]
    while stack:
        place, entry = stack.pop()
        if rule_at({pattern: "here"}, place) is not None:
            yield entry
        if isinstance(entry, dict | list):
            stack.extend(parts(place, entry))


def kind_of(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {str: "text", int: "number", float: "number", list: "list"}.get(type(value), "value")
