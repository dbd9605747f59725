"""The leaderboard's items as items of a run, and the judgement of their answers.

A call is judged by `bfcl_check.py`; what differs from the leaderboard on purpose is in docs/tools.md: an
answer must have been given before the absence of a call is worth anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

import msgspec
from msgspec.structs import replace

from tiltyard.records import UNJUDGED, Exchange, Grade, Item, Json, Message, Outcome, content_hash
from tiltyard.suites.tools.bfcl import Answer, Folder, Question, now_called
from tiltyard.suites.tools.bfcl_check import check
from tiltyard.suites.tools.bfcl_tools import names_of
from tiltyard.suites.tools.calls import ReadCall
from tiltyard.suites.tools.judging import NAMED, REASONS, judge_words
from tiltyard.suites.verdict import looks_refused

RELEVANCE = "live_relevance"
EXACT = ("right_tool", "exact_call", "exact_call_lenient")


def bfcl_items(folder: Folder, order: Sequence[int], repeats: int, text: bool) -> Iterator[Item]:
    """The items in this order, each read when its turn comes, all repetitions of one together."""
    for number in order:
        category, place = folder.find(number)
        question, answer = category.read(place)
        for repetition in range(repeats):
            yield item_for(question, answer, category.name, number, repetition, text)


def item_for(
    question: Question, answer: Answer | None, category: str, number: int, repetition: int, text: bool
) -> Item:
    spec = {"question": question, "answer": answer, "number": number, "group": category, "text": text}
    return Item(
        id=question.id,
        content_hash=content_hash([msgspec.to_builtins(question), msgspec.to_builtins(answer)]),
        spec=spec,
        repetition=repetition,
    )


def messages_for(question: Question) -> list[Message]:
    """The one turn of a question; roles that chat servers do not know are a user's."""
    return [
        Message(role=said.role if said.role in ("system", "assistant") else "user", content=said.content)  # type: ignore[arg-type]
        for said in question.question[0]
    ]


def calls_due(item: Item) -> bool:
    return item.spec["answer"] is not None or item.spec["group"] == RELEVANCE


def judge_bfcl(item: Item, read: Sequence[ReadCall], exchange: Exchange) -> Grade:
    """All or nothing, as the leaderboard does it; `greedy` is what its own order of matching would give."""
    question: Question = item.spec["question"]
    answer: Answer | None = item.spec["answer"]
    if answer is None:
        return judge_relevance(item, read, exchange)
    functions = names_of(question.function)
    strict = check(functions, sent(read, strictly=True), answer.ground_truth, item.spec["text"])
    lenient = strict.valid
    if not lenient and not all(call.same for call in read):
        lenient = check(functions, sent(read, strictly=False), answer.ground_truth, item.spec["text"]).valid
    names = Counter(name for each in answer.ground_truth for name in each)
    said = Counter(call.name for call in read)
    right_tool = said == (names if item.spec["text"] else underscored(names))
    details: dict[str, Json] = {
        "calls": len(read),
        "right_tool": right_tool,
        "exact_call": strict.valid,
        "exact_call_lenient": lenient,
        "missing_call": len(read) < len(answer.ground_truth),
        "lenient": float(lenient),
        "greedy": strict.greedy,
    }
    if read:  # some published answers break their own function's schema: what is right is not malformed
        details["malformed_call"] = not strict.valid and any(call.fault for call in read)
    if right_tool:
        details["right_arguments"] = strict.valid
    if strict.valid:
        return Grade(outcome="correct", score=1.0, rule="bfcl", details=details)
    refused = not read and looks_refused(exchange.text)
    return Grade(
        outcome="refused" if refused else "wrong",
        score=0.0,
        rule="refusal" if refused else "bfcl" if read else "no_call",
        reasons=tuple(broken_calls(read)) or (strict.reason,),
        details=details,
    )


def broken_calls(read: Sequence[ReadCall]) -> Iterator[str]:
    """Calls whose arguments are no object, a line each."""
    yield from (f"{call.name[:NAMED]}: {call.fault}" for call in read[:REASONS] if call.strict is None)


def flagged(item: Item, grade: Grade) -> Grade:
    """A grade with the flag that keeps known-bad items out of a score, whatever decided it; of items where
    any call is right without those of an exact one.
    """
    if grade.outcome in UNJUDGED:
        return grade
    exact = EXACT if item.spec["group"] == RELEVANCE else ()
    details = {name: value for name, value in grade.details.items() if name not in exact}
    return replace(grade, details={**details, "known_bad": is_known_bad(item)})


def is_known_bad(item: Item) -> bool:
    """Older files have other names for some categories, in the ids too."""
    category, _, number = item.id.rpartition("_")
    return f"{now_called(category)}_{number}" in known_bad()


def judge_relevance(item: Item, read: Sequence[ReadCall], exchange: Exchange) -> Grade:
    """No call is right where none fits; calls with arguments in objects are, where one does."""
    if item.spec["group"] != RELEVANCE:
        return judge_words(exchange.text, read)
    called = bool(read) and all(call.strict is not None for call in read)
    details: dict[str, Json] = {
        "calls": len(read),
        "missing_call": not read,
        "lenient": float(bool(read) and all(call.lenient is not None for call in read)),
    }
    if read:
        details["malformed_call"] = not called
    outcome: Outcome = "correct" if called else "wrong"
    reasons = () if called else tuple(broken_calls(read)) or ("no call",)
    return Grade(outcome=outcome, score=float(called), rule="relevance", reasons=reasons, details=details)


def underscored(names: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in names.items():
        found[name.replace(".", "_")] += count
    return found


def sent(read: Sequence[ReadCall], strictly: bool) -> list[tuple[str, Mapping[str, Json]]]:
    """Calls for the check; one whose arguments are no object has a name that nothing has."""
    found: list[tuple[str, Mapping[str, Json]]] = []
    for call in read:
        arguments = call.strict if strictly else call.lenient
        found.append(("", {}) if arguments is None else (call.name, arguments))
    return found


@cache
def known_bad() -> Mapping[str, str]:
    """Items whose published answer contradicts itself, and why."""
    table: dict[str, dict[str, str]] = msgspec.json.decode(
        (resources.files("tiltyard.suites.tools") / "data" / "bfcl_known_bad.json").read_bytes()
    )
    return {name: f"{kind}: {why}" for kind, items in table.items() for name, why in items.items()}
