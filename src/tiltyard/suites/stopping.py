"""Ends a graded stage as soon as its rule allows, with intervals that stay true however early that is.

`graded_stage` wires it: the tally hands over every grade. A suite that asks each item more often than
`--repeats` says (rotations, modes) tells `graded_stage` how often, or each item says it (`asks`). With a
rule, every suite yields its items in the order of `order_of`. The mathematics is in `stats/sequential.py`.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Hashable, Mapping, Sequence

from tiltyard.errors import UsageError
from tiltyard.records import UNJUDGED, Attempt, Item, Json
from tiltyard.stats.pairing import Scores, item_key
from tiltyard.stats.sequential import Rule, Sequential, rule_of

Pair = tuple[float | None, float | None]  # an attempt's score, and the opponent's of the same question


def checked_rule(text: str | None) -> Rule | None:
    """The rule of `--stop-when`; raises UsageError for what is none."""
    try:
        return None if text is None else rule_of(text)
    except ValueError as error:
        raise UsageError(
            f"--stop-when: {error}", "give --stop-when decided, or --stop-when width=0.05"
        ) from None


def order_of(count: int, limit: int | None, seed: int, shuffled: bool) -> array[int]:
    """Which of `count` items to ask, in which order: `limit` of them drawn by the seed.

    Shuffled where a run may end early: the part that was asked must be a fair sample of the whole.
    """
    chance = random.Random(f"order {seed}")
    if limit is not None and limit < count:
        drawn = chance.sample(range(count), limit)
        return array("q", drawn if shuffled else sorted(drawn))
    places = array("q", range(count))
    if shuffled:
        for last in range(count - 1, 0, -1):
            other = chance.randrange(last + 1)
            places[last], places[other] = places[other], places[last]
    return places


class Stopping:
    """Feeds whole items to a `Sequential`: an item counts once, when all its `asks` attempts are graded.

    Its score is the mean over those that were answered; errors and unsupported ones have none.
    """

    def __init__(
        self,
        rule: Rule,
        asks: int = 1,
        opponent: Scores | None = None,
        against: str | None = None,
        candidates: int = 1,
    ) -> None:
        self.rule, self.asks, self.opponent, self.against = rule, asks, opponent, against
        self.sequence = Sequential(rule, candidates=candidates)
        self.under_way: dict[Hashable, list[Pair]] = {}

    def recall(self, earlier: Mapping[str, Json]) -> None:
        """Take the `summary` of the run's earlier sittings: what was decided stays so."""
        self.sequence.recall(earlier["decided"], earlier.get("verdict"), earlier.get("p_value"))

    def take(self, item: Item, attempt: Attempt) -> None:
        """Count one graded attempt."""
        grade = attempt.grade
        score = None if grade is None or grade.outcome in UNJUDGED else grade.score
        pairs = [(score, self.opponents_score(attempt))]
        asks = item.spec.get("asks", self.asks)
        if asks > 1:
            number = item.spec.get("number", item.id)
            pairs = self.under_way.setdefault(number, []) + pairs
            self.under_way[number] = pairs
            if len(pairs) < asks:
                return
            del self.under_way[number]
        both = [(x, y) for x, y in pairs if x is not None and y is not None]  # one way may be harder
        own = mean_of([x for x, _ in both or pairs])
        if own is not None:
            self.sequence.add(own, mean_of([y for _, y in both]))

    def opponents_score(self, attempt: Attempt) -> float | None:
        if self.opponent is None:
            return None
        return self.opponent.score_of(item_key(attempt.stage, attempt.item_id, attempt.item_hash))

    @property
    def possible(self) -> bool:
        """Could the stage end early at all? Against nobody nothing is ever decided."""
        return self.rule.kind == "width" or self.opponent is not None

    def decided(self) -> bool:
        """May the stage end?"""
        return self.sequence.decided()

    def summary(self) -> Mapping[str, Json]:
        """What the rule came to; `verdict` and `p_value` are about the opponent, valid at any moment."""
        sequence = self.sequence
        found: dict[str, Json] = {
            "rule": "decided" if self.rule.kind == "decided" else f"width={self.rule.width:g}",
            "decided": sequence.look(),
            "items": sequence.n,
        }
        if self.rule.kind == "decided":
            found |= {
                "against": self.against,  # a run's id; null where the store had none to compare with
                "candidates": sequence.candidates,  # runs out of which it was picked as the best
                "pairs": sequence.pairs,
                "gains": sequence.gains,
                "losses": sequence.losses,
                "verdict": sequence.direction(),
                "p_value": sequence.p_value(),
            }
        return found


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
