"""From a reply to the JSON value in it, by named rungs: the whole text, a fenced block, a value among words.

What is repaired is only counted. NaN, infinities and duplicate keys are no JSON. A piece of something broken
is never taken for the answer. Work is bounded, whatever a model writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tiltyard.records import Json
from tiltyard.servers.thinking import without_thoughts
from tiltyard.suites.structured.values import leaves

SPACE = " \t\r\n"  # JSON's own idea of it
FENCE = re.compile(r"```[ \t]{0,8}([A-Za-z0-9_+.-]{0,20})[^\n`]{0,80}\n(.*?)(?:```|\Z)", re.DOTALL)
LABELS = frozenset(("json", "json5", "jsonc"))
SEARCHED = 2_000_000  # characters at the end of a reply in which a value is looked for
STARTS = 200_000  # brackets that are looked at
REPAIRED, BRACKETS = 10_000, 250  # characters and brackets that a repair may have to look at
OPENING = re.compile(r"[\[{]")
BEGUN = re.compile(  # what is meant as JSON, well made or not, unlike brackets among words
    r"""\{\s{0,99}(?:"[^"\n]{0,200}"\s{0,9}:|'[^'\n]{0,200}'\s{0,9}:|\w{1,60}\s{0,9}:|\})"""
    r"""|\{\s{0,9}\{\s{0,99}"[^"\n]{0,200}"\s{0,9}:"""  # braces doubled, as in a template
    r"""|\{\s{0,99}[“”„‘’«]|[\[{]\s{0,99}(?://|/\*|\#\s)"""  # typeset quotes, a comment
    r"""|\[\s{0,99}(?:[\[{"'“”„‘’«\]\d]|-\d|true\b|false\b|null\b)"""
)
PART = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)  # possessive: strings are walked once
PARTS = frozenset(  # of a schema for objects or arrays
    ("properties", "patternProperties", "additionalProperties", "propertyNames", "items", "prefixItems")
)
NAMED = frozenset(("$schema", "$defs", "$ref"))
CHOICES = ("oneOf", "anyOf", "allOf")  # at a schema's root
NOTHING = object()


class Reading(NamedTuple):
    """`rung`: whole, fence, among (words), or None where no value was found; `why` says so.

    `open`: after the value, or instead of it, another one begins that does not end.
    """

    value: Json
    rung: str | None
    repaired: bool = False
    why: str = ""
    open: bool = False


class NotJsonError(ValueError):
    """Text that a lenient reader would take."""


def read_value(text: str, kinds: frozenset[str]) -> Reading:
    """Find the value. `kinds` are the types that the schema has at its root; one of them is preferred."""
    value = parsed(text)
    if value is not NOTHING:
        return Reading(value, "whole", repaired=True)
    text = without_thoughts(text)
    end = text[-SEARCHED:]
    block = fenced(end)
    if block.value is not NOTHING:
        return Reading(block.value, "fence", repaired=True, open=block.open)
    found = among(block.rest, kinds)
    if found.value is not NOTHING:
        return Reading(found.value, "among", repaired=True, open=found.open)
    if block.schema is not None:
        return Reading(block.schema, "fence", repaired=True, open=found.open)
    return Reading(None, None, repairable(text, kinds), why_nothing(text), found.open or block.open)


