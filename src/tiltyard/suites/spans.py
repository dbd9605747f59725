"""How long a stage was under load, from the first request to the last answer.

The time between two sittings of a run is no part of it; what the schedule of an open load had between the
last start of one and the first of the next one is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tiltyard.load.schedule import Load, due_s
from tiltyard.records import Attempt


class Spans:
    """Seconds under load: per sitting last end less first start, and no less than the schedule has."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.of: dict[int, tuple[int, int]] = {}
        self.asked: Counter[int] = Counter()

    def add(self, attempt: Attempt) -> None:
        self.asked[attempt.session] += 1
        for exchange in attempt.exchanges:
            start, end = exchange.timeline.started_ns, exchange.timeline.over_ns
            low, high = self.of.get(attempt.session, (start, end))
            self.of[attempt.session] = (min(low, start), max(high, end))

    @property
    def seconds(self) -> dict[int, float]:
        """Of each sitting, in order."""
        sittings = sorted(self.asked)
        due = due_s(self.load, [self.asked[n] for n in sittings])
        lasted = [(high - low) / 1e9 for low, high in (self.of.get(n, (0, 0)) for n in sittings)]
        return dict(zip(sittings, map(max, lasted, due), strict=True))

    @property
    def wall_s(self) -> float:
        return sum(self.seconds.values())


def spans_of(load: Load, attempts: Iterable[Attempt], without: Collection[Attempt] = ()) -> Spans:
    """Of these attempts, those `without` left out."""
    spans, left_out = Spans(load), set(map(id, without))
    for attempt in attempts:
        if id(attempt) not in left_out:
            spans.add(attempt)
    return spans
