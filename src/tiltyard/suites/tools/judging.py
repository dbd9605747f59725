"""Judges the answer to one of our own cases: right calls, right words, or rightly no call.

Pure, and the same for calls by the server's interface and calls read from text. What a reply's ending decides
alone is `suites/verdict.py`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from tiltyard.records import Grade, Json, Outcome
from tiltyard.suites.matching import MOST, assign
from tiltyard.suites.tools.arguments import fits, told
from tiltyard.suites.tools.ask_back import Answer, read_answer
from tiltyard.suites.tools.calls import ReadCall
from tiltyard.suites.tools.cases import Case, ExpectedCall
from tiltyard.suites.tools.restated import without_results

Expected = Sequence[ExpectedCall]

UNCLEAR: Mapping[Answer, str] = {
    "unclear_question": "a question, but it cannot be told whether for what is missing",
    "asked_and_answered": "asks for what is missing, and says more that may be made up",
}
CALLED = ("call_in_text", "broken_call")  # rules of what was meant as a call
NAMED = 80  # characters of what a model wrote in a reason
REASONS = 20
READ = 20_000  # characters of an answer in words
TOP = 1 - 1e-9


def judge_calls(expected: Expected, calls: Sequence[ReadCall]) -> Grade:
    """Score: the share of right arguments of the best assignment, over as many calls as were due or made.

    A call of the right tool is worth the share of its arguments that are right, one without arguments 1;
    what is not expected counts as wrong. Only full marks in every call are `correct`.
    """
    strict = score_of(expected, calls, strictly=True)
    plain = strict >= TOP or all(call.same for call in calls)
    lenient = strict if plain else max(strict, score_of(expected, calls, strictly=False))
    right_tool = Counter(call.name for call in calls) == Counter(each.name for each in expected)
    exact = strict >= TOP
    details: dict[str, Json] = {
        "calls": len(calls),
        "right_tool": right_tool,
        "exact_call": exact,
        "exact_call_lenient": lenient >= TOP,
        "missing_call": len(calls) < len(expected),
        "lenient": lenient,
    }
    if calls:
        details["malformed_call"] = any(call.fault for call in calls)
    if right_tool:
        details["right_arguments"] = exact
    if exact:
        return Grade(outcome="correct", score=1.0, rule="exact", details=details)
    reasons = tuple(islice(reasons_of(expected, calls[:MOST]), REASONS))
    rule = "arguments" if right_tool else "no_call" if not calls else "tools"
    outcome: Outcome = "partial" if strict > 0 else "wrong"
    return Grade(outcome=outcome, score=strict, rule=rule, reasons=reasons, details=details)


def score_of(expected: Expected, calls: Sequence[ReadCall], strictly: bool) -> float:
    weights = [[worth(each, call, strictly) for call in calls[:MOST]] for each in expected]
    return sum(weights[row][column] for row, column in assign(weights)) / max(len(expected), len(calls))


def worth(expected: ExpectedCall, call: ReadCall, strictly: bool) -> float:
    """The share of arguments that are right, 0 for another tool; a call against its schema never gets 1."""
    arguments = call.strict if strictly else call.lenient
    if call.name != expected.name or arguments is None:
        return 0.0
    wants = expected.arguments
    due = {name for name, want in wants.items() if not want.get("optional")} | set(arguments)
    if not due:
        return 1.0
    forms = [arguments] if strictly or call.turned is None else [arguments, call.turned]
    right = sum(
        name in wants
        and any(name in form and fits(wants[name], form[name]) for form in forms)
        and (not strictly or call.unchanged(name))
        for name in due
    )
    sound = not (call.fault if strictly else call.lenient_fault)
    return right / len(due) if sound or right < len(due) else (right - 1) / len(due)


def reasons_of(expected: Expected, calls: Sequence[ReadCall]) -> Iterator[str]:
    """What is wrong with calls, a line each: tools, faults, arguments."""
    due = Counter(each.name for each in expected)
    made = Counter(call.name for call in calls)
    yield from (f"no call of {name}" for name in due - made)
    yield from (f"a needless call of {name[:NAMED]}" for name in made - due)
    yield from (f"{call.name[:NAMED]}: {call.fault}" for call in calls if call.fault)
    weights = [[worth(each, call, strictly=True) for call in calls] for each in expected]
    for row, column in assign(weights):
        wanted, call = expected[row], calls[column]
        if wanted.name == call.name and call.strict is not None:
            yield from (f"{call.name}: {line}" for line in wrong_arguments(wanted, call))


def wrong_arguments(expected: ExpectedCall, call: ReadCall) -> Iterator[str]:
    """Each argument of a call that is not what was wanted."""
    arguments = call.strict or {}
    for name, want in expected.arguments.items():
        if name not in arguments:
            if not want.get("optional"):
                yield f"{name} is missing"
        elif not fits(want, arguments[name]) or not call.unchanged(name):
            yield f"{name} is {str(arguments[name])[:NAMED]!r}"
    yield from (f"{name[:NAMED]} was not wanted" for name in arguments if name not in expected.arguments)


def judge_words(text: str, calls: Sequence[ReadCall], case: Case | None = None) -> Grade:
    """Where words are due and no call: a question that asks for what is missing, facts, or any words."""
    says, never = (case.says, case.never) if case is not None else ((), ())
    details: dict[str, Json] = {"calls": len(calls), "needless_call": bool(calls), "lenient": 0.0}
    if calls:
        details |= unsaid(case) | {"malformed_call": any(call.fault for call in calls)}
        names = ", ".join(call.name[:80] for call in calls[:3])
        reasons = (f"called {names} where no call was due",)
        return Grade(outcome="wrong", score=0.0, rule="needless_call", reasons=reasons, details=details)
    if case is not None and case.asks:
        return judge_question(text, case, details)
    if case is not None:
        text = without_results(text, [str(each["tool"]) for each in case.messages if "tool" in each])
    denied = told(text, [never]) > 0 if never else False
    share = 0.0 if denied else told(text, says)
    details["lenient"] = share
    if says:
        details["told_result"] = share == 1.0
    outcome: Outcome = "correct" if share == 1.0 else "partial" if share else "wrong"
    rule = "facts" if says else "no_call_due"
    return Grade(outcome=outcome, score=share, rule=rule, details=details)


def unsaid(case: Case | None) -> dict[str, Json]:
    """The flags of an answer that calls where words were due."""
    due = {"asked_back": case.asks, "told_result": case.says} if case is not None else {}
    return {flag: False for flag, words in due.items() if words}


def judge_question(text: str, case: Case, details: dict[str, Json]) -> Grade:
    """A question back: right, none, or none that could be told to be one."""
    prompt = " ".join(str(content) for message in case.messages for content in message.values())
    answer = read_answer(text[:READ], prompt, case.asks, case.never)
    if answer in UNCLEAR:
        return Grade(outcome="unparsed", score=0.0, rule=answer, reasons=(UNCLEAR[answer],), details=details)
    asked = answer == "asked"
    details |= {"lenient": float(asked), "asked_back": asked}
    if asked:
        return Grade(outcome="correct", score=1.0, rule="asked_back", details=details)
    why = "says that it was done" if answer == "invented" else "does not ask for what is missing"
    return Grade(outcome="wrong", score=0.0, rule="asked_back", reasons=(why,), details=details)


def unanswered(grade: Grade, calls_due: bool, case: Case | None = None) -> Grade:
    """A grade that the ending decided, with the flags that its rates need: nothing right, nothing exact."""
    if grade.outcome in ("error", "unsupported"):
        return grade
    details: dict[str, Json] = {"calls": 0, "lenient": 0.0}
    if calls_due:
        details |= {"right_tool": False, "exact_call": False, "exact_call_lenient": False}
    elif grade.rule in CALLED or grade.outcome == "refused":
        details["needless_call"] = grade.rule in CALLED
        details |= unsaid(case) if grade.outcome == "wrong" else {}
    return Grade(
        outcome=grade.outcome,
        score=0.0,
        rule=grade.rule,
        reasons=grade.reasons,
        details={**details, **grade.details},
    )