def parsed(text: str) -> Any:
    """A text that is one JSON value, else NOTHING."""
    try:
        return DECODER.decode(text.strip(SPACE).removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return NOTHING


class Block(NamedTuple):
    """A fenced block's value, or what to look through instead.

    `schema`: one that is repeated, the answer only where nothing else is.
    """

    value: Any
    rest: str = ""
    schema: Json = None
    open: bool = False


def fenced(text: str) -> Block:
    """The last block marked as JSON decides; without any, the last block that is a value.

    A marked block that is broken is not replaced by an earlier one, which may be an example: what stands from
    there on is looked through instead (its text may hold a fence of its own). A schema that is repeated is
    no answer where there is another value: its block is passed over.
    """
    schemas: list[tuple[re.Match[str], Json]] = []
    marked: list[tuple[re.Match[str], Any]] = []
    plain: list[Any] = []
    for block in FENCE.finditer(text):
        value = parsed(block[2])
        if is_schema(value):
            schemas.append((block, value))
        elif block[1].lower() in LABELS:
            marked.append((block, value))
        elif isinstance(value, dict | list):
            plain.append(value)
    if marked:
        last, value = marked[-1]
        begin = last.start(2)
        rest = without([block for block, _ in schemas if block.start() >= begin], text)[begin:]
        return Block(value, rest, open=value is NOTHING and last.end(2) == len(text))
    if plain:
        return Block(plain[-1])
    return Block(NOTHING, without([block for block, _ in schemas], text), schemas[-1][1] if schemas else None)


def without(blocks: list[re.Match[str]], text: str) -> str:
    for block in reversed(blocks):
        text = text[: block.start()] + text[block.end() :]
    return text


class Found(NamedTuple):
    value: Any
    open: bool


def among(text: str, kinds: frozenset[str]) -> Found:
    """The value among words that is meant as the answer, by its form alone; never by what is right."""
    values: list[Any] = []
    for value in top_level(text):
        if value is NOTHING:
            return Found(chosen(values, kinds), open=True)
        values.append(value)
    return Found(chosen(values, kinds), open=False)


def chosen(values: list[Any], kinds: frozenset[str]) -> Any:
    """The last one, of a wanted kind before others, that holds at least half as many fields as the fullest.

    What holds nothing, a footnote such as [1] and a repeated schema count only where there is nothing else.
    """
    wanted = [value for value in values if not kinds or kind_of(value) in kinds]
    holding = [value for value in wanted or values if not is_mark(value)]
    pool = answers(holding or wanted[:1])
    if len(pool) < 2:
        return pool[0] if pool else NOTHING
    sizes = [sum(1 for _ in leaves(value, "")) for value in pool]
    enough = max(sizes) / 2
    return [value for value, size in zip(pool, sizes, strict=True) if size >= enough][-1]


def kind_of(value: Json) -> str:
    """Of an object or array."""
    return "object" if isinstance(value, dict) else "array"


def is_mark(value: Json) -> bool:
    """An empty value, or one number in brackets: seldom the answer, often a footnote or a piece of code."""
    return not value or (isinstance(value, list) and len(value) == 1 and type(value[0]) is int)


def is_schema(value: Json) -> bool:
    """Does it look like the schema that was asked with?"""
    if not isinstance(value, dict):
        return False
    typed = value.get("type") in ("object", "array") and not PARTS.isdisjoint(value)
    named = not NAMED.isdisjoint(value)
    return typed or named or any(isinstance(value.get(key), list) for key in CHOICES)


def answers(values: list[Any]) -> list[Any]:
    """Without repeated schemas, where anything else is left."""
    return [value for value in values if not is_schema(value)] or values


def top_level(text: str) -> Iterator[Any]:
    """Objects and arrays one after another; NOTHING, at the end, for one that has no end.

    A bracket that begins no JSON is stepped over. One that does, but is broken, is stepped over with all that
    is in it: a piece of a broken answer is not the answer. Every character is looked at a few times at most.
    """
    place = 0
    for _ in range(STARTS):
        start = OPENING.search(text, place)
        if start is None:
            return
        if BEGUN.match(text, start.start()) is None:
            place = start.end()
            continue
        end = closing(text, start.start())
        if end is None:
            yield NOTHING
            return
        value = parsed(text[start.start() : end])
        if value is not NOTHING:
            yield value
        place = end


def closing(text: str, start: int) -> int | None:
    """Where what begins at `start` ends, brackets in strings left out of account; None: nowhere."""
    depth = 0
    for part in PART.finditer(text, start):
        if part[0] in ("{", "["):
            depth += 1
        elif part[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return part.end()
    return None


def repairable(text: str, kinds: frozenset[str]) -> bool:
    """Would a lenient repair make something of a wanted kind of it? Said, never scored."""
    if len(text) > REPAIRED or text.count("[") + text.count("{") > BRACKETS or not BEGUN.search(text):
        return False
    import json_repair

    try:
        value = json_repair.loads(text)
    except (ValueError, RecursionError):
        return False
    if not value or not isinstance(value, dict | list):
        return False
    return not kinds or kind_of(value) in kinds


def why_nothing(text: str) -> str:
    """One line on a reply without a value."""
    try:
        DECODER.decode(text.strip(SPACE))
    except NotJsonError as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        pass
    return "what looks like JSON is broken" if BEGUN.search(text[:SEARCHED]) else "no JSON value in the reply"


def kinds_of(schema: Json) -> frozenset[str]:
    """The types that a schema allows at its root, as far as it says so; empty: it does not."""
    return frozenset(root_kinds(schema, schema, 0) or ())


def root_kinds(schema: Json, root: Json, depth: int) -> set[str] | None:
    """None: any."""
    if not isinstance(schema, Mapping) or depth > 8:
        return None
    kind = schema.get("type")
    if isinstance(kind, str | list):
        return {kind} if isinstance(kind, str) else set(kind)
    target = schema.get("$ref")
    if isinstance(target, str) and target.startswith("#/"):
        place: Json = root
        for key in target[2:].split("/"):
            place = (
                place.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
            )
        return root_kinds(place, root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            parts = [root_kinds(part, root, depth + 1) for part in schema[key]]
            return None if None in parts else set().union(*(part for part in parts if part))
    for part in schema.get("allOf") or ():
        found = root_kinds(part, root, depth + 1)
        if found is not None:
            return found
    return None


def no_constant(name: str) -> Any:
    raise NotJsonError(f"{name} is no JSON")


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJsonError("a key occurs twice in one object")
    return found


DECODER = json.JSONDecoder(parse_constant=no_constant, object_pairs_hook=without_duplicates)
