"""Reads calls out of an answer in words, for models without an interface for tools. Nothing is executed.

Each way of writing a call is a rule with a name: tags, fenced JSON, JSON, Python's syntax. What only looks
like a call is said to be garbled, never guessed at. Leaves out whether a call is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, decoded, has_twice
from tiltyard.suites.tools.call_marks import NAMES, looks_like_call
from tiltyard.suites.tools.calls import Schemas
from tiltyard.suites.tools.fences import is_draft, left_by, not_yet, role_of
from tiltyard.suites.tools.python_calls import (
    MOST_CALLS,
    MOST_TRIES,
    PLACEHOLDER,
    broken_call,
    closing_of,
    encoded,
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
QUOTE = r"[\"']"
NO_CALL = re.compile(r"[\[\]\s,;.…]|//[^\n]*|#[^\n]*")  # between the calls of a list


class Found(NamedTuple):
    """Calls in order, and the rule that found them. `garbled`: something looks like a call and is none.
    `prose`: all there is stands in running prose, where a function may only be mentioned.
    """

    calls: tuple[ToolCall, ...] = ()
    rule: str = "none"  # tags | fence | json | python | empty_list | none
    garbled: bool = False
    prose: bool = False


def find_calls(text: str, schemas: Schemas) -> Found:
    """The calls in a text, by the first rule that finds any; never raises."""
    text = text[:LONGEST]
    marked, garbled, prose = looks_like_call(text, schemas), False, False
    for rule, search in (("tags", in_tags), ("fence", in_fences), ("json", in_json), ("python", in_python)):
        found = search(text, schemas)
        if found is None:
            continue
        if found.calls or found.rule == "empty_list":
            name = found.rule if found.rule == "empty_list" else rule
            return Found(found.calls, name, prose=found.prose and not marked)
        garbled, prose = garbled or (found.garbled and not found.prose), prose or found.prose
    garbled = garbled or marked
    return Found(garbled=garbled or prose, prose=prose and not garbled)


# ------------------------------------------------------------------ the rules


def in_tags(text: str, schemas: Schemas) -> Found | None:
    """Hermes' and others' tags around one call each, or around a list of calls."""
    functions = list(islice(FUNCTION_TAG.finditer(text), MOST_CALLS))
    if functions:
        return function_tags(functions)
    for opening, closing in TAGS:
        if opening in text:
            return tagged(text.split(opening)[1 : MOST_CALLS + 1], closing, schemas)
    return None


def tagged(parts: Sequence[str], closing: str, schemas: Schemas) -> Found:
    """What stands in each tag; one that cannot be read counts as a call without a name."""
    calls: list[ToolCall] = []
    readable = False
    for part in parts:
        inner = part.partition(closing)[0].strip()
        inner = unfenced(inner)
        value = value_of(inner)
        found = None if value is UNREADABLE else calls_of(value, schemas)
        if found is None:
            found = python_calls(inner, schemas) or mixed(inner, schemas)
        readable = readable or bool(found)
        calls += found or [ToolCall(name="", arguments=inner)]
    return Found(tuple(calls), "tags") if readable else Found(garbled=True)


def function_tags(matches: Sequence[re.Match[str]]) -> Found:
    """`<function=name>{...}</function>`; what holds no JSON object counts as a call without a name."""
    values = [value_of(match[2].strip()) for match in matches]
    calls = [
        ToolCall(name=match[1], arguments=encoded(value))
        if isinstance(value, dict | msgspec.Raw)
        else ToolCall(name="", arguments=match[2])
        for match, value in zip(matches, values, strict=True)
    ]
    return Found(tuple(calls), "tags") if any(call.name for call in calls) else Found(garbled=True)


def unfenced(text: str) -> str:
    match = FENCE.fullmatch(text)
    return match[2].strip() if match else text


def in_fences(text: str, schemas: Schemas) -> Found | None:
    """The calls of all fenced blocks, but those that the words between them take back, and none twice."""
    kept: list[ToolCall] = []
    at, said, draft, empty, readable = 0, "", False, False, False
    for match in islice(FENCE.finditer(text), MOST_FENCES):
        said, at = said + text[at : match.start()], match.end()
        is_empty = value_of(match[2].strip()) == [] and match[1].lower() in ("", "json")
        calls = block_calls(match[2].strip(), schemas)
        found = calls or broken_calls(match[2].strip(), schemas, readable or empty)
        if not found and not is_empty:
            continue
        role = role_of(said, draft) if kept else "more"
        if role != "aside":
            empty = is_empty
            if role in ("instead", "anew") and (calls or is_empty):
                kept = left_by(calls, kept, said) if calls and role == "instead" else []
                readable = bool(kept)
            if calls:
                known = any(call.name in schemas for call in calls)
                draft = is_draft(said, known) if said.strip() else draft
            kept += not_yet(found, kept)[: MOST_CALLS - len(kept)]
            readable = readable or bool(calls)
        said = ""
    if readable:
        return Found(tuple(kept), "fence")
    return Found(rule="empty_list") if empty and not kept else None


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
    return broken_json(body, schemas) or (scan(body, schemas).broken if beside else [])


def mixed(text: str, schemas: Schemas) -> list[ToolCall] | None:
    """Calls of which some cannot be read; None where all can, or none."""
    calls, broken = json_calls(text, schemas)
    if not calls:
        calls, broken, _ = scan(text, schemas)
    return [*calls, *broken] if calls and broken else None


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


def in_json(text: str, schemas: Schemas) -> Found | None:
    """The whole text as JSON; else the values in it that are calls."""
    value = value_of(text.strip())
    if value is not UNREADABLE:
        if value == []:
            return Found(rule="empty_list")
        return Found(tuple(calls_of(value, schemas) or ()))
    calls, broken = json_calls(text, schemas)
    return Found((*calls, *broken)[:MOST_CALLS]) if calls else None


def json_calls(text: str, schemas: Schemas) -> tuple[list[ToolCall], list[ToolCall]]:
    """Calls as JSON anywhere in a text, and what between them begins as one and cannot be read."""
    calls: list[ToolCall] = []
    between, last = [], 0
    for start, end, value in json_values(text):
        found = calls_of(value, schemas)
        if found or is_quoted(value):
            calls += found or ()
            between.append(text[last:start])
            last = end
    rest = "".join((*between, text[last:])).strip()
    broken = broken_json(rest, schemas) if calls else []
    if calls and not broken and rest[:1] == "[" and closing_of(rest, 0) == len(rest):
        odd = NO_CALL.sub("", rest)  # what else stands where calls stand
        broken = [broken_call(odd)] if odd else []
    return calls, broken


def broken_json(text: str, schemas: Schemas) -> list[ToolCall]:
    """What begins as a call in JSON, in a text that holds none that can be read."""
    names = "|".join(re.escape(name) for name in schemas) or r"(?!)"
    key, argument = "|".join(NAMES), "|".join(ARGUMENTS)
    starts = re.compile(
        rf"[{{,]\s*(?:{QUOTE}?(?:{key}){QUOTE}?\s*:\s*{QUOTE}"
        rf"(?:[\w.-]{{1,100}}{QUOTE}\s*,\s*{QUOTE}?(?:{argument}){QUOTE}?\s*:|(?:{names}){QUOTE})"
        rf"|{QUOTE}(?:{names}){QUOTE}\s*:\s*\{{)"
    )
    found = islice(starts.finditer(text), MOST_CALLS)
    return [
        broken_call(text[match.start() :])
        for match in found
        if not PLACEHOLDER.match(text[match.end() : match.end() + 20].lstrip(" {"))
    ]


def json_values(text: str) -> Iterator[tuple[int, int, Json]]:
    """Objects and lists that stand in a text and their places, outermost ones, from left to right."""
    at = 0
    for _ in range(MOST_TRIES):
        match = BRACKET.search(text, at)
        if match is None:
            return
        try:
            value, at = READER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            at = match.start() + 1
            continue
        yield match.start(), at, value


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


def in_python(text: str, schemas: Schemas) -> Found | None:
    """`[f(x=1), g("a")]` or `f(x=1)`: the whole text, else wherever a known name is called."""
    whole = python_calls(text.strip(), schemas)
    if whole:
        return Found(tuple(whole))
    if not schemas:
        return None
    names = re.compile(r"(?:\[\s*)?(?:" + "|".join(re.escape(name) for name in schemas) + r")\s*\(")
    found = scan(text, schemas)
    if not found.calls and not found.garbled:
        return None
    calls = (*found.calls, *found.broken)[:MOST_CALLS] if found.calls else ()
    return Found(calls, garbled=found.garbled and not calls, prose=names.match(text.lstrip()) is None)


# ------------------------------------------------------------------ JSON values that are calls


def calls_of(value: Json, schemas: Schemas) -> list[ToolCall] | None:
    """A JSON value as calls; None where it is none."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
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
        return value.get("role") in ("tool", "function") or any(key in value for key in RESULTS)
    fields = value.get("parameters")
    return isinstance(fields, dict) and fields.get("type") == "object" and "properties" in fields


def call_of(value: Json, schemas: Schemas) -> ToolCall | None:
    """One object as a call: a name and arguments, or a known tool's name with its arguments under it."""
    if not isinstance(value, dict) or is_quoted(value):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next((value[key] for key in NAMES if isinstance(value.get(key), str)), None)
    given = next((key for key in ARGUMENTS if key in value), None)
    if name is not None and (given is not None or (name in schemas and len(value) == 1)):
        return ToolCall(name=name, arguments=encoded({} if given is None else value[given]))
    if len(value) == 1:
        (name, arguments), *_ = value.items()
        if name in schemas and isinstance(arguments, dict | msgspec.Raw):
            return ToolCall(name=name, arguments=encoded(arguments))
    return None
