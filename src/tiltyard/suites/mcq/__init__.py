"""Multiple choice: a question, its options under letters, one of them right.

The order of options is drawn by the question's content, the same for every model. The letter is found in the
reply by named rules (`extract.py`), never guessed. Files are read by `reading.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Exchange, Grade, Item, Json, Message, Outcome, Request
from tiltyard.servers.preflight import first_word
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.graded import graded_stage, read_asking, request_of
from tiltyard.suites.mcq.calibration import confidence_at
from tiltyard.suites.mcq.extract import DEFINITE, extract
from tiltyard.suites.mcq.figures import own_figures
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.prompts import rendered, shipped_template
from tiltyard.suites.mcq.questions import (
    Choosing,
    Shots,
    items_of,
    question_set,
    shots_of,
    tested,
    turns_of,
)
from tiltyard.suites.mcq.reading import QuestionSet
from tiltyard.suites.mcq.rungs import Found
from tiltyard.suites.mcq.source import changed
from tiltyard.suites.patience import TIMEOUTS, failed_on_the_way
from tiltyard.suites.proof import Proof
from tiltyard.suites.scoring import summarise_graded
from tiltyard.suites.tally import Tally
from tiltyard.suites.verdict import answer_cut, looks_refused, settled

TOPS = (20, 10, 5)  # alternatives of each token, as many as the server gives
REFUSALS = (400, 422, 500, 501)
BAD_SHOWN = 20
log = logging.getLogger("tiltyard.mcq")


class Mcq:
    """Asks for a letter and looks whether it is the right one."""

    name, version = "mcq", "9"

    def __init__(self) -> None:
        self.tally = Tally()
        self.top: int | None = None  # alternatives of each token that are asked for
        self.notes: list[str] = []
        self.questions: QuestionSet | None = None  # as they were when the run began
        self.shots: Shots | None = None
        self._shown: dict[int, tuple[Message, ...]] = {}
        self._read: tuple[Mapping[str, Json], Choosing, str] | None = None

    def settings(self, bench: Bench) -> tuple[Choosing, str]:
        """The run's settings and its template."""
        if self._read is None or self._read[0] is not bench.settings:
            found = read_asking(bench.settings, Choosing)
            self._read = bench.settings, found, found.prompt or shipped_template(found.cot)
        return self._read[1], self._read[2]

    def opened(self, settings: Choosing) -> QuestionSet:
        """The run's questions, whatever becomes of their files later. Raises UsageError where they are not
        those that it was planned with.
        """
        if self.questions is None:
            found = question_set(settings.files.get("questions") or (), settings.answers)
            if settings.items not in (None, found.hash):
                first, more = found.files[0].path, len(found.files) - 1
                raise changed(f"{first}, or one of the {more} files after it," if more else first)
            self.questions = found
        return self.questions

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        settings, _ = self.settings(bench)
        questions = self.opened(settings)
        self.shots = shots_of(settings, questions)
        if self.shots is not None and settings.examples not in (None, self.shots.questions.hash):
            raise changed(settings.files["examples"])
        if self.shots is not None and self.shots.left_out:
            self.notes.append(f"rows of --examples left out, as they are asked: {self.shots.left_out}")
        order = tested(questions, self.shots, settings)
        expected = len(order) * settings.repeats
        if settings.rotations:
            expected = settings.repeats * sum(turns_of(questions.row(n), settings) for n in order)
        self.top = await self.most_logprobs(bench, settings)
        stage = graded_stage("mcq", items_of(questions, order, settings), bench, settings, self.tally)
        yield replace(stage, expected=expected, tally=self.take)

    async def most_logprobs(self, bench: Bench, settings: Choosing) -> int | None:
        """How many alternatives of each token the server takes a request for; it is asked for one token.

        No item is asked: its answer might be known already, and its prompt must not be in the server's cache.
        None: it refuses all of them, or nobody wants any. Whether they come is seen in the answers.
        """
        if not_wanted(settings):
            return None
        word = first_word(bench.model, bench.timeouts)
        word = replace(word, think=settings.think, context=settings.context)
        for top in TOPS:
            request = replace(word, logprobs=top, max_tokens=1)
            capture = await bench.server.ask(request)
            for tried in range(settings.retries):
                if not failed_on_the_way(capture) or capture.failure in TIMEOUTS:
                    break  # whoever let it wait that long would do so again
                await asyncio.sleep(min(settings.retry_delay_s, 1.0) * 2**tried)
                capture = await bench.server.ask(request)
            exchange = bench.server.read(request, capture.opened())
            if exchange.ending == "ok":
                return top
            if exchange.ending != "http_error" or exchange.status not in REFUSALS:
                break
        if settings.logprobs:
            self.notes.append("the server refuses requests for log-probabilities")
        return None

    def request(self, item: Item, bench: Bench) -> Request:
        settings, template = self.settings(bench)
        owner = item.spec["file"]
        if self.shots is not None and owner not in self._shown:
            self._shown[owner] = self.shots.messages(owner, template, settings.shuffle)
        words = rendered(template, item.spec["question"], item.spec["options"])
        messages = (*self._shown.get(owner, ()), Message(role="user", content=words))
        return request_of(item, messages, settings, bench, logprobs=self.top)

    def grade(self, item: Item, exchange: Exchange) -> Grade:
        """Pure. Details: `letter` and `expected` as shown, `given` and `gold` as their places (0 is A),
        `choice` the option by its place in the file, `turn` which of the `turns` orders, `confidence` in the
        letter.
        """
        gold = {"expected": LETTERS[item.spec["right"]], "gold": item.spec["right"]}
        if item.spec["turns"] > 1:
            turns = item.spec["turns"]
            gold |= {"turns": turns, "turn": (item.repetition or 0) % turns}
        decided = settled(exchange)
        if decided is not None:
            return replace(decided, details=gold)
        found = extract(exchange.text, item.spec["options"])
        cut = answer_cut(exchange)
        if found.option is None or (cut and found.rule not in DEFINITE):
            return without_letter(exchange, found, cut, gold)
        right = found.option == item.spec["right"]
        details: dict[str, Json] = {
            **gold,
            "letter": LETTERS[found.option],
            "given": found.option,
            "choice": item.spec["order"][found.option],
        }
        if exchange.logprobs:
            count = len(item.spec["options"])
            seen = confidence_at(exchange.logprobs, exchange.text, found.at, found.option, count)
            if seen is not None:
                details |= {"confidence": seen.options[found.option], "letter_mass": seen.mass}
        outcome: Outcome = "correct" if right else "wrong"
        return Grade(outcome=outcome, score=float(right), rule=found.rule, details=details)

    def take(self, item: Item, attempt: Attempt) -> None:
        """Count an attempt, and put it into the log."""
        self.tally.add(item, attempt)
        if log.isEnabledFor(logging.INFO):
            log_answer(item, attempt)

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        settings, _ = self.settings(bench)
        unasked = not_wanted(settings)
        if self.top is None and unasked is None:
            unasked = "not asked for: the server took no request for log-probabilities"
        own = own_figures(self.tally, settings.rotations, unasked)
        found = {**summarise_graded(self.tally, results), **own}
        numbers = found["rotations"].pop("numbers") if settings.rotations else []
        with suppress(UsageError):  # files that have gone or changed since must not cost the figures
            questions = self.opened(settings)
            found["questions"] = {
                "files": len(questions.files),
                "good": len(questions),
                "bad": questions.bad_count,
                "bad_rows": [bad._asdict() for bad in questions.bad[:BAD_SHOWN]],
                "notes": [*questions.notes, *self.notes],
            }
            if settings.rotations:
                found["rotations"]["one_order_ids"] = [questions.row(number).id for number in numbers]
        return found

    def asked(self, settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
        asking = read_asking({**settings, "rotations": False}, Choosing)
        questions = question_set(asking.files.get("questions") or (), asking.answers)
        return self.name, items_of(questions, tested(questions, shots_of(asking, questions), asking), asking)

    def proof_settings(self) -> Mapping[str, Json]:
        return {"logprobs": False}

    def proofs(self) -> Iterator[Proof]:
        """Every question of the sample set with its right letter."""
        settings = Choosing()
        questions = question_set(())
        for item in items_of(questions, range(len(questions)), settings):
            yield Proof(item, f"Answer: {LETTERS[item.spec['right']]}")


def not_wanted(settings: Choosing) -> str | None:
    """Why nobody wants log-probabilities; None where somebody does."""
    if settings.logprobs is False:
        return "not asked for: --no-logprobs"
    if settings.logprobs is None and settings.cot:
        return "not asked for with --cot: --logprobs asks"
    return None


def without_letter(exchange: Exchange, found: Found, cut: bool, gold: Mapping[str, Json]) -> Grade:
    """A reply that gives no letter: cut off, a refusal, or words."""
    if cut:
        return Grade(
            outcome="truncated", score=0.0, rule="cut", reasons=("cut before an answer",), details=gold
        )
    if looks_refused(exchange.text):
        return Grade(outcome="refused", score=0.0, rule="refusal", details=gold)
    return Grade(outcome="unparsed", score=0.0, rule=found.rule, reasons=(found.why,), details=gold)


def log_answer(item: Item, attempt: Attempt) -> None:
    """One line of the structured log."""
    if not attempt.exchanges:
        return
    grade, exchange = attempt.grade, attempt.exchanges[-1]
    details = grade.details if grade is not None else {}
    duration_ms = attempt.measures.e2e_ms
    fields = {
        "model": exchange.request.model,
        "item": item.id,
        "group": item.spec["group"],
        "repetition": attempt.repetition,
        "outcome": grade.outcome if grade is not None else "error",
        "rule": grade.rule if grade is not None else None,
        "letter": details.get("letter"),
        "expected": details.get("expected"),
        "duration_s": None if duration_ms is None else round(duration_ms / 1e3, 4),
        "try": attempt.try_no,
        "session": attempt.session,
        "asked_at": attempt.started_at,
    }
    if exchange.ending != "ok":
        log.error("no answer", extra={"fields": {**fields, "error": exchange.error or exchange.ending}})
        return
    if log.isEnabledFor(logging.DEBUG):
        fields |= {"prompt": exchange.request.messages[-1].content, "reply": exchange.text}
    log.info("answered", extra={"fields": fields})
