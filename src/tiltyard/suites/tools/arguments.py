"""Is an argument the one that was wanted? Wants are small JSON objects; nothing is guessed or executed.

Also brings sent values to the types of a tool's schema, which is all that lenient grading adds. The kinds of
wants are listed in docs/tools.md.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Json
from tiltyard.suites.matching import assign
from tiltyard.suites.nearness import slack

KINDS = ("text", "place", "is", "number", "words", "list", "object", "any")
MORE = frozenset(("optional", "within", "area", "ordered"))
PUNCTUATION = re.compile(r"[\"'`.,;:!?()\[\]]+")
NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
ABBREVIATION = re.compile(r"(?<![\w.])[^\W\d_](?:\.[^\W\d_])+(?!\w)\.?")  # U.S.A.
DECIMAL = re.compile(r"-?\d+\.\d+")
TOLERANCE = 1e-9  # relative, where a want names none
LONGEST = 100_000  # characters of a text that is compared
SHORT = 200  # characters of a text that is remembered
LONGEST_AREA = 200  # characters after a place's name
DEEPEST = 40  # levels of nesting; deeper arguments are malformed


def kind_of(want: Mapping[str, Json], where: str) -> str:
    """The one kind of a want; raises UsageError for a want that is none."""
    kinds = [name for name in KINDS if name in want]
    if len(kinds) != 1 or set(want) - MORE - set(KINDS):
        raise UsageError(f"{where}: {sorted(want)} is no want", "the kinds are " + ", ".join(KINDS))
    return kinds[0]


def plain(text: str) -> str:
    """Text without case, accents' encodings, punctuation and runs of spaces; U.S.A. is USA."""
    return plain_short(text) if len(text) <= SHORT else plainly(text[:LONGEST])


@lru_cache(maxsize=4096)
def plain_short(text: str) -> str:
    return plainly(text)


def plainly(text: str) -> str:
    folded = joined(unicodedata.normalize("NFKC", text).casefold()).replace("’", "'").replace("‑", "-")
    return " ".join(PUNCTUATION.sub(" ", folded).split())


def joined(text: str) -> str:
    """Abbreviations without their dots."""
    return ABBREVIATION.sub(lambda found: found[0].replace(".", ""), text)


def fits(want: Mapping[str, Json], value: Json) -> bool:
    """Does a value meet a want? Types count: the text "20" is no number."""
    if "any" in want:
        return True
    if "is" in want:
        return any(same(each, value) for each in want["is"])
    if "number" in want:
        return is_number(value) and any(close(each, value, want.get("within")) for each in want["number"])
    if "text" in want:
        return isinstance(value, str) and plain(value) in {plain(each) for each in want["text"]}
    if "place" in want:
        return isinstance(value, str) and fits_place(want, value)
    if "words" in want:
        return isinstance(value, str) and told(value, want["words"]) == 1.0
    if "list" in want:
        return isinstance(value, list) and fits_list(want, value)
    return isinstance(value, dict) and fits_object(want["object"], value)


def same(wanted: Json, value: Json) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1.0."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def close(wanted: float, value: float, within: float | None) -> bool:
    try:
        gap = abs(float(value) - wanted)
    except OverflowError:
        return False
    if within is None:
        return gap <= TOLERANCE * max(1.0, abs(wanted))
    return gap <= within + slack(wanted, within)


def fits_place(want: Mapping[str, Json], value: str) -> bool:
    """A place's name, alone or followed by areas that it lies in: "New York, NY, USA"."""
    names = {plain(name) for name in want["place"]}
    if plain(value) in names:
        return True
    areas = {plain(area) for area in want.get("area", ())}
    said = plain(value)
    return any(said.startswith(name + " ") and made_of(said[len(name) + 1 :], areas) for name in names)


def made_of(rest: str, parts: set[str]) -> bool:
    """Is a text one or more of the parts in a row?"""
    return len(rest) <= LONGEST_AREA and any(
        rest == part or (rest.startswith(part + " ") and made_of(rest[len(part) + 1 :], parts))
        for part in parts
    )


def told(text: str, facts: Sequence[Sequence[str]]) -> float:
    """The share of facts that occur in a text; each has alternatives, and whole words count.

    An alternative that begins with `=` is all that the text says; one with `~` is a regular expression for
    the text as `spoken` gives it, with a space before and after.
    """
    said = f" {spoken(text)} "
    found = sum(any(is_said(way, said) for way in fact) for fact in facts)
    return found / len(facts) if facts else 1.0


