"""What a summary is made of: counts and columns of the attempts of a graded run, which may have any length.

The store has everything else. Leaves out what the figures mean (`scoring.py`).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from tiltyard.load.metrics import why_no_rate
from tiltyard.load.summary import all_of, plus, too_fast
from tiltyard.records import OUTCOMES, Attempt, Exchange, Grade, Item, Outcome
from tiltyard.settings import hide_keys
from tiltyard.suites.columns import Column, Spill, Whole
from tiltyard.suites.stopping import Stopping
from tiltyard.suites.verdict import answer_cut

SPEEDS = ("ttft_ms", "ttfo_ms", "itl_ms", "e2e_ms", "queue_ms", "decode_tps", "prefill_tps")
ERRORS_KEPT = 50


class Tally:
    """Counts attempts one by one. Columns have one entry per attempt, in order of completion."""

    def __init__(self) -> None:
        self.spill = Spill()
        self.outcomes: Counter[Outcome] = Counter()
        self.endings: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.token_sources: Counter[str] = Counter()
        self.verdicts = Whole(self.spill, "b")  # index into OUTCOMES
        self.scores = Column(self.spill)
        self.items = Whole(self.spill)  # number of the item
        self.once = True  # no number came twice
        self._seen = bytearray()  # by number: has it come?
        self.groups = Whole(self.spill)  # index into `group_names`
        self.group_names: dict[str, int] = {}
        self.flags: dict[str, Column] = {}  # what the judge saw, NaN where it said nothing
        self.speeds = {name: Column(self.spill, kind="f") for name in SPEEDS}
        self.rated = 0  # answers that have a rate
        self.rate_biases = 0.0  # the sum of what guesses can make each rate wrong by, and the largest
        self.rate_bias: float | None = None
        self.too_fast = 0  # answers that have no rate because they arrived within less than the clock tells
        self.unrated: Counter[str] = Counter()  # why answers that ended well have none
        self.prompt_tokens: int | None = 0  # None once an answer is in whose prompt nobody counted
        self.output_tokens: int | None = None  # these are None until somebody counts some
        self.reasoning_tokens: int | None = None
        self.repeats = 1  # how often the settings ask each item
        self.stopping: Stopping | None = None  # takes every grade too, where the run may end early
        self.cut = Whole(self.spill, "b")  # did it hit the limit? -1: it did not end well
        self.thought = Whole(self.spill, "b")  # did it hold reasoning? likewise
        self.retries = 0  # tries before those that count, of this sitting and earlier ones

    @property
    def total(self) -> int:
        return len(self.verdicts)

    def add(self, item: Item, attempt: Attempt) -> None:
        """Count one attempt. `item.spec` may name its `number` (for repeats of one item), or its `unit` where
        several items ask the same, and its `group`.
        """
        grade = attempt.grade or Grade(outcome="error", score=0.0, rule="ungraded")
        last = attempt.exchanges[-1] if attempt.exchanges else None
        self.outcomes[grade.outcome] += 1
        self.retries += attempt.try_no - 1
        self.rules[grade.rule or "none"] += 1
        self.verdicts.append(OUTCOMES.index(grade.outcome))
        self.scores.append(grade.score)
        self.add_item(item.spec.get("unit", item.spec.get("number", self.total)))
        group = str(item.spec.get("group", ""))
        self.groups.append(self.group_names.setdefault(group, len(self.group_names)))
        self.add_flags(grade.details)
        if self.stopping is not None:
            self.stopping.take(item, attempt)
        ending = last.ending if last is not None else "cancelled"
        self.endings[ending] += 1
        self.add_length(last if ending == "ok" else None)
        for name, values in self.speeds.items():
            cached = name == "prefill_tps" and attempt.measures.prefill_kind == "warm"
            values.append(getattr(attempt.measures, name) if ending == "ok" and not cached else None)
        if last is None:
            return
        if grade.outcome == "error":
            self.failed(last.error or last.ending if grade.rule != "grader_failed" else grade.reasons[-1])
        if ending == "ok":
            self.add_answer(attempt, last)

    def add_answer(self, attempt: Attempt, answer: Exchange) -> None:
        """Count the tokens of an answer that ended well, and whether it has a rate."""
        measures = attempt.measures
        self.prompt_tokens = all_of(self.prompt_tokens, measures.prompt_tokens)
        self.output_tokens = plus(self.output_tokens, measures.output_tokens)
        self.reasoning_tokens = plus(self.reasoning_tokens, measures.reasoning_tokens)
        self.token_sources[measures.tokens_source or "none"] += 1
        if measures.decode_tps is not None:
            self.rated += 1
            if measures.rate_bias is not None:
                self.rate_bias = max(self.rate_bias or 0.0, measures.rate_bias)
                self.rate_biases += measures.rate_bias
            return
        self.too_fast += too_fast(attempt)
        self.unrated[why_no_rate(answer)] += 1

    def add_length(self, answer: Exchange | None) -> None:
        """Did the answer hit the limit, and did it hold reasoning? None: there is no whole answer."""
        if answer is None:
            self.cut.append(-1)
            self.thought.append(-1)
            return
        self.cut.append(answer_cut(answer))
        self.thought.append(bool(answer.reasoning) or "r" in answer.events.kinds)

    def add_item(self, number: int) -> None:
        """Count the item of this number."""
        self.items.append(number)
        if number >= len(self._seen):
            self._seen.extend(bytes(number + 1 - len(self._seen)))
        self.once = self.once and not self._seen[number]
        self._seen[number] = 1

    def clusters(self, places: Sequence[int]) -> array[int] | None:
        """The items of some attempts, where one may have several; None where each has one."""
        return None if self.once else array("i", (self.items[place] for place in places))

    def add_flags(self, details: Mapping[str, object]) -> None:
        """Numbers and flags of a grade's details become columns; words stay in the store."""
        for name, value in details.items():
            if isinstance(value, bool | int | float) and name not in self.flags:
                self.flags[name] = Column(self.spill, missing=self.total - 1)
        for name, values in self.flags.items():
            value = details.get(name)
            values.append(value if isinstance(value, bool | int | float) else None)

    def failed(self, reason: str) -> None:
        """Count a reason, while there are not too many different ones."""
        words = hide_keys(reason.strip().rpartition("\n")[2])
        if words in self.errors or len(self.errors) < ERRORS_KEPT:
            self.errors[words] += 1
