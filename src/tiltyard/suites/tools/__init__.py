"""Tool calls: does a model call the right tools, with the right arguments, and none where none is due?

Our own cases, or the Berkeley Function Calling Leaderboard's from a folder. Nothing is ever called or
executed; what a call would have done is not looked at. Definitions are in docs/tools.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from tiltyard.records import Attempt, Exchange, Grade, Item, Json, Message, Request, ToolCall
from tiltyard.servers.thinking import without_thoughts
from tiltyard.stats.figures import figure
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.graded import Asking, graded_stage, read_asking, request_of
from tiltyard.suites.proof import Proof
from tiltyard.suites.scoring import flag_rate, summarise_graded
from tiltyard.suites.stopping import order_of
from tiltyard.suites.tally import Tally
from tiltyard.suites.tools.bfcl import Folder, Question, now_called, open_folder
from tiltyard.suites.tools.bfcl_items import bfcl_items, calls_due, flagged, judge_bfcl, messages_for
from tiltyard.suites.tools.bfcl_scores import bfcl_rates, bfcl_scores
from tiltyard.suites.tools.bfcl_tools import tools_for
from tiltyard.suites.tools.calls import ReadCall, read_call, schemas_of
from tiltyard.suites.tools.cases import (
    Case,
    case_hashes,
    cases,
    messages_of,
    numbers_of,
    reference_calls,
    tools_of,
)
from tiltyard.suites.tools.columns import columns_of
from tiltyard.suites.tools.judging import judge_calls, judge_words, unanswered
from tiltyard.suites.tools.text_calls import Found, find_calls
from tiltyard.suites.tools.text_tools import in_words
from tiltyard.suites.verdict import answer_cut, broken_call, looks_refused, settled

RATES = (
    "right_tool", "right_arguments", "exact_call", "exact_call_lenient", "needless_call", "missing_call",
    "malformed_call", "asked_back", "told_result",
)  # fmt: skip
CUT = Grade(outcome="truncated", score=0.0, rule="cut")


class ToolsAsking(Asking, frozen=True):
    """Settings of the suite. `files.bfcl` is the folder whose items are asked instead of our own cases."""

    items: str | None = None  # hash of what is asked
    files: Mapping[str, str] = {}
    categories: tuple[str, ...] = ()  # groups of our cases or categories of the folder; empty: all
    text_tools: bool = False  # tools in words


class Tools:
    name, version = "tools", "10"

    def __init__(self) -> None:
        self.tally = Tally()
        self.folder: Folder | None = None  # of the leaderboard

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        asking = read_asking(bench.settings, ToolsAsking)
        self.folder = folder_of(asking)
        name, items, count = asked_items(asking, self.folder)
        stage = graded_stage(name, items, bench, asking, self.tally)
        yield replace(stage, expected=count)

    def request(self, item: Item, bench: Bench) -> Request:
        asking = read_asking(bench.settings, ToolsAsking)
        messages, tools = conversation(item)
        if asking.text_tools:
            return request_of(item, in_words(messages, tools), asking, bench)
        return request_of(item, messages, asking, bench, tools=tools, tool_choice="auto")

    def grade(self, item: Item, exchange: Exchange) -> Grade:
        grade = self.judged(item, exchange)
        return grade if item.spec.get("case") is not None else flagged(item, grade)

    def judged(self, item: Item, exchange: Exchange) -> Grade:
        case: Case | None = item.spec.get("case")
        due = calls_due(item) if case is None else bool(case.calls)
        exchange = replace(exchange, text=without_thoughts(exchange.text))
        decided = broken_call(exchange) or settled(exchange)
        if decided is not None:
            return unanswered(decided, due, case)
        messages, tools = conversation(item)
        schemas, made = schemas_of(tools), [call for message in messages for call in message.tool_calls]
        found = Found() if exchange.tool_calls else find_calls(exchange.text, schemas, made)
        calls, not_made = calls_in(exchange, found, item.spec["text"], due)
        if not_made is not None:
            return unanswered(not_made, due)
        read = [read_call(call, schemas) for call in calls]
        grade = judge_bfcl(item, read, exchange) if case is None else judge_case(case, read, exchange)
        if answer_cut(exchange) and is_unfinished(item, read, grade):
            return unanswered(CUT, due)
        if calls and not exchange.tool_calls:  # they stand nowhere else
            words = [{"name": call.name, "arguments": call.arguments} for call in calls]
            return replace(grade, details={**grade.details, "calls_read": words})
        return grade

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        tally, folder = self.tally, self.folder
        left_out = [] if folder is None else list(folder.broken)
        notes = [f"left out: {broken}" for broken in left_out]
        everything = range(tally.total)
        rates = {name: flag_rate(tally, name, everything) for name in RATES}
        rates = {"score_lenient": flag_rate(tally, "lenient", everything), **rates}
        if folder is not None:
            rates |= bfcl_rates(tally)
        return {
            **summarise_graded(tally, results),
            "rates": rates,
            "calls_per_answer": mean_of(tally, "calls"),
            "bfcl": None if folder is None else {**bfcl_scores(tally), "skipped": list(folder.skipped)},
            "left_out": left_out,
            **({"findings": {"notes": notes}} if notes else {}),
        }

    def asked(self, settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
        asking = read_asking(settings, ToolsAsking)
        name, items, _ = asked_items(asking, folder_of(asking))
        return name, items

    def beside(self, attempt: Attempt) -> Mapping[str, Json]:
        return columns_of(attempt)

    def proof_settings(self) -> Mapping[str, Json]:
        return {"limit": 20, "repeats": 15}  # their prompts are long

    def proofs(self) -> Iterator[Proof]:
        for number, case in enumerate(cases()):
            item = item_of(case, number, 0, text=False)
            yield Proof(item=item, text=case.reference, tool_calls=reference_calls(case))


def folder_of(asking: ToolsAsking) -> Folder | None:
    """The leaderboard's items, where a folder was named. Raises UsageError for what cannot be read."""
    path = asking.files.get("bfcl")
    if path is None:
        return None
    whole, wanted = open_folder(Path(path)), asking.categories
    # where all that holds is asked, what does not was left out; of fewer categories the rest was not wanted
    everything = not wanted or {each.name for each in whole.categories} == {*map(now_called, wanted)}
    return whole if everything else open_folder(Path(path), wanted)


