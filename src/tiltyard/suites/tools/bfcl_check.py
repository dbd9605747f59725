"""Is a call what the Berkeley Function Calling Leaderboard accepts? The rules of its checker for Python.

Written anew from its observed behaviour, and compared with it call by call (docs/tools.md names every
deliberate difference). Values are compared as Python compares them: True equals 1 inside lists and objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tiltyard.records import Json
from tiltyard.suites.matching import perfect

OMITTED = ""  # among the acceptable values: the parameter may be left out

TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
    # JSON Schema's and Python's own names, which the leaderboard's checker does not know
    "number": float,
    "object": dict,
    "list": list,
    "bool": bool,
    "str": str,
    "int": int,
}
FRACTIONS = ("float", "number")
LISTS = ("array", "tuple", "list")
DROPPED = str.maketrans("'", '"', " ,./-_*^")

Call = tuple[str, Mapping[str, Json]]  # name, arguments
Accepted = Mapping[str, Mapping[str, Sequence[Json]]]  # {name: {parameter: acceptable values}}
Functions = Mapping[str, Mapping[str, Any]]  # parameters (properties, required) by the function's name


class Verdict(NamedTuple):
    """`valid`: every call has its own answer. `greedy`: also where each answer takes the first that fits."""

    valid: bool
    greedy: bool
    reason: str = ""


def check(functions: Functions, calls: Sequence[Call], accepted: Sequence[Accepted], dotted: bool) -> Verdict:
    """Judge the calls of one answer. `dotted`: names keep their dots; else dots became underscores."""
    if len(calls) != len(accepted):
        return Verdict(False, False, f"{len(calls)} calls instead of {len(accepted)}")
    faults = [[fault_of(functions, call, answer, dotted) for call in calls] for answer in accepted]
    edges = [[fault is None for fault in row] for row in faults]
    if perfect(edges):
        return Verdict(True, greedily(edges))
    first = next((row for row in faults if None not in row), faults[0])
    return Verdict(False, False, first[0] or "one call answers several needs")


def greedily(edges: Sequence[Sequence[bool]]) -> bool:
    """Does everybody get a call when each answer in turn takes the first that is left and fits?"""
    taken: set[int] = set()
    for row in edges:
        found = next((place for place, fits in enumerate(row) if fits and place not in taken), None)
        if found is None:
            return False
        taken.add(found)
    return True


def fault_of(functions: Functions, call: Call, accepted: Accepted, dotted: bool) -> str | None:
    """What is wrong with a call as an answer to this need; None: nothing."""
    (name, wanted), *_ = accepted.items()
    function = functions.get(name)
    if function is None:
        return f"{name} is none of the functions"
    if call[0] != (name if dotted else name.replace(".", "_")):
        return f"{call[0][:80]} instead of {name}"
    arguments, described = call[1], function.get("properties") or {}
    missing = next((each for each in function.get("required") or () if each not in arguments), None)
    if missing is not None:
        return f"{missing} is missing"
    for parameter, value in arguments.items():
        if parameter not in described or parameter not in wanted:
            return f"{parameter[:80]} was not expected"
        if not accepts(described[parameter], value, wanted[parameter]):
            return f"{parameter}: {str(value)[:80]} is none of the values"
    absent = next((each for each in wanted if each not in arguments and OMITTED not in wanted[each]), None)
    return None if absent is None else f"{absent} may not be left out"


def accepts(described: Json, value: Json, values: Sequence[Json]) -> bool:
    """Is a value of the described type, or of the first acceptable value's type, and acceptable?"""
    kind = described.get("type") if isinstance(described, Mapping) else None
    wanted = TYPES.get(kind) if isinstance(kind, str) else None
    first = next((type(each) for each in values if each != OMITTED), None)
    if wanted is None:
        return value in values  # a type that nobody defined
    if kind in FRACTIONS and type(value) is int:
        value = as_float(value)
    inner = inner_type(described) if kind in LISTS else None
    if type(value) is wanted:
        if isinstance(value, list) and inner is not None and not holds(value, values, inner):
            return False
        if first is not None and first is not wanted:
            return value in values
    elif first is None or type(value) is not first:
        return False
    else:
        return value in values
    if isinstance(value, dict):
        return any(object_fits(value, each) for each in values if each != OMITTED)
    if isinstance(value, list):
        fit = objects_fit if inner is dict else list_fits
        return any(fit(value, each) for each in values)
    if isinstance(value, str):
        return standard(value) in [standard(each) for each in values if isinstance(each, str)]
    return value in values


def as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def inner_type(described: Mapping[str, Json]) -> type | None:
    """The type of a list's elements; None where it is not said."""
    items = described.get("items")
    kind = items.get("type") if isinstance(items, Mapping) else None
    return TYPES.get(kind) if isinstance(kind, str) else None


def holds(value: list[Json], values: Sequence[Json], inner: type) -> bool:
    """Are all elements of the inner type, or of the type of an acceptable list's first element?"""
    for each in values:
        if type(each) is not list:
            return True
        first = next((type(element) for element in each if element != OMITTED), None)
        if all(type(element) is inner or (first is not None and type(element) is first) for element in value):
            return True
    return False


def standard(text: str) -> str:
    """Without spaces and , . / - _ * ^, in small letters, with double quotes."""
    return text.translate(DROPPED).lower()


def standard_element(value: Json) -> Json:
    return standard(value) if type(value) is str else value


def list_fits(value: list[Json], accepted: Json) -> bool:
    """Same length, same order; texts are standardised, but not those in inner lists. "" stands for []."""
    if not isinstance(accepted, list | str):
        return False
    return [standard_element(each) for each in value] == [standard_element(each) for each in accepted]


def object_fits(value: Json, accepted: Json) -> bool:
    """Acceptable values for every key, none missing that may not be left out, none besides."""
    if not isinstance(value, dict) or not isinstance(accepted, dict):
        return False
    for key, element in value.items():
        values = accepted.get(key)
        if not isinstance(values, list | str):
            return False
        if standard_element(element) not in [standard_element(each) for each in values]:
            return False
    return all(
        key in value or (isinstance(values, list | str) and OMITTED in values)
        for key, values in accepted.items()
    )


def objects_fit(value: list[Json], accepted: Json) -> bool:
    """As many objects, each in its place."""
    return (
        isinstance(accepted, list | str)
        and len(value) == len(accepted)
        and all(map(object_fits, value, accepted))
    )
