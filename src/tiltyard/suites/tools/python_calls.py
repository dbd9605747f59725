"""Calls as Python writes them: found in a text, read by walking the syntax tree, and never run.

What stands where calls stand counts as a call, also where it cannot be read or names no tool; what a sentence
mentions does not.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE
from tiltyard.suites.tools.calls import NAMESPACES, Schemas, known_name
from tiltyard.suites.tools.meant import MOST_CALLS, Piece

LONGEST_CODE = 20_000  # characters of Python's syntax in one call or list
MOST_TRIES = 200  # places at which JSON or a call may begin
DEEPEST = 40
NEAR = 200  # characters before and after a call that are looked at
LONGEST_RESULT = 4_000  # characters of a dictionary or list that is no call
LONGEST_BROKEN = 500  # characters that are kept of a call that cannot be read

JSON_WORDS = {"true": True, "false": False, "null": None}
NAME = r"[A-Za-z_][\w.]*"
# before a call that opens a line: a mark of a list, an open bracket, a print around it
HEAD = re.compile(r"[\s>]*(?P<bullet>(?:[-*+•]|\d+[.)])\s+)?[\s`*\[(]*(?:print\()*")
BETWEEN = re.compile(r"[\s`*)]*[,;][\s`*(]*(?:print\()*")  # between two calls on one line
TAIL = re.compile(rf"[ \t`*)]*(?:[.,;]?[ \t]*(?:$|[\]#]|//)|[,;][ \t`*(]*{NAME}\()", re.MULTILINE)
NAMED = re.compile(r"[(,]\s*\w+\s*=(?!=)")
VALUE = re.compile(r"[\"'\d]|=\s*\w")
PLACEHOLDER = re.compile(r"\.\.\.|…|=\s*[<?]")


class Scan(NamedTuple):
    """What was found in a text, from left to right. `garbled`: a known tool's call cannot be read."""

    pieces: list[Piece]
    garbled: bool = False


class Place(NamedTuple):
    """Where a name and a bracket stand. `stands`: as a call does; `listed`: in a list's brackets."""

    stands: bool
    listed: bool
    bullet: bool = False


NOWHERE = Place(stands=False, listed=False)


def broken_call(code: str) -> ToolCall:
    """A call that cannot be read: one without a name."""
    return ToolCall(name="", arguments=code[:LONGEST_BROKEN])


def scan(text: str, schemas: Schemas) -> Scan:
    """Calls of known tools wherever they stand, and what stands beside them where calls stand."""
    known = "|".join(re.escape(name) for name in schemas)
    names = re.compile(
        rf"(?<![\w.])(?:(?P<known>(?:{NAMESPACES})?(?:{known}))\s*|(?P<other>{NAME}))\(" if known else r"(?!)"
    )
    pieces: list[Piece] = []
    garbled, at, last, place = False, 0, 0, NOWHERE
    tries: Counter[bool] = Counter()  # known or not
    while (match := names.search(text, at)) is not None and tries[True] < MOST_TRIES:
        tries[match["known"] is not None] += 1
        if tries[False] > MOST_TRIES and match["known"] is None:
            at = match.end()
            continue
        end = closing_of(text, match.end() - 1)
        code = text[match.start() : match.end() + LONGEST_CODE if end is None else end]
        here = place_of(text, match, end, (last, place), schemas)
        if match["known"] is None:
            call = None if is_helper(match["other"], text) else foreign_call(code, here, end is None)
            calls, broken = [], [] if call is None else [call]
            at = match.end() if call is None or not call.name or end is None else end
        else:
            calls = [] if end is None else python_calls(code, schemas) or []
            garbled = garbled or not (calls or (end is not None and is_mention(code, here)))
            broken = [broken_call(code)] if not calls and is_meant(code, match, here) else []
            at = match.end() if end is None else end
        if calls or broken:
            pieces.append(Piece(match.start(), at, "python", calls, broken))
        if match["known"] is not None or at == end:
            last, place = at, here
    if any(piece.calls for piece in pieces):
        odd = other_elements(text)
        pieces += [Piece(len(text), len(text), "python", broken=[broken_call(text.strip())])] * odd
    return Scan(pieces, garbled)


def place_of(
    text: str, match: re.Match[str], end: int | None, before: tuple[int, Place], schemas: Schemas
) -> Place:
    """Does a call stand where calls stand: in a list, or from a line's beginning to its end?"""
    last, place = before
    start = match.start()
    line = text.rfind("\n", 0, start) + 1
    whole = end is None or TAIL.match(text[end : end + NEAR]) is not None
    gap = text[max(last, start - NEAR) : start]
    chained = BETWEEN.fullmatch(gap) is not None
    if place.listed and chained:
        return Place(stands=True, listed=True)
    if gap.rstrip().endswith("["):
        bracket = start - 1 - (len(gap) - len(gap.rstrip()))
        inner = text[bracket : closing_of(text, bracket) or len(text)]
        listed = not text[line:bracket].strip() or any(f"{name}(" in inner for name in schemas)
        return Place(stands=listed, listed=listed)
    if last > line:
        return Place(place.stands and whole and chained, listed=False)
    head = HEAD.fullmatch(text, line, start) if start - line < NEAR else None
    if head is None or not whole:
        return NOWHERE
    return Place(stands=True, listed=False, bullet=head["bullet"] is not None)


