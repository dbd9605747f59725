"""Tool calls put together from what servers really send."""

from __future__ import annotations

from typing import Any

import pytest

from tiltyard.servers.tool_calls import ToolCalls


def calls_of(*fragments: Any) -> list[tuple[str, str, str | None]]:
    calls = ToolCalls()
    for fragment in fragments:
        calls.add(fragment)
    return [(c.name, c.arguments, c.id) for c in calls.finished()]


def part(arguments: Any = None, name: str | None = None, **rest: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name is not None else {})
    return {"function": function, **rest}


def test_fragments_join_by_index():
    assert calls_of(
        part("", "f", index=0, id="a"),
        part('{"x"', index=0),
        part("", "g", index=1, id="b"),
        part(":1}", index=0),
        part("{}", index=1),
    ) == [("f", '{"x":1}', "a"), ("g", "{}", "b")]


def test_index_zero_for_every_call_opens_new_ones_by_id():
    assert calls_of(part("{}", "f", index=0, id="a"), part("{}", "g", index=0, id="b")) == [
        ("f", "{}", "a"),
        ("g", "{}", "b"),
    ]


def test_a_missing_index_follows_the_id():
    assert calls_of(part("{", "f", id="a"), part("}"), part("{}", "g", id="b"), part("", id="b")) == [
        ("f", "{}", "a"),
        ("g", "{}", "b"),
    ]


def test_names_may_be_empty_or_repeated():
    assert calls_of(part("{", "f", index=0, id="a"), part("}", "", index=0), part("", "f", index=0)) == [
        ("f", "{}", "a")
    ]


@pytest.mark.parametrize("mark", [{}, {"index": 0}, {"index": None}])
def test_whole_calls_one_after_the_other_are_as_many(mark):
    whole = [part('{"city": "Tokyo"}', "w", **mark), part('{"city": "Rome"}', "w", **mark)]
    assert [arguments for _, arguments, _ in calls_of(*whole)] == ['{"city": "Tokyo"}', '{"city": "Rome"}']
    pieces = [part(piece, "w", **mark) for piece in ('{"at": ', '{"city": "Rome"}', "}", "")]
    assert calls_of(*pieces) == [("w", '{"at": {"city": "Rome"}}', None)]


def test_arguments_as_an_object_and_whole_calls_without_any_mark():
    calls = ToolCalls()
    calls.add(part({"city": "Tokyo"}, "w"))
    calls.add(part({"city": "Rome"}, "w"))
    first, second = calls.finished()
    assert (first.arguments, first.arguments_kind) == ('{"city":"Tokyo"}', "object")
    assert second.arguments == '{"city":"Rome"}'


def test_an_empty_object_after_a_whole_one_takes_nothing_away() -> None:
    whole = part({"n": 1}, "f", index=0, id="a")
    assert calls_of(whole, part({}, index=0)) == [("f", '{"n":1}', "a")]
    assert calls_of(part({}, "f", index=0, id="a")) == [("f", "{}", "a")]


def test_nonsense_is_survived():
    assert calls_of(None, "x", {"function": 3}, {"index": True, "function": {"name": 7}}) == [("", "", None)]
