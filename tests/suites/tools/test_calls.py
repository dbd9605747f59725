"""Reading a call: whatever is sent as arguments, it is read or its fault has a name."""

from __future__ import annotations

import json
import time

import pytest

from tiltyard.records import ToolCall
from tiltyard.suites.tools.calls import ReadCall, read_call, schemas_of

TOOL = {
    "type": "function",
    "function": {
        "name": "tip",
        "parameters": {
            "type": "object",
            "properties": {"bill": {"type": "number"}, "percent": {"type": "integer", "maximum": 100}},
            "required": ["bill", "percent"],
        },
    },
}
SCHEMAS = schemas_of([TOOL])


def read(arguments: str, name: str = "tip") -> ReadCall:
    return read_call(ToolCall(name=name, arguments=arguments), SCHEMAS)


@pytest.mark.parametrize(
    ("arguments", "fault", "lenient_fault"),
    [
        ('{"bill": 85.5, "percent": 20}', None, None),
        ('{"bill": "85.5", "percent": "20"}', "schema", None),
        ('{"bill": 85.5, "percent": 120}', "schema", "schema"),
        ('{"bill": 85.5}', "schema", "schema"),
        ('"{\\"bill\\": 85.5, \\"percent\\": 20}"', "not_object", None),
        ('"nothing"', "not_object", "not_object"),
        ("[85.5, 20]", "not_object", "not_object"),
        ("null", "not_object", "schema"),
        ("", "schema", "schema"),
        ('{"bill": 85.5, "percent": 20', "not_json", "not_json"),
        ("bill=85.5", "not_json", "not_json"),
        ('{"bill": 85.5, "percent": 20, "percent": 15}', "duplicate_key", "duplicate_key"),
        ('{"bill": 85.5, "percent": 20, "percent": 20}', "duplicate_key", "duplicate_key"),
        ('{"bill": 85.5, "percent": 20, "more": [{"a": 1, "\\u0061": 2}]}', "duplicate_key", "duplicate_key"),
        ('{"bill": 1, "bill": 2', "not_json", "not_json"),
        ('"{\\"bill\\": 1, \\"bill\\": 2}"', "not_object", "not_object"),
        ('{"bill": NaN, "percent": 20}', "not_json", "not_json"),
        ("[" * 100_000, "not_json", "not_json"),
        ('{"bill": ' + "[" * 60 + "]" * 60 + "}", "too_deep", "too_deep"),
        ('{"bill": ' + "[" * 900 + "]" * 900 + "}", "too_deep", "too_deep"),
        ('"' + "\\u0000" * 10 + '"', "not_object", "not_object"),
    ],
)
def test_every_fault_has_a_name(arguments: str, fault: str | None, lenient_fault: str | None) -> None:
    found = read(arguments)
    assert (found.fault, found.lenient_fault) == (fault, lenient_fault)


def test_optional_ones_may_leniently_be_empty() -> None:
    properties = {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "array"}}
    schema = {"type": "object", "properties": properties, "required": ["a"]}
    sent = ToolCall(name="f", arguments='{"a": "", "b": null, "c": [], "d": {}}')
    found = read_call(sent, {"f": schema})
    assert found.lenient == {"a": ""}
    assert (found.fault, found.lenient_fault) == ("schema", None)
    assert not found.same
    zeros = read_call(ToolCall(name="f", arguments='{"a": "x", "b": 0, "c": [0], "d": false}'), {"f": schema})
    assert zeros.lenient == zeros.strict
    assert zeros.same


INNER = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "note": {"type": "string"},
        "tags": {"type": "array"},
        "marks": {"type": "object", "additionalProperties": {"type": "string"}},
        "place": {"type": "object", "properties": {"room": {"type": "string"}}},
    },
    "required": ["name"],
}
GUESTS = {"properties": {"guest": INNER, "guests": {"type": "array", "items": INNER}}, "required": ["guest"]}


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ({"name": "Ada", "note": ""}, {"name": "Ada"}),
        ({"name": "Ada", "note": None, "tags": []}, {"name": "Ada"}),
        ({"name": ""}, {"name": ""}),  # required
        ({"name": "Ada", "place": {"room": ""}}, {"name": "Ada"}),
        ({"name": "Ada", "place": {"room": "4"}}, {"name": "Ada", "place": {"room": "4"}}),
        ({"name": "Ada", "marks": {"a": ""}}, {"name": "Ada", "marks": {"a": ""}}),  # names of its own
        ({"name": "Ada", "other": ""}, {"name": "Ada", "other": ""}),  # the schema does not know it
        ({"name": "Ada", "tags": ["", None]}, {"name": "Ada", "tags": ["", None]}),
    ],
)
def test_optional_fields_further_in_may_leniently_be_empty(sent: object, left: object) -> None:
    arguments = json.dumps({"guest": sent, "guests": [sent, sent]})
    found = read_call(ToolCall(name="f", arguments=arguments), {"f": GUESTS})
    assert found.strict == {"guest": sent, "guests": [sent, sent]}
    assert found.lenient == {"guest": left, "guests": [left, left]}
    assert found.same is (sent == left)
    assert found.unchanged("guest")  # no type was changed


def test_odd_schemas_are_no_obstacle() -> None:
    inner = {
        "type": "object",
        "required": True,
        "properties": {"note": {"type": "string", "required": False}},
    }
    schema = {"properties": {"guest": inner, "more": {"properties": []}}, "required": "guest"}
    sent = {"guest": {"note": "", "name": "Ada"}, "more": {"a": None}}
    found = read_call(ToolCall(name="f", arguments=json.dumps(sent)), {"f": schema})
    assert found.lenient == {"guest": {"name": "Ada"}, "more": {"a": None}}


def test_a_tool_that_does_not_exist() -> None:
    assert read("{}", name="format_disk").fault == "unknown_tool"


def test_whole_floats_are_changed_by_lenient_reading_only() -> None:
    found = read('{"bill": 85, "percent": 20.0}')
    assert found.fault is None
    assert found.unchanged("bill")
    assert not found.unchanged("percent")
    assert found.lenient == {"bill": 85, "percent": 20}


@pytest.mark.parametrize("kinds", [["integer", "string"], ["string", "integer"]])
def test_a_text_that_the_schema_allows_is_as_it_should_be(kinds: list[str]) -> None:
    schema = {"type": "object", "properties": {"zip": {"type": kinds, "maximum": 99_999}}}
    found = read_call(ToolCall(name="f", arguments='{"zip": "02139"}'), {"f": schema})
    assert found.unchanged("zip")
    assert (found.fault, found.lenient_fault) == (None, None)
    assert found.lenient == {"zip": "02139"}
    assert found.turned == {"zip": 2139}
    assert not found.same  # a forgiving reader may see the number


def test_five_megabytes_cost_nothing() -> None:
    start = time.thread_time()
    found = read(json.dumps({"bill": "9" * 5_000_000}))
    assert found.fault == "too_long"
    assert time.thread_time() - start < 2


def test_a_schema_that_points_elsewhere_fetches_nothing() -> None:
    tool = {"function": {"name": "f", "parameters": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    found = read_call(ToolCall(name="f", arguments='{"a": 1}'), schemas_of([tool]))
    assert found.fault is None  # such a schema judges nothing


def test_a_schema_that_is_none_judges_nothing() -> None:
    tool = {"function": {"name": "f", "parameters": {"type": "dict", "properties": {}}}}
    assert read_call(ToolCall(name="f", arguments="{}"), schemas_of([tool])).fault is None