def asked_items(asking: ToolsAsking, folder: Folder | None) -> tuple[str, Iterator[Item], int]:
    """The name of the stage, its items in order, and how many they are."""
    numbers = numbers_of(asking.categories) if folder is None else range(len(folder))
    order = order_of(len(numbers), asking.limit, asking.seed, asking.stop_when is not None)
    count = len(order) * asking.repeats
    if folder is None:
        return "tools", own_items([numbers[place] for place in order], asking), count
    return "bfcl", bfcl_items(folder, order, asking.repeats, asking.text_tools), count


def own_items(order: Sequence[int], asking: ToolsAsking) -> Iterator[Item]:
    """The cases in this order, all repetitions of one together."""
    for number in order:
        for repetition in range(asking.repeats):
            yield item_of(cases()[number], number, repetition, asking.text_tools)


def item_of(case: Case, number: int, repetition: int, text: bool) -> Item:
    spec = {"case": case, "number": number, "group": case.group, "text": text}
    return Item(id=case.id, content_hash=case_hashes()[number], spec=spec, repetition=repetition)


def conversation(item: Item) -> tuple[list[Message], tuple[Mapping[str, Json], ...]]:
    """The conversation of an item, and the tools at hand."""
    case: Case | None = item.spec.get("case")
    if case is not None:
        return messages_of(case), tools_of(case)
    question: Question = item.spec["question"]
    return messages_for(question), tools_for(question, item.spec["text"])


def calls_in(
    exchange: Exchange, found: Found, text: bool, due: bool
) -> tuple[tuple[ToolCall, ...], Grade | None]:
    """The calls of an answer, and the grade of one whose words only look like one: cut inside, or not made.

    Where the server has an interface for tools, a call that is only in the words was not made; and where none
    is due, prose may speak of a tool.
    """
    if exchange.tool_calls:
        return exchange.tool_calls, None
    if found.prose and not due and not text:
        return (), None
    if not found.garbled and (text or not found.calls):
        return found.calls, None
    if answer_cut(exchange) and not found.calls:
        return (), CUT
    why = "cannot be read" if text else "the server did not turn into a call"
    reasons = (f"a call in words that {why}",)
    return (), Grade(outcome="unparsed", score=0.0, rule="call_in_text", reasons=reasons)


def judge_case(case: Case, read: Sequence[ReadCall], exchange: Exchange) -> Grade:
    """Judge calls, or words where words are due."""
    if not case.calls:
        return judge_words(exchange.text, read, case)
    grade = judge_calls(case.calls, read)
    if not read and looks_refused(exchange.text):
        return replace(grade, outcome="refused", rule="refusal")
    return grade


def is_unfinished(item: Item, read: Sequence[ReadCall], grade: Grade) -> bool:
    """Was an answer that was cut cut before it had all that is due?"""
    case: Case | None = item.spec.get("case")
    due = len(case.calls) if case is not None else calls_due(item)
    if not due and not (case and (case.asks or case.says)):
        return not read  # its silence about tools counts only once it is over
    unread = any(call.fault == "not_json" for call in read)
    return grade.outcome != "correct" and (unread or len(read) < max(1, due))


def mean_of(tally: Tally, name: str) -> Mapping[str, Json]:
    """The mean of a number over the attempts that have it, with Student's interval over their items."""
    values = list(tally.flags.get(name, ()))
    found = figure(values, clusters=tally.clusters(range(len(values))))
    ci95 = None if found.ci95 is None else list(found.ci95)
    return {"value": found.mean, "ci95": ci95, "n": found.n, "why": found.why}
