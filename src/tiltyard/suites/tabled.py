"""What belongs beside an answer in a table of requests: the value that was read, the call that was due.

Only for items whose content is still the shipped one, so that no answer stands beside another's key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tiltyard.records import Attempt, Json, content_hash

if TYPE_CHECKING:
    from tiltyard.suites.structured.cases import Case as Schema
    from tiltyard.suites.tools.cases import Case

Columns = Mapping[str, Json]


def beside(suite: str, attempt: Attempt) -> Columns:
    """`parsed_json`, or `expected_tool` and `expected_args`; what is unknown is left out."""
    if attempt.grade is None or not attempt.exchanges:
        return {}
    if suite == "json":
        return value_read(attempt, attempt.grade.details.get("rung"))
    return call_due(attempt) if suite == "tools" else {}


def value_read(attempt: Attempt, rung: Json) -> Columns:
    """The value that was judged, as JSON. One among words depends on the schema, so that must be known."""
    from tiltyard.suites.structured.extract import read_value

    case = schema_of(attempt)
    if rung is None or (rung == "among" and case is None):
        return {}
    value = read_value(attempt.exchanges[-1].text, case.kinds if case else frozenset()).value
    return {"parsed_json": json.dumps(value, ensure_ascii=False)}


def schema_of(attempt: Attempt) -> Schema | None:
    from tiltyard.suites.structured.cases import shipped

    name, _, mode = attempt.item_id.rpartition(" ")
    found = (case for case in shipped() if case.id == name)
    return next((case for case in found if f"{content_hash(case.hash)}/{mode}" == attempt.item_hash), None)


def call_due(attempt: Attempt) -> Columns:
    """The due calls' names, and arguments that get full marks; a list of each where several are due."""
    case = case_of(attempt)
    if case is None or not case.calls:
        return {}
    names = [call.name for call in case.calls]
    arguments = [json.dumps(call.example, ensure_ascii=False) for call in case.calls]
    return {"expected_tool": "; ".join(names), "expected_args": "; ".join(arguments)}


def case_of(attempt: Attempt) -> Case | None:
    from tiltyard.suites.tools.cases import case_hashes, cases

    known = zip(cases(), case_hashes(), strict=True)
    return next((case for case, key in known if (case.id, key) == (attempt.item_id, attempt.item_hash)), None)
