"""`json`: does a model give the JSON that was asked for, and is what it says in it right?

Each case is asked in up to three modes (plain prompt, `json_object`, `json_schema`) with the same words, so
that the modes can be compared item by item. Cases are data (`cases.py`); what counts as found is in
`extract.py`, what as valid in `judge.py`, what as right in `values.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from tiltyard.records import Attempt, Exchange, Grade, Item, Json, Message, Outcome, Request, content_hash
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.graded import Asking, graded_stage, read_asking, request_of
from tiltyard.suites.proof import Proof
from tiltyard.suites.scoring import summarise_graded
from tiltyard.suites.stopping import order_of
from tiltyard.suites.structured.cases import Case, CaseSet, case_set, read_cases
from tiltyard.suites.structured.columns import columns_of
from tiltyard.suites.structured.extract import Reading, read_value
from tiltyard.suites.structured.figures import as_groups, by_level, by_mode, differences, rates, with_missing
from tiltyard.suites.structured.judge import Judge, judge_of
from tiltyard.suites.structured.probe import probe
from tiltyard.suites.structured.values import compare
from tiltyard.suites.tally import Tally
from tiltyard.suites.verdict import answer_cut, looks_refused, settled

MODES = ("prompt", "json_object", "json_schema")
FLAGS = ("answered", "strict", "extracted", "repaired", "schema_valid", "format_valid")


class Shaping(Asking, frozen=True):
    """Settings of a json run. `files` says where things lie, `items` what is in them."""

    files: Mapping[str, Json] = {}  # {"schemas": folder}
    items: str | None = None  # hash
    modes: tuple[str, ...] = MODES
    level: str | None = None  # such as 1-3
    probe: bool = True


class Structured:
    """Asks for JSON and looks at shape and content."""

    name, version = "json", "5"

    def __init__(self) -> None:
        self.tally = Tally()
        self.honesty: Mapping[str, Json] | None = None
        self.levels: Sequence[int] = ()  # of each case
        self.left_out: Sequence[str] = ()  # files of the folder that do not hold, and why
        self.missing: Mapping[str, int] = {}  # modes that the server has not, and what would have been asked
        self._settings: tuple[Mapping[str, Json], Shaping] | None = None
        self._judges: dict[str, Judge] = {}

    def settings(self, bench: Bench) -> Shaping:
        if self._settings is None or self._settings[0] is not bench.settings:
            self._settings = bench.settings, read_asking(bench.settings, Shaping)
        return self._settings[1]

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        settings = self.settings(bench)
        cases, broken = read_cases(settings.files.get("schemas"), settings.level)
        self.left_out = list(map(str, broken))
        self.levels = [case.level for case in cases]
        modes = expressible(settings.modes, bench)
        asks = settings.repeats * len(modes)
        order = order_of(len(cases), settings.limit, settings.seed, settings.stop_when is not None)
        self.missing = {m: len(order) * settings.repeats for m in settings.modes if m not in modes}
        if settings.probe and "json_schema" in modes:
            self.honesty = await probe(bench, settings)
        items = items_of(cases, order, replace(settings, modes=modes))
        stage = graded_stage("json", items, bench, settings, self.tally, asks)
        yield replace(stage, expected=len(order) * asks)

    def request(self, item: Item, bench: Bench) -> Request:
        spec = item.spec
        messages = (Message(role="user", content=spec["words"]),)
        return request_of(
            item, messages, self.settings(bench), bench, response_format=format_of(spec["mode"], spec["case"])
        )

    def grade(self, item: Item, exchange: Exchange) -> Grade:
        """Pure. Details: the flags of the ladder, `field_accuracy`, the `rung` that found the value, and what
        the schema says against it.

        correct: valid with formats, and every field right; partial: valid, some fields wrong, the score being
        the share of right ones; wrong: not valid, no field right, or not alone where the mode promises that.
        """
        case: Case = item.spec["case"]
        decided = settled(exchange)
        if decided is not None:
            blank = decided.outcome in ("truncated", "refused", "unparsed")
            return replace(decided, details=nothing(case) if blank else {})
        return self.judged(case, item.spec["mode"], exchange)

    def judged(self, case: Case, mode: str, exchange: Exchange) -> Grade:
        """An answer that ended well and says something."""
        reading = read_value(exchange.text, case.kinds)
        cut = answer_cut(exchange)
        if reading.rung is None or (cut and reading.open):
            return without_value(case, exchange, reading, cut)
        verdict = self.judge(case).judge(reading.value)
        details: dict[str, Json] = {
            **nothing(case),
            "answered": not cut,
            "strict": reading.rung == "whole",
            "extracted": True,
            "repaired": True,
            "schema_valid": verdict.shape,
            "format_valid": verdict.formats,
            "rung": reading.rung,
        }
        if reading.rung == "among":  # by these it was chosen
            details["root_types"] = sorted(case.kinds)
        if verdict.errors:
            details["validation_errors"] = list(map(shown, verdict.errors))
        reasons, score = verdict.errors, float(verdict.formats)
        if case.graded:
            found = compare(case.expected, reading.value, case.compare)
            details |= {"field_accuracy": found.right / case.fields, "fields_right": found.right}
            details["exact"] = found.exact and verdict.formats
            score *= found.accuracy
            reasons = verdict.errors or found.wrong
        if mode != "prompt" and reading.rung != "whole":
            words = f"{mode} promises JSON and nothing else, but there is more in the reply"
            return Grade(outcome="wrong", score=0.0, rule="not_alone", reasons=(words,), details=details)
        right = bool(details["exact"]) if case.graded else verdict.formats
        outcome: Outcome = "correct" if right else "partial" if score > 0 else "wrong"
        return Grade(
            outcome=outcome,
            score=1.0 if right else score,
            rule=reading.rung,
            reasons=tuple(map(shown, reasons)),
            details=details,
        )

    def judge(self, case: Case) -> Judge:
        """Compiled once for each schema."""
        known = self._judges.get(case.hash)
        if known is None:
            known = self._judges[case.hash] = judge_of(case.schema)
        return known

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        settings = self.settings(bench)
        modes = by_mode(self.tally, settings.modes, self.missing)
        return {
            **with_missing(summarise_graded(self.tally, results), sum(self.missing.values())),
            "rates": rates(self.tally, range(self.tally.total)),
            "groups": as_groups(modes),
            "modes": modes,
            "levels": by_level(self.tally, self.levels),
            "differences": differences(self.tally, expressible(settings.modes, bench)),
            "schema_honesty": self.honesty,
            "left_out": list(self.left_out),
        }

    def asked(self, settings: Mapping[str, Json]) -> tuple[str, Iterator[Item]]:
        asking = read_asking(settings, Shaping)
        cases = case_set(asking.files.get("schemas"), asking.level)
        order: Sequence[int] = order_of(len(cases), asking.limit, asking.seed, shuffled=True)
        return self.name, items_of(cases, order, asking)

    def beside(self, attempt: Attempt) -> Mapping[str, Json]:
        return columns_of(attempt)

    def proof_settings(self) -> Mapping[str, Json]:
        return {"modes": ["prompt"], "probe": False}

    def proofs(self) -> Iterator[Proof]:
        """Every shipped case as a plain prompt, with its expected value. Raises UsageError."""
        cases = case_set(None, None)
        settings = Shaping(modes=("prompt",))
        for item in items_of(cases, range(len(cases)), settings):
            yield Proof(item, item.spec["case"].expected_text)


def items_of(cases: CaseSet, order: Sequence[int], settings: Shaping) -> Iterator[Item]:
    """Case by case: all modes and repetitions of one together, so that the modes meet the same conditions.

    They take turns in being first: it reads the prompt for all, where the server keeps what it has read.
    """
    for place, number in enumerate(order):
        case = cases[number]
        for repetition in range(settings.repeats):
            for turn in range(len(settings.modes)):
                mode = settings.modes[(place + repetition + turn) % len(settings.modes)]
                spec: dict[str, Any] = {"case": case, "mode": mode, "words": case.words, "number": number}
                yield Item(
                    id=f"{case.id} {mode}",
                    content_hash=f"{content_hash(case.hash)}/{mode}",
                    spec={**spec, "group": mode},
                    repetition=repetition,
                )


def expressible(modes: Sequence[str], bench: Bench) -> tuple[str, ...]:
    """The modes that the server's dialect has a word for. Nobody is asked in the others."""
    return tuple(mode for mode in modes if mode == "prompt" or "schema" in bench.server.can)


