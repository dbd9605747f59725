"""A tool attempt's columns in a table of requests.

The calls that were made, and those that were due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tiltyard.records import UNJUDGED, Attempt, Grade, Json
from tiltyard.suites.tools.cases import Case, case_hashes, cases


def columns_of(attempt: Attempt) -> Mapping[str, Json]:
    """`tool_call_success`, `number_tool_calls`, `tool_call_accuracy`, `extracted_calls`, and `call_due`'s."""
    if attempt.grade is None:
        return {}
    return {**verdict(attempt, attempt.grade), **call_due(attempt)}


def verdict(attempt: Attempt, grade: Grade) -> Mapping[str, Json]:
    if grade.outcome in UNJUDGED:
        return {}
    calls = [call for exchange in attempt.exchanges for call in exchange.tool_calls]
    native = [{"name": call.name, "arguments": call.arguments} for call in calls]
    said = native or grade.details.get("calls_read")
    return {
        "tool_call_success": grade.outcome == "correct",
        "number_tool_calls": grade.details.get("calls", len(calls)),
        "tool_call_accuracy": grade.score,
        "extracted_calls": json.dumps(said, ensure_ascii=False) if said else None,
    }


def call_due(attempt: Attempt) -> Mapping[str, Json]:
    """The due calls' names, and arguments that get full marks; a list of each where several are due."""
    case = case_of(attempt)
    if case is None or not case.calls:
        return {}
    names = [call.name for call in case.calls]
    arguments = [json.dumps(call.example, ensure_ascii=False) for call in case.calls]
    return {"expected_tool": "; ".join(names), "expected_args": "; ".join(arguments)}


def case_of(attempt: Attempt) -> Case | None:
    """The shipped case, where the attempt's content is still that: no answer stands beside another's key."""
    known = zip(cases(), case_hashes(), strict=True)
    return next((case for case, key in known if (case.id, key) == (attempt.item_id, attempt.item_hash)), None)
