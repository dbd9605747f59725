"""Proves the content of a suite: reference answers get full marks, empty ones none, and ids are unique.

Nothing is asked of any model; the suite's own grader judges.
"""

from __future__ import annotations

from tiltyard.records import Exchange, Grade, Record, Request, Timeline, ToolCall
from tiltyard.suites import Suite
from tiltyard.suites.proof import Provable


class Verified(Record, frozen=True):
    """How many items were tried, and one line for everything that is wrong with them."""

    suite: str
    items: int
    faults: tuple[str, ...] = ()


def verify(suite: Suite) -> Verified | None:
    """Try every item of the shipped content; None for a suite whose answers are not judged."""
    if not isinstance(suite, Provable):
        return None
    seen: set[str] = set()
    faults: list[str] = []
    for proof in suite.proofs():
        name = proof.item.id
        if name in seen:
            faults.append(f"{name}: the id occurs twice")
        seen.add(name)
        grade = suite.grade(proof.item, answered(proof.text, proof.tool_calls))
        if grade is None or grade.outcome != "correct" or grade.score != 1.0:
            got = "no grade" if grade is None else f"{grade.outcome}, {grade.score:g}"
            faults.append(f"{name}: the reference answer gets {got} ({reason_of(grade)})")
        empty = suite.grade(proof.item, answered("", ()))
        if empty is None or empty.score != 0.0 or empty.outcome in ("correct", "partial"):
            got = "no grade" if empty is None else f"{empty.outcome}, {empty.score:g}"
            faults.append(f"{name}: an empty answer gets {got}")
    if not seen:
        faults.append("there is not one item")
    return Verified(suite=suite.name, items=len(seen), faults=tuple(faults))


def reason_of(grade: Grade | None) -> str:
    return "none" if grade is None else "; ".join(grade.reasons) or str(grade.rule)


def answered(text: str, tool_calls: tuple[ToolCall, ...]) -> Exchange:
    """An exchange that ended well with this answer."""
    return Exchange(
        request=Request(model="reference", messages=()),
        timeline=Timeline(scheduled_ns=0, started_ns=0),
        ending="ok",
        status=200,
        text=text,
        tool_calls=tool_calls,
        finish_reason="tool_calls" if tool_calls else "stop",
    )