def format_of(mode: str, case: Case) -> Mapping[str, Json] | None:
    """What the request says about the answer's form."""
    if mode == "prompt":
        return None
    if mode == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": case.safe_name, "schema": case.schema, "strict": True},
    }


def nothing(case: Case) -> dict[str, Json]:
    """The flags of an answer in which no JSON was found; those about content only where it is known."""
    flags: dict[str, Json] = dict.fromkeys(FLAGS, False)
    if not case.graded:
        return flags
    return flags | {"exact": False, "field_accuracy": 0.0, "fields": case.fields, "fields_right": 0}


def shown(words: str) -> str:
    """Words of a model's as they can be stored: half characters (lone surrogates) by their numbers."""
    return words.encode("utf-8", "backslashreplace").decode()


def without_value(case: Case, exchange: Exchange, reading: Reading, cut: bool) -> Grade:
    """An answer without a whole JSON value: cut off, a refusal, or words."""
    details = {**nothing(case), "answered": not cut, "repaired": reading.repaired}
    if cut:
        return Grade(outcome="truncated", score=0.0, rule="cut", reasons=("cut inside",), details=details)
    if looks_refused(exchange.text):
        return Grade(outcome="refused", score=0.0, rule="refusal", details=details)
    return Grade(outcome="unparsed", score=0.0, rule="no_json", reasons=(reading.why,), details=details)