def is_said(way: str, said: str) -> bool:
    if way.startswith("~"):
        return re.search(way[1:], said) is not None
    words = f" {spoken(way)} "
    return words == said if way.startswith("=") else words in said


def spoken(text: str) -> str:
    """Text for looking for facts in it: words and numbers (`1,234.50` is 1234.5, `-3`), nothing else kept."""
    folded = joined(unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    folded = re.sub(r"(?<=\d),(?=\d{3}\b)", "", folded)
    folded = re.sub(r"(\d)\s?°", r"\1 ", folded)
    folded = re.sub(r"(?<![\w.\]-])(?:minus |negative |[-\N{MINUS SIGN}\N{EN DASH}])(?=\d)", "-", folded)
    found = re.findall(r"(?:(?<!\w)-)?\d+(?:[.:]\d+)*|[^\W\d_]+", folded)
    return " ".join(each.rstrip("0").rstrip(".") if DECIMAL.fullmatch(each) else each for each in found)


def fits_list(want: Mapping[str, Json], value: list[Json]) -> bool:
    """As many elements, each meeting one want: in this order where `ordered`, else in any."""
    wants = want["list"]
    if len(wants) != len(value):
        return False
    if want.get("ordered", False):
        return all(fits(each, element) for each, element in zip(wants, value, strict=True))
    edges = [[float(fits(each, element)) for element in value] for each in wants]
    return math.isclose(sum(edges[row][column] for row, column in assign(edges)), len(wants))


def fits_object(wants: Mapping[str, Json], value: Mapping[str, Json]) -> bool:
    """Every wanted field, none that is not wanted; optional ones may be missing."""
    return set(value) <= set(wants) and all(
        fits(want, value[name]) if name in value else bool(want.get("optional"))
        for name, want in wants.items()
    )


# ------------------------------------------------------------------ towards a schema's types


def coerced(value: Json, schema: Json, depth: int = 0, *, texts_too: bool = False) -> Json:
    """The value with texts turned into the numbers, booleans, lists and objects that the schema wants, and
    whole floats into integers. What cannot be turned stays; so does a text that the schema allows to be one,
    unless `texts_too`.
    """
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return value
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if isinstance(value, str) and (texts_too or "string" not in kinds):
        value = spelled(value, kinds)
    if "integer" in kinds and "number" not in kinds and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        fields = schema.get("properties")
        fields = fields if isinstance(fields, Mapping) else {}
        return {
            name: coerced(each, fields.get(name), depth + 1, texts_too=texts_too)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [coerced(each, schema.get("items"), depth + 1, texts_too=texts_too) for each in value]
    return value


def spelled(text: str, kinds: Sequence[Json]) -> Json:
    """A text as the first of several types that it spells."""
    return next((found for kind in kinds if (found := from_text(text, kind)) is not text), text)


def from_text(text: str, kind: Json) -> Json:
    """A text as the JSON value of a type that it spells; itself where it spells none."""
    bare = text.strip()
    if kind in ("integer", "number") and NUMBER.fullmatch(bare):
        number = float(bare)
        return int(bare) if bare.lstrip("+-").isdigit() else number if math.isfinite(number) else text
    if kind == "boolean" and bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    if kind in ("array", "object") and bare[:1] in ("[", "{"):
        found = decoded(bare)
        if isinstance(found, list if kind == "array" else dict):
            return found
    return text


def decoded(text: str) -> Json:
    """JSON, or `UNREADABLE`; an object that has a key twice says two things and is none."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return UNREADABLE
    return UNREADABLE if has_twice(text) else value


def has_twice(text: str) -> bool:
    """Does a JSON text hold an object that has a key twice?"""
    twice: list[int] = []

    def look(pairs: list[tuple[str, Json]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            twice.append(len(pairs))

    try:
        json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return bool(twice)


class Unreadable:
    """Stands for a text that is no JSON (null is JSON)."""


UNREADABLE = Unreadable()


def too_deep(value: Json) -> bool:
    """Is it nested more deeply than any tool here could want?"""
    layer: list[Json] = [value]
    for _ in range(DEEPEST):
        inner = [each for each in layer if isinstance(each, dict | list)]
        layer = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
        if not layer:
            return False
    return True


def alike(one: Json, other: Json) -> bool:
    """Equal, and of the same types all the way down: 20 and 20.0 are not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
