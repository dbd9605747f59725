"""What the way an answer ended decides, in the words of servers and gateways."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_exchange
from tiltyard.records import Exchange
from tiltyard.servers.error_text import error_of_body
from tiltyard.suites.verdict import answer_cut, settled

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def refused(status: int, body: str, **asked: Any) -> Exchange:
    failed = make_exchange(0, ending="http_error", status=status, error=error_of_body(status, body.encode()))
    return replace(failed, request=replace(failed.request, **{"tools": (), "response_format": None, **asked}))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":{"message":"m does not support tools"}}'),
        (400, '{"error":{"message":"Unrecognized request argument supplied: tools"}}'),
        (404, '{"error":{"message":"No endpoints found that support tool use.","code":404}}'),
        (
            422,
            '{"detail":[{"loc":["body","tools"],"msg":"Extra inputs are not permitted"}]}',
        ),
        (501, '{"error":"not implemented"}'),
    ],
)
def test_a_server_without_tools_says_so_in_many_words(status: int, body: str) -> None:
    grade = settled(refused(status, body, tools=(TOOL,)))
    assert grade is not None
    assert (grade.outcome, grade.rule) == ("unsupported", "tools_refused")
    plain = settled(refused(status, body))
    assert plain is not None
    assert plain.outcome == "error"


def test_a_refused_schema_names_the_input() -> None:
    body = '{"detail":[{"loc":["body","response_format"],"msg":"Extra inputs are not permitted"}]}'
    grade = settled(refused(422, body, response_format={"type": "json_object"}))
    assert grade is not None
    assert (grade.outcome, grade.rule) == ("unsupported", "schema_refused")
    assert grade.reasons == ("HTTP 422: body.response_format: Extra inputs are not permitted",)


def test_other_errors_stay_errors() -> None:
    for status, body in ((400, '{"error":"tools: out of memory"}'), (503, "busy"), (500, "tools crashed")):
        grade = settled(refused(status, body, tools=(TOOL,)))
        assert grade is not None
        assert grade.outcome == "error"


def test_what_the_servers_filter_took_away_is_a_refusal() -> None:
    taken = make_exchange(0, finish_reason="content_filter", text="", ending="ok", tool_calls=())
    grade = settled(taken)
    assert grade is not None
    assert (grade.outcome, grade.rule) == ("refused", "content_filter")
    assert settled(replace(taken, text="Answer: A")) is None


@pytest.mark.parametrize("reason", ["length", "max_tokens", "model_length"])
def test_every_word_for_the_limit_is_one(reason: str) -> None:
    cut = make_exchange(0, finish_reason=reason, text="", reasoning="hm", ending="ok", tool_calls=())
    grade = settled(cut)
    assert grade is not None
    assert (grade.outcome, grade.reasons) == ("truncated", ("cut while thinking",))
    assert answer_cut(replace(cut, text="Answer: A"))
