"""A json attempt's columns in a table of requests.

Whether the answer holds, what is wrong with it, and the value that was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tiltyard.records import UNJUDGED, Attempt, Grade, Json, content_hash
from tiltyard.suites.structured.cases import Case, shipped
from tiltyard.suites.structured.extract import read_value


def columns_of(attempt: Attempt) -> Mapping[str, Json]:
    """`json_valid`, `json_schema_valid`, `validation_errors` and `parsed_json`."""
    if attempt.grade is None:
        return {}
    return {**verdict(attempt.grade), **value_read(attempt, attempt.grade)}


def verdict(grade: Grade) -> Mapping[str, Json]:
    if grade.outcome in UNJUDGED:
        return {}
    errors = grade.details.get("validation_errors")
    return {
        "json_valid": grade.details.get("extracted"),
        "json_schema_valid": grade.details.get("format_valid"),
        "validation_errors": "; ".join(map(str, errors)) if errors else None,
    }


def value_read(attempt: Attempt, grade: Grade) -> Mapping[str, Json]:
    """The value that was judged, as JSON. One among words depends on the types of the schema's root.

    Older versions did not keep those: then the schema must be a shipped one.
    """
    rung, kinds = grade.details.get("rung"), grade.details.get("root_types")
    case = schema_of(attempt) if kinds is None else None
    if not attempt.exchanges or rung is None or (rung == "among" and kinds is None and case is None):
        return {}
    wanted = frozenset(kinds) if kinds is not None else case.kinds if case else frozenset()
    value = read_value(attempt.exchanges[-1].text, wanted).value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # 1e999 is JSON, the infinity that it is read as is none
        return {}
    half = any("\ud800" <= mark <= "\udfff" for mark in text)  # of a pair: no file can hold it
    return {"parsed_json": json.dumps(value) if half else text}


def schema_of(attempt: Attempt) -> Case | None:
    """The shipped case, where the attempt's content is still that."""
    name, _, mode = attempt.item_id.rpartition(" ")
    found = (case for case in shipped() if case.id == name)
    return next((case for case in found if f"{content_hash(case.hash)}/{mode}" == attempt.item_hash), None)