def is_meant(code: str, match: re.Match[str], place: Place) -> bool:
    """Is a known tool's call that cannot be read one all the same, and not a mention of the tool?"""
    if not place.stands:
        return NAMED.search(code) is not None and PLACEHOLDER.search(code) is None
    if place.bullet and NAMED.search(code) is None:  # a list of what is at hand: - f(a, b)
        return False
    return place.listed or not match[0][:-1].endswith((" ", "\n", "\t")) or NAMED.search(code) is not None


def is_mention(code: str, place: Place) -> bool:
    """Has a call no values, in a sentence or a list of what is at hand: `f(...)`, `f(x=?)`, `f(place)`?"""
    return (not place.stands or place.bullet) and (
        PLACEHOLDER.search(code) is not None or VALUE.search(code) is None
    )


def is_helper(name: str, text: str) -> bool:
    """Is a name Python's own, or one that the text itself brings in?"""
    root = name.partition(".")[0]
    if hasattr(builtins, root) or keyword.iskeyword(root):
        return True
    return (
        re.search(rf"\b(?:def|class|import|as)\s+{root}\b|^[ \t]*{root}[ \t]*=", text, re.MULTILINE)
        is not None
    )


def foreign_call(code: str, place: Place, is_open: bool) -> ToolCall | None:
    """A call of a tool that does not exist, where a call stands; None for anything else."""
    if not place.stands or (is_open and not place.listed):
        return None
    node = None if is_open else expression(code)
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        values = {each.arg: literal(each.value) for each in node.keywords if each.arg}
        readable = not node.args and len(values) == len(node.keywords)
        if name is not None and readable and UNREADABLE not in values.values() and (values or place.listed):
            return ToolCall(name=name, arguments=encoded(values))
        told = bool(node.keywords) or any(literal(each) is not UNREADABLE for each in node.args)
        return broken_call(code) if told or place.listed else None
    return broken_call(code) if place.listed or NAMED.search(code) else None


def other_elements(text: str) -> int:
    """How many elements are no calls, in a text that is a list."""
    node = expression(text.strip())
    return sum(not isinstance(each, ast.Call) for each in node.elts) if isinstance(node, ast.List) else 0


def parsed(code: str) -> list[ast.stmt] | None:
    """Python's statements; None where they are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in the text that is read
            return ast.parse(code, mode="exec").body if len(code) <= LONGEST_CODE else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def expression(code: str) -> ast.expr | None:
    """The one expression that a text is."""
    body = parsed(code)
    return body[0].value if body and len(body) == 1 and isinstance(body[0], ast.Expr) else None


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


def python_calls(code: str, schemas: Schemas) -> list[ToolCall] | None:
    """Calls as Python writes them, of known tools, literals only; None for anything else."""
    if "(" not in code or not any(name in code for name in schemas):
        return None
    body = parsed(code)
    nodes: list[ast.expr] = []
    for statement in body or ():
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
    """One call; positional arguments take the parameters in the order of the schema's properties, and one
    object that can be none of them holds all.
    """
    name = known_name(dotted(node.func) or "", schemas) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or name not in schemas:
        return None
    properties = schemas[name].get("properties") or {}
    whole = whole_arguments(node, properties)
    if whole is not None:
        return ToolCall(name=name, arguments=encoded(whole))
    arguments: dict[str, Json] = {}
    parameters = list(properties)
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


def whole_arguments(node: ast.Call, properties: Mapping[str, Json]) -> Json:
    """The arguments of `f({"a": 1})`, where f takes an `a` and its first parameter is no object; or None."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Dict) or not properties:
        return None
    first = next(iter(properties.values()))
    if not isinstance(first, dict) or first.get("type") not in (
        "string",
        "number",
        "integer",
        "boolean",
        "array",
    ):
        return None
    value = literal(node.args[0])
    return value if isinstance(value, dict) and value and value.keys() <= properties.keys() else None


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


def literal_at(text: str, start: int) -> tuple[Json, int]:
    """The dictionary or list that Python writes so, and its end; UNREADABLE where none begins here."""
    code = text[start : start + LONGEST_RESULT]
    end = closing_of(code, 0)
    node = expression(code[:end]) if end is not None else None
    return literal(node) if node is not None else UNREADABLE, start + (end or 0)


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


def encoded(value: Json) -> str:
    """Arguments as JSON; a text becomes a JSON text, and what JSON cannot hold one that is no JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        return "no JSON"
