"""Tool calls: does a model call the right tools, with the right arguments, and none where none is due?

Our own cases, or the Berkeley Function Calling Leaderboard's from a folder. Nothing is ever called or
executed; what a call would have done is not looked at. Definitions are in docs/tools.md.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from tiltyard.records import Exchange, Grade, Item, Json, Request, ToolCall, content_hash
from tiltyard.stats.proportions import wilson_clustered
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.graded import Asking, graded_stage, read_asking, request_of
from tiltyard.suites.proof import Proof
from tiltyard.suites.scoring import flag_rate, summarise_graded
from tiltyard.suites.stopping import order_of
from tiltyard.suites.tally import Tally
from tiltyard.suites.tools.calls import Schemas, read_call, schemas_of
from tiltyard.suites.tools.cases import Case, cases, messages_of, reference_calls, tools_of
from tiltyard.suites.tools.judging import judge_calls, judge_words, unanswered
from tiltyard.suites.tools.text_calls import Found, find_calls
from tiltyard.suites.tools.text_tools import in_words
from tiltyard.suites.verdict import looks_refused, settled, was_cut

RATES = (
    "right_tool", "right_arguments", "exact_call", "exact_call_lenient", "needless_call", "missing_call",
    "malformed_call", "asked_back", "told_result",
)  # fmt: skip


class ToolsAsking(Asking, frozen=True):
    """Settings of the suite. `files.bfcl` is the folder whose items are asked instead of our own cases."""

    items: str | None = None  # hash of what is asked
    files: Mapping[str, str] = {}
    categories: tuple[str, ...] = ()  # of the folder; empty: all that can be asked
    text_tools: bool = False  # tools in words


class Tools:
    name, version = "tools", "1"

    def __init__(self) -> None:
        self.tally = Tally()

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        asking = read_asking(bench.settings, ToolsAsking)
        order = order_of(len(cases()), asking.limit, asking.seed, asking.stop_when is not None)
        stage = graded_stage("tools", own_items(order, asking), bench, asking, self.tally)
        yield replace(stage, expected=len(order) * asking.repeats)

    def request(self, item: Item, bench: Bench) -> Request:
        asking = read_asking(bench.settings, ToolsAsking)
        case: Case = item.spec["case"]
        messages, tools = messages_of(case), tools_of(case)
        if asking.text_tools:
            return request_of(item, in_words(messages, tools), asking, bench)
        return request_of(item, messages, asking, bench, tools=tools, tool_choice="auto")

    def grade(self, item: Item, exchange: Exchange) -> Grade:
        case: Case = item.spec["case"]
        decided = settled(exchange)
        if decided is not None:
            return unanswered(decided, bool(case.calls))
        schemas = schemas_of(tools_of(case))
        calls, found = calls_in(exchange, schemas, item.spec["text"])
        if not calls and found.garbled:
            return unanswered(Grade(outcome="unparsed", score=0.0, rule="call_in_text"), bool(case.calls))
        return judge_case(case, schemas, calls, exchange)

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        tally = self.tally
        everything = range(tally.total)
        rates = {name: flag_rate(tally, name, everything) for name in RATES}
        return {
            **summarise_graded(tally, results),
            "rates": {"score_lenient": mean_rate(tally, "lenient"), **rates},
            "calls_per_answer": mean_of(tally, "calls"),
        }

    def proofs(self) -> Iterator[Proof]:
        for number, case in enumerate(cases()):
            item = item_of(case, number, 0, text=False)
            yield Proof(item=item, text=case.reference, tool_calls=reference_calls(case))


def own_items(order: Sequence[int], asking: ToolsAsking) -> Iterator[Item]:
    """The cases in this order, all repetitions of one together."""
    for number in order:
        for repetition in range(asking.repeats):
            yield item_of(cases()[number], number, repetition, asking.text_tools)


def item_of(case: Case, number: int, repetition: int, text: bool) -> Item:
    spec = {"case": case, "number": number, "group": case.group, "text": text}
    return Item(id=case.id, content_hash=hash_of(case), spec=spec, repetition=repetition)


def hash_of(case: Case) -> str:
    return content_hash([msgspec.to_builtins(case), [dict(tool) for tool in tools_of(case)]])


def calls_in(exchange: Exchange, schemas: Schemas, text: bool) -> tuple[tuple[ToolCall, ...], Found]:
    """The calls of an answer, and what reading its text showed. By the server's interface, a call that is
    only in the text was not made: it is garbled.
    """
    if exchange.tool_calls:
        return exchange.tool_calls, Found()
    found = find_calls(exchange.text, schemas)
    if text:
        return found.calls, found
    return (), Found(rule=found.rule, garbled=found.garbled or bool(found.calls))


def judge_case(case: Case, schemas: Schemas, calls: Sequence[ToolCall], exchange: Exchange) -> Grade:
    """Judge calls and words; an answer that was cut before it was right is `truncated`."""
    read = [read_call(call, schemas) for call in calls]
    if case.calls:
        expected = msgspec.to_builtins(case.calls)
        grade = judge_calls(expected, read)
        unfinished = len(read) < len(expected) or any(call.fault == "not_json" for call in read)
        if not read and looks_refused(exchange.text):
            return replace(grade, outcome="refused", rule="refusal")
    else:
        grade = judge_words(exchange.text, read, case.asks, case.says)
        unfinished = not read
    if was_cut(exchange) and unfinished and (grade.outcome != "correct" or not case.says):
        return unanswered(Grade(outcome="truncated", score=0.0, rule="cut"), bool(case.calls))
    return grade


def mean_rate(tally: Tally, name: str) -> Mapping[str, Json]:
    """The mean of a share over the answered attempts, with an interval over items."""
    values = tally.flags.get(name)
    known = [p for p in range(tally.total) if values is not None and not math.isnan(values[p])]
    if values is None or not known:
        return {"value": None, "ci95": None, "n": 0}
    shares = [values[place] for place in known]
    found = wilson_clustered(shares, [tally.items[place] for place in known])
    ci95 = None if found is None else [found.low, found.high]
    return {"value": math.fsum(shares) / len(shares), "ci95": ci95, "n": len(shares)}


def mean_of(tally: Tally, name: str) -> Mapping[str, Json]:
    """The mean of a number over the attempts that have it."""
    known = [value for value in tally.flags.get(name, ()) if not math.isnan(value)]
    return {"value": math.fsum(known) / len(known) if known else None, "n": len(known)}
