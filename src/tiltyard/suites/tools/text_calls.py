"""Reads calls out of an answer in words, for models without an interface for tools. Nothing is executed.

Each way of writing a call is a rule with a name: tags, fenced JSON, JSON, Python's syntax. What only looks
like a call is said to be garbled, never guessed at. Leaves out whether a call is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, decoded, has_twice
from tiltyard.suites.tools.call_marks import NAMES, looks_like_call
from tiltyard.suites.tools.calls import NAMESPACES, Schemas, known_name
from tiltyard.suites.tools.meant import MOST_CALLS, Piece, meant, stands
from tiltyard.suites.tools.python_calls import (
    MOST_TRIES,
    PLACEHOLDER,
    broken_call,
    closing_of,
    encoded,
    literal_at,
    python_calls,
    scan,
)

LONGEST = 200_000  # characters of an answer that are looked at
MOST_FENCES = 2_000

TAGS = (
    ("<tool_call>", "</tool_call>"),
    ("<function_call>", "</function_call>"),
    ("[TOOL_REQUEST]", "[END_TOOL_REQUEST]"),
    ("<|tool_call|>", "<|/tool_call|>"),
    ("[TOOL_CALLS]", "</s>"),
    ("<|python_tag|>", "<|eom_id|>"),
)
FUNCTION_TAG = re.compile(r"<function=([\w.:-]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
FENCE = re.compile(r"```[ \t]*([\w+-]*)[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
COMMENT = re.compile(r"^[ \t]*(?://|#).*$", re.MULTILINE)
BRACKET = re.compile(r"[\[{]")
ARGUMENTS = ("arguments", "parameters", "args")
RESULTS = ("result", "results", "output", "response")
# of what a tool answered: nothing but these. A call written flat may have a `content`, too
SAID = ("content", "data", "observation", "return", "return_value", "value")
MESSAGE = {*NAMES, *SAID, "role", "type", "id", "tool_call_id", "status"}
LISTS = ("tool_calls", "function_calls", "calls")  # keys of an object that holds calls
TURN = re.compile(  # where a model goes on with a conversation of its own
    r"^[#*\s]{0,6}(?:user|human|customer|question|query|input|test cases"
    r"|instruction(?: \d{1,3})?(?: \([^)\n]{0,60}\))?)\**:"
    r"|^#{1,6} (?:user|human|instruction)\b|<\|im_start\|>user\b",
    re.IGNORECASE | re.MULTILINE,
)
QUOTE = r"[\"']"
PLACE = attrgetter("start", "end")
NO_CALL = re.compile(r"[\[\]\s,;.…]|//[^\n]*|#[^\n]*")  # between the calls of a list


class Found(NamedTuple):
    """Calls in order, and the rule that found them. `garbled`: something looks like a call and is none.
    `prose`: all there is stands in running prose, where a function may only be mentioned.
    """

    calls: tuple[ToolCall, ...] = ()
    rule: str = "none"  # tags | fence | json | python | empty_list | denied | none
    garbled: bool = False
    prose: bool = False


def find_calls(text: str, schemas: Schemas, made: Sequence[ToolCall] = ()) -> Found:
    """The calls in a text: in tags, fences and as JSON, else in Python's syntax; never raises.

    Those behind a turn of the user's that the model made up are not looked at where there are some before.
    `made`: calls of the conversation so far, of which an answer may speak.
    """
    text = text[:LONGEST]
    turn = TURN.search(text)
    found = None if turn is None else calls_in_words(text[: turn.start()], schemas, made)
    return found if found is not None and found.calls else calls_in_words(text, schemas, made)


def calls_in_words(text: str, schemas: Schemas, made: Sequence[ToolCall]) -> Found:
    """All calls that a text means."""
    marked, garbled, prose, denied = looks_like_call(text, schemas), False, False, False
    for search in (in_notation, in_python):
        found = search(text, schemas, made)
        if found is None:
            continue
        denied = denied or found.rule == "denied"
        if found.calls or found.rule == "empty_list":
            return found._replace(garbled=False, prose=found.prose and not marked)
        garbled, prose = garbled or (found.garbled and not found.prose), prose or found.prose
    if denied and not garbled:
        return Found(rule="denied")
    garbled = garbled or marked
    return Found(garbled=garbled or prose, prose=prose and not garbled)


# ------------------------------------------------------------------ the rules


def in_notation(text: str, schemas: Schemas, made: Sequence[ToolCall]) -> Found | None:
    """The whole text as JSON; else the calls in tags, in fences, and as JSON. What stands beside these as a
    call is one too, also in Python's syntax.
    """
    value = value_of(text.strip())
    if value is not UNREADABLE:
        calls = calls_of(value, schemas)
        return Found(tuple(calls or ()), "empty_list" if value == [] else "json")
    tags, garbled = in_tags(text, schemas)
    rest = without(text, tags)
    fences = [*in_fences(rest, schemas)]
    pieces = [*tags, *fences]
    rest = without(rest, fences)
    if any(piece.calls for piece in pieces):  # beside these a sentence may mention a call
        values = json_pieces(rest, schemas, beside=True)
        pieces += [piece for piece in values if stands(text, piece)]
    elif values := json_pieces(text, schemas):
        pieces = [*(piece for piece in fences if piece.is_empty), *values]
    if any(piece.calls for piece in pieces):
        code = scan(without(rest, values), schemas).pieces
        pieces += [piece for piece in code if piece.calls and stands(text, piece)]
    rule = next((piece.kind for piece in pieces if piece.calls), "none")
    found = meant(text, sorted(pieces, key=PLACE), schemas, made)
    if found.readable:
        return Found(found.calls, rule)
    if not found.calls and (found.is_empty or found.denied):
        return Found(rule="empty_list" if found.is_empty else "denied", garbled=garbled)
    return Found(garbled=True) if garbled else None


def in_tags(text: str, schemas: Schemas) -> tuple[list[Piece], bool]:
    """Hermes' and others' tags around one call each, or around a list of calls; and whether there are tags
    of which none can be read.
    """
    pieces = [
        Piece(match.start(), match.end(), "tags", [function_call(match, schemas)])
        for match in islice(FUNCTION_TAG.finditer(text), MOST_CALLS)
    ]
    tags = next((each for each in TAGS if each[0] in text), None)
    if not pieces and tags is not None:
        pieces = [*islice(tagged(text, *tags, schemas), MOST_CALLS)]
    readable = any(call.name for piece in pieces for call in piece.calls)
    return (pieces, False) if readable else ([], bool(pieces))


def tagged(text: str, opening: str, closing: str, schemas: Schemas) -> Iterator[Piece]:
    """What stands in each tag; one that cannot be read counts as a call without a name, an empty one as none.

    A tag without its end goes as far as its calls.
    """
    start = text.find(opening)
    while start >= 0:
        begin = start + len(opening)
        following = text.find(opening, begin)
        limit = len(text) if following < 0 else following
        end = text.find(closing, begin, limit)
        inner = unfenced(text[begin : limit if end < 0 else end].strip())
        value = value_of(inner)
        calls = None if value is UNREADABLE else calls_of(value, schemas)
        stop = limit if end < 0 else end + len(closing)
        if calls is None and inner[:1] in ("{", "["):
            values = json_pieces(inner, schemas)
            calls = [call for piece in values for call in (*piece.calls, *piece.broken)]
            if values and end < 0:
                stop = text.find(inner, begin) + values[-1].end
        calls = calls or python_calls(inner, schemas) or mixed(inner, schemas)
        if inner:
            yield Piece(start, stop, "tags", calls or [broken_call(inner)])
        start = following


def function_call(match: re.Match[str], schemas: Schemas) -> ToolCall:
    """`<function=name>{...}</function>`; what holds no JSON object counts as a call without a name."""
    value = value_of(match[2].strip())
    readable = isinstance(value, dict | msgspec.Raw)
    if not readable:
        return broken_call(match[2])
    return ToolCall(name=known_name(match[1], schemas), arguments=encoded(value))


def unfenced(text: str) -> str:
    match = FENCE.fullmatch(text)
    return match[2].strip() if match else text


def without(text: str, pieces: Sequence[Piece]) -> str:
    """The text with spaces for what stands in these places, which come in order."""
    kept: list[str] = []
    at = 0
    for piece in pieces:
        kept += text[at : piece.start], " " * (piece.end - piece.start)
        at = piece.end
    return "".join((*kept, text[at:]))


def in_fences(text: str, schemas: Schemas) -> Iterator[Piece]:
    """All fenced blocks: calls, an empty list, or what is neither."""
    beside = False
    for match in islice(FENCE.finditer(text), MOST_FENCES):
        body = match[2].strip()
        calls = block_calls(body, schemas)
        broken = [] if calls else broken_calls(body, schemas, beside)
        is_empty = value_of(body) == [] and match[1].lower() in ("", "json")
        beside = beside or is_empty or bool(calls)
        yield Piece(match.start(), match.end(), "fence", calls or (), broken, is_empty)


def block_calls(body: str, schemas: Schemas) -> list[ToolCall] | None:
    """The calls that a fenced block holds; None where none can be read."""
    value = value_of(body)
    if value is UNREADABLE:
        body = COMMENT.sub("", body).strip()
        value = value_of(body)
    if value is not UNREADABLE:
        return calls_of(value, schemas)
    return line_by_line(body, schemas) or python_calls(body, schemas) or mixed(body, schemas)


def broken_calls(body: str, schemas: Schemas, beside: bool) -> list[ToolCall]:
    """What begins as a call in a fenced block and cannot be read; code only `beside` calls that can."""
    if is_quoted(value_of(body)):
        return []
    pieces = broken_json(body, schemas, [(0, len(body))])
    if not pieces and beside:
        pieces = scan(body, schemas).pieces
    return [call for piece in pieces for call in piece.broken]


def mixed(text: str, schemas: Schemas) -> list[ToolCall] | None:
    """Calls of which some cannot be read; None where all can, or none."""
    for pieces in (json_pieces(text, schemas), scan(text, schemas).pieces):
        calls = [call for piece in pieces for call in piece.calls]
        if calls:
            broken = [call for piece in pieces for call in piece.broken]
            return [*calls, *broken] if broken else None
    return None


def line_by_line(body: str, schemas: Schemas) -> list[ToolCall] | None:
    """JSON values on lines of their own, all of them calls."""
    calls: list[ToolCall] = []
    for line in body.splitlines()[:MOST_CALLS]:
        value = value_of(line.strip().rstrip(",")) if line.strip() else []
        found = None if value is UNREADABLE else calls_of(value, schemas)
        if found is None:
            return None
        calls += found
    return calls


def json_pieces(text: str, schemas: Schemas, beside: bool = False) -> list[Piece]:
    """Calls as JSON, results, and what between them begins as a call and cannot be read; nothing where no
    call can be read, here or `beside`.
    """
    found: list[Piece] = []
    between, last = [], 0
    for start, end, value in json_values(text):
        calls = calls_of(value, schemas) or ()
        if calls or value == [] or is_quoted(value):
            found.append(Piece(start, end, "json", calls, is_empty=value == []))
        if calls or is_quoted(value):
            between.append((last, start))
            last = end
    if not beside and not any(piece.calls for piece in found):
        return []
    between.append((last, len(text)))
    found += broken_json(text, schemas, between)
    rest = "".join(text[start:end] for start, end in between).strip()
    if rest[:1] == "[" and closing_of(rest, 0) == len(rest) and not any(piece.broken for piece in found):
        odd = NO_CALL.sub("", rest)  # what else stands where calls stand
        found += [Piece(len(text), len(text), "json", broken=[broken_call(odd)])] if odd else []
    return sorted((each for each in found if not each.is_empty or stands(text, each)), key=PLACE)


def broken_json(text: str, schemas: Schemas, places: Sequence[tuple[int, int]]) -> list[Piece]:
    """What begins as a call in JSON in these places, which hold none that can be read."""
    names = "|".join(re.escape(name) for name in schemas) or r"(?!)"
    key, argument = "|".join(NAMES), "|".join(ARGUMENTS)
    starts = re.compile(
        rf"[{{,]\s*(?:{QUOTE}?(?:{key}){QUOTE}?\s*:\s*{QUOTE}"
        rf"(?:[\w.-]{{1,100}}{QUOTE}\s*,\s*{QUOTE}?(?:{argument}){QUOTE}?\s*:|(?:{names}){QUOTE})"
        rf"|{QUOTE}(?:{names}){QUOTE}\s*:\s*\{{)"
    )
    found = (match for start, end in places for match in starts.finditer(text, start, end))
    return [
        Piece(match.start(), match.end(), "json", broken=[broken_call(text[match.start() :])])
        for match in islice(found, MOST_CALLS)
        if not PLACEHOLDER.match(text[match.end() : match.end() + 20].lstrip(" {"))
        and not is_quoted(literal_at(text, match.start())[0])
    ]


def json_values(text: str, or_python: bool = False) -> Iterator[tuple[int, int, Json]]:
    """Objects and lists that stand in a text and their places, outermost ones, from left to right; also as
    Python writes them, where that is asked for.
    """
    at = 0
    for _ in range(MOST_TRIES):
        match = BRACKET.search(text, at)
        if match is None:
            return
        try:
            value, end = READER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            value, end = literal_at(text, match.start()) if or_python else (UNREADABLE, 0)
        if value is UNREADABLE:
            at = match.start() + 1
            continue
        at = end
        yield match.start(), end, value


def value_of(text: str) -> Json:
    """JSON, or `UNREADABLE`; an object with a key twice stays as it was written."""
    value = decoded(text)
    try:
        return READER.decode(text) if value is UNREADABLE and has_twice(text) else value
    except (ValueError, RecursionError):
        return UNREADABLE


def as_object(pairs: list[tuple[str, Json]]) -> Json:
    """An object; one with a key twice as its own text, so that whoever reads it sees that."""
    if len({name for name, _ in pairs}) == len(pairs):
        return dict(pairs)
    fields = (f"{encoded(name)}:{encoded(value)}" for name, value in pairs)
    return msgspec.Raw(f"{{{','.join(fields)}}}".encode())


def refuse(word: str) -> Json:
    raise ValueError(f"{word} is no JSON")


READER = json.JSONDecoder(object_pairs_hook=as_object, parse_constant=refuse)


def in_python(text: str, schemas: Schemas, made: Sequence[ToolCall]) -> Found | None:
    """`[f(x=1), g("a")]` or `f(x=1)`: the whole text, else wherever a known name is called."""
    whole = python_calls(text.strip(), schemas)
    if whole:
        return Found(tuple(whole), "python")
    if not schemas:
        return None
    names = re.compile(rf"(?:\[\s*)?(?:{NAMESPACES})?(?:{'|'.join(map(re.escape, schemas))})\s*\(")
    found = scan(text, schemas)
    prose = names.match(text.lstrip()) is None
    if not any(piece.calls for piece in found.pieces):
        return Found(garbled=True, prose=prose) if found.garbled else None
    empty = [piece for piece in json_pieces(text, schemas, beside=True) if piece.is_empty]
    left = meant(text, sorted([*found.pieces, *empty], key=PLACE), schemas, made)
    if left.readable:
        return Found(left.calls, "python", prose=prose)
    if left.calls or not (left.is_empty or left.denied):
        return Found(garbled=True)
    return Found(rule="empty_list" if left.is_empty else "denied")


# ------------------------------------------------------------------ JSON values that are calls


def calls_of(value: Json, schemas: Schemas) -> list[ToolCall] | None:
    """A JSON value as calls; None where it is none."""
    if isinstance(value, dict):
        value = next((value[key] for key in LISTS if isinstance(value.get(key), list)), value)
    if isinstance(value, list):
        found = [call_of(each, schemas) for each in value[:MOST_CALLS]]
        calls = [call for call in found if call is not None]
        return calls if len(calls) == len(found) else None
    call = call_of(value, schemas)
    return None if call is None else [call]


def is_quoted(value: Json) -> bool:
    """Is it a tool as the prompt describes it, with a schema for its parameters, or what one answered? Or a
    list of such?
    """
    if isinstance(value, list):
        return bool(value) and all(map(is_quoted, value))
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict):
        value = value["function"]
    if not any(key in value for key in ARGUMENTS):
        is_message = MESSAGE.issuperset(value) and len(value) > 1 and any(key in value for key in SAID)
        return is_message or value.get("role") in ("tool", "function") or any(key in value for key in RESULTS)
    fields = value.get("parameters")
    return isinstance(fields, dict) and fields.get("type") == "object" and "properties" in fields


def call_of(value: Json, schemas: Schemas) -> ToolCall | None:
    """One object as a call: a name and arguments, or a known tool's name with its arguments under it."""
    if not isinstance(value, dict) or is_quoted(value):
        return None
    value = next(
        (value[key] for key in ("function", "function_call") if isinstance(value.get(key), dict)), value
    )
    name = next((value[key] for key in NAMES if isinstance(value.get(key), str)), None)
    name = None if name is None else known_name(name, schemas)
    given = next((key for key in ARGUMENTS if key in value), None)
    if name is not None and (given is not None or (name in schemas and len(value) == 1)):
        return ToolCall(name=name, arguments=encoded({} if given is None else value[given]))
    if len(value) == 1:
        (key, arguments), *_ = value.items()
        name = known_name(key, schemas)
        if name in schemas and isinstance(arguments, dict | msgspec.Raw):
            return ToolCall(name=name, arguments=encoded(arguments))
    return None
