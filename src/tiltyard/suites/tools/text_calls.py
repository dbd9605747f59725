"""Reads calls out of an answer in words, for models without an interface for tools. Nothing is executed.

Each way of writing a call is a rule with a name: tags, fenced JSON, JSON, Python's syntax. What only looks
like a call is said to be garbled, never guessed at. Leaves out whether a call is right.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, decoded, has_twice
from tiltyard.suites.tools.call_marks import NAMES, looks_like_call
from tiltyard.suites.tools.calls import Schemas

LONGEST = 200_000  # characters of an answer that are looked at
LONGEST_CODE = 20_000  # characters of Python's syntax in one call or list
MOST_TRIES = 200  # places at which JSON or a call may begin
MOST_CALLS = 200
DEEPEST = 40

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
BRACKET = re.compile(r"[\[{]")
ARGUMENTS = ("arguments", "parameters", "args")
JSON_WORDS = {"true": True, "false": False, "null": None}


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
            found = python_calls(inner, schemas)
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
    """The last fenced block that holds calls."""
    for match in reversed(list(FENCE.finditer(text))):
        body = match[2].strip()
        value = value_of(body)
        calls = None if value is UNREADABLE else calls_of(value, schemas)
        if calls is None and value is UNREADABLE:
            calls = line_by_line(body, schemas) or python_calls(body, schemas)
        if calls:
            return Found(tuple(calls), "fence")
        if value == [] and match[1].lower() in ("", "json"):
            return Found(rule="empty_list")
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


def in_json(text: str, schemas: Schemas) -> Found | None:
    """The whole text as JSON; else the values in it that are calls."""
    value = value_of(text.strip())
    if value is not UNREADABLE:
        if value == []:
            return Found(rule="empty_list")
        return Found(tuple(calls_of(value, schemas) or ()))
    calls: list[ToolCall] = []
    for inner in json_values(text):
        calls += calls_of(inner, schemas) or ()
    return Found(tuple(calls[:MOST_CALLS])) if calls else None


def json_values(text: str) -> Iterator[Json]:
    """Objects and lists that stand in a text, outermost ones, from left to right."""
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
        yield value


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
    names = re.compile(r"(?<![\w.])(?:" + "|".join(re.escape(name) for name in schemas) + r")\s*\(")
    calls: list[ToolCall] = []
    garbled, at = False, 0
    for _ in range(MOST_TRIES):
        match = names.search(text, at)
        if match is None:
            break
        end = closing_of(text, match.end() - 1)
        at = match.end() if end is None else end
        code = None if end is None else text[match.start() : end]
        found = None if code is None else python_calls(code, schemas)
        if found:
            calls += found
        elif code is None or code.partition("(")[2].strip() != ")":
            garbled = True
    if not calls and not garbled:
        return None
    return Found(tuple(calls[:MOST_CALLS]), garbled=garbled, prose=names.match(text.lstrip()) is None)


def closing_of(text: str, at: int) -> int | None:
    """The place behind the bracket that closes the one at `at`; quotes are looked through."""
    depth, quote = 0, ""
    for place in range(at, min(len(text), at + LONGEST_CODE)):
        letter = text[place]
        if quote:
            if letter == quote and text[place - 1] != "\\":
                quote = ""
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


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


def call_of(value: Json, schemas: Schemas) -> ToolCall | None:
    """One object as a call: a name and arguments, or a known tool's name with its arguments under it."""
    if not isinstance(value, dict):
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


def encoded(value: Json) -> str:
    """Arguments as JSON; a text becomes a JSON text, and what JSON cannot hold one that is no JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        return "no JSON"


# ------------------------------------------------------------------ Python's syntax, read and never run


def python_calls(code: str, schemas: Schemas) -> list[ToolCall] | None:
    """Calls as Python writes them, of known tools, literals only; None for anything else."""
    if len(code) > LONGEST_CODE or "(" not in code or not any(name in code for name in schemas):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in the text that is read
            tree = ast.parse(code, mode="exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes: list[ast.expr] = []
    for statement in tree.body:
        if not isinstance(statement, ast.Expr):
            return None
        inner = statement.value
        nodes += inner.elts if isinstance(inner, ast.List | ast.Tuple) else [inner]
    calls: list[ToolCall] = []
    for node in nodes[:MOST_CALLS]:
        call = python_call(node, schemas)
        if call is None:
            return None
        calls.append(call)
    return calls or None


def python_call(node: ast.expr, schemas: Schemas) -> ToolCall | None:
    """One call; positional arguments take the parameters in the order of the schema's properties."""
    name = dotted(node.func) if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or name is None or name not in schemas:
        return None
    arguments: dict[str, Json] = {}
    parameters = list(schemas[name].get("properties") or ())
    if len(node.args) > len(parameters):
        return None
    pairs = [*zip(parameters, node.args, strict=False), *((each.arg, each.value) for each in node.keywords)]
    for key, part in pairs:
        if key is None or key in arguments:  # **more, or given twice
            return None
        value = literal(part)
        if value is UNREADABLE:
            return None
        arguments[key] = value
    return ToolCall(name=name, arguments=encoded(arguments))


def dotted(node: ast.expr) -> str | None:
    """`a.b.c`, or None for anything that is not names joined by dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def literal(node: ast.expr, depth: int = 0) -> Json:
    """A literal's JSON value; UNREADABLE for names, calls, sums and all else that would have to be run."""
    if depth > DEEPEST:
        return UNREADABLE
    if isinstance(node, ast.Constant):
        fine = node.value is None or isinstance(node.value, bool | int | float | str)
        return node.value if fine else UNREADABLE
    if isinstance(node, ast.Name):
        return JSON_WORDS.get(node.id, UNREADABLE)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = literal(node.operand, depth + 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNREADABLE
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.List | ast.Tuple):
        values = [literal(each, depth + 1) for each in node.elts]
        return UNREADABLE if UNREADABLE in values else values
    if isinstance(node, ast.Dict):
        return literal_object(node, depth)
    return UNREADABLE


def literal_object(node: ast.Dict, depth: int) -> Json:
    found: dict[str, Json] = {}
    for key, part in zip(node.keys, node.values, strict=True):
        value = literal(part, depth + 1)
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str) or value is UNREADABLE:
            return UNREADABLE
        if key.value in found:
            return UNREADABLE
        found[key.value] = value
    return found
