"""The leaderboard's function descriptions as tools of a request: type names, names with dots, its two hints.

The hints are the ones that its own requests carry, so that a model sees the same. Leaves out Java and
JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.records import Json
from tiltyard.suites.tools.bfcl import Function, Question

SCHEMA_TYPES: Mapping[str, str] = {
    "string": "string", "integer": "integer", "boolean": "boolean", "array": "array",
    "float": "number", "tuple": "array", "dict": "object", "any": "string",
    "number": "number", "object": "object", "list": "array", "bool": "boolean", "int": "integer",
    "str": "string",
}  # fmt: skip
PYTHON_HINT = " Note that the provided function is in Python 3 syntax."
FLOAT_HINT = " This is a float type value."
DEEPEST = 30


def tools_for(question: Question, dotted: bool) -> tuple[Mapping[str, Json], ...]:
    """A question's functions as tools; dots in names become underscores, which most servers require."""
    return tuple(tool_of(function, dotted) for function in question.function)


def tool_of(function: Function, dotted: bool) -> Mapping[str, Json]:
    parameters = {**function.parameters, "type": "object"}
    parameters["properties"] = converted_fields(parameters.get("properties"), 0)
    return {
        "type": "function",
        "function": {
            "name": function.name if dotted else function.name.replace(".", "_"),
            "description": function.description + PYTHON_HINT,
            "parameters": parameters,
        },
    }


def converted_fields(fields: Json, depth: int) -> dict[str, Json]:
    known = fields if isinstance(fields, Mapping) else {}
    return {name: converted(field, depth + 1) for name, field in known.items()}


def converted(described: Json, depth: int, *, element: bool = False) -> Json:
    """A description with JSON Schema's type names, all the way down; elements of lists have no hint."""
    if not isinstance(described, Mapping) or depth > DEEPEST:
        return {}
    kind = described.get("type")
    found = {**described, "type": SCHEMA_TYPES.get(kind, "string") if isinstance(kind, str) else "string"}
    if kind == "float" and not element:
        found |= {"format": "float", "description": str(described.get("description", "")) + FLOAT_HINT}
    if "properties" in described:
        found["properties"] = converted_fields(described["properties"], depth)
    if "items" in described:
        found["items"] = converted(described["items"], depth + 1, element=True)
    return found


def names_of(questions: Sequence[Function]) -> Mapping[str, Mapping[str, Json]]:
    """Parameters by the function's own name."""
    return {function.name: function.parameters for function in questions}
