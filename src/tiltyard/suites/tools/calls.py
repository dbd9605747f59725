"""A call as sent becomes a call as read: its arguments, strictly and leniently, or what is wrong with it.

Strict is what arrived; lenient lets numbers, booleans, lists and objects come as text (also where a text is
allowed), whole numbers as floats, and optional arguments and fields empty. Whether it is the call that was
wanted is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tiltyard.records import Json, ToolCall
from tiltyard.suites.tools.arguments import UNREADABLE, alike, coerced, decoded, has_twice, too_deep

LONGEST = 1 << 20  # characters of arguments that are read; no tool here could want more

NAMESPACES = r"(?:functions|tools|default_api)\."
NAMESPACE = re.compile(rf"^{NAMESPACES}")

Schemas = Mapping[str, Mapping[str, Json]]  # of the parameters, by the tool's name


class ReadCall(NamedTuple):
    """One call. `fault`: not_json | duplicate_key | not_object | too_long | too_deep | unknown_tool | schema;
    None: none.
    """

    name: str
    strict: Mapping[str, Json] | None  # as sent; None: no object
    lenient: Mapping[str, Json] | None  # brought to the schema's types
    fault: str | None = None
    lenient_fault: str | None = None
    same: bool = False  # strict and lenient reading see the same
    turned: Mapping[str, Json] | None = None  # lenient, with texts turned that the schema allows as texts
    typed: Mapping[str, Json] | None = None  # brought to the schema's types, nothing left out

    def unchanged(self, name: str) -> bool:
        """Was this argument sent in the type that the schema has? One that lenient reading drops is judged
        as it was sent.
        """
        if self.same or self.strict is None or self.typed is None:
            return self.same
        return name in self.strict and alike(self.strict[name], self.typed[name])


def schemas_of(tools: Sequence[Mapping[str, Json]]) -> Schemas:
    """The parameters' schemas of tools in the shape of a request."""
    return {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools}


def known_name(name: str, schemas: Schemas) -> str:
    """A tool's name without the namespace that models put before it: of `functions.f` f, where f is one."""
    bare = NAMESPACE.sub("", name)
    return bare if name not in schemas and bare in schemas else name


def read_call(call: ToolCall, schemas: Schemas) -> ReadCall:
    """Read one call; never raises, whatever was sent."""
    schema = schemas.get(call.name)
    if len(call.arguments) > LONGEST:
        return ReadCall(call.name, None, None, "too_long", "too_long")
    value = {} if not call.arguments.strip() else decoded(call.arguments)
    if value is UNREADABLE:
        broken = "duplicate_key" if has_twice(call.arguments) else "not_json"
        return ReadCall(call.name, None, None, broken, broken)
    if too_deep(value):
        return ReadCall(call.name, None, None, "too_deep", "too_deep")
    strict = value if isinstance(value, dict) else None
    lenient = strict if strict is not None else inner_object(value)
    turned = typed = None
    if lenient is not None and schema is not None:
        given = lenient
        typed = coerced(given, schema)
        lenient = without_empty(typed, schema)
        turned = without_empty(coerced(given, schema, texts_too=True), schema)
    turned = None if alike(turned, lenient) else turned
    same = strict is not None and turned is None and alike(strict, lenient)
    fault = "not_object" if strict is None else fault_of(strict, schema)
    softer = fault if same else "not_object" if lenient is None else fault_of(lenient, schema)
    if softer is not None and turned is not None:
        softer = fault_of(turned, schema)
    return ReadCall(call.name, strict, lenient, fault, softer, same, turned, typed)


def without_empty(arguments: Mapping[str, Json], schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """Arguments without optional ones that hold nothing: null, "", [] or {} stand for leaving them out.

    So do fields further in, where the schema names them: what it does not name may be data, {"Ada": ""}.
    """
    fields, required = fields_of(schema)
    inner = {name: without_empty_fields(value, fields.get(name)) for name, value in arguments.items()}
    return {name: value for name, value in inner.items() if name in required or not is_empty(value)}


def without_empty_fields(value: Json, schema: Json) -> Json:
    """The same within an argument, as deep as the schema describes it."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [without_empty_fields(each, schema.get("items")) for each in value]
    if not isinstance(value, dict):
        return value
    fields, required = fields_of(schema)
    inner = {name: without_empty_fields(each, fields.get(name)) for name, each in value.items()}
    return {
        name: each
        for name, each in inner.items()
        if name in required or name not in fields or not is_empty(each)
    }


def fields_of(schema: Mapping[str, Json]) -> tuple[Mapping[str, Json], Sequence[Json]]:
    """The fields that a schema names, and those of them that it requires; a data set's may hold anything."""
    fields, required = schema.get("properties"), schema.get("required")
    return fields if isinstance(fields, Mapping) else {}, required if isinstance(required, list) else []


def is_empty(value: Json) -> bool:
    return value is None or value in ("", [], {})


def inner_object(value: Json) -> Mapping[str, Json] | None:
    """The object in a text that holds one as JSON; null stands for no arguments."""
    if value is None:
        return {}
    inner = decoded(value) if isinstance(value, str) else None
    return inner if isinstance(inner, dict) and not too_deep(inner) else None


def fault_of(arguments: Mapping[str, Json], schema: Mapping[str, Json] | None) -> str | None:
    if schema is None:
        return "unknown_tool"
    judge = judge_of(msgspec.json.encode(schema))
    return None if judge is None or judge.is_valid(arguments) else "schema"


@lru_cache(maxsize=512)
def judge_of(schema: bytes) -> Any:
    """A compiled judge for a schema; None where the schema is none (a data set's own fault)."""
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            msgspec.json.decode(schema), validate_formats=True, retriever=refuse
        )
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def refuse(address: str) -> Json:
    """Nothing is fetched because a schema says so."""
    raise ValueError(f"{address} is not fetched")
