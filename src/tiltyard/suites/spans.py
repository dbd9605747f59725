"""How long a stage was under load, from the first request to the last answer.

The time between two sittings of a run is no part of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tiltyard.records import Attempt


class Spans:
    """Seconds under load: per sitting the last end less the first start, added up over the sittings."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[int, int]] = {}

    def add(self, attempt: Attempt) -> None:
        for exchange in attempt.exchanges:
            start, end = exchange.timeline.started_ns, exchange.timeline.over_ns
            low, high = self.of.get(attempt.session, (start, end))
            self.of[attempt.session] = (min(low, start), max(high, end))

    @property
    def wall_s(self) -> float:
        return sum(high - low for low, high in self.of.values()) / 1e9


def wall_s(attempts: Iterable[Attempt], without: Collection[Attempt] = ()) -> float:
    """Seconds under load of these attempts, those `without` left out."""
    spans, left_out = Spans(), set(map(id, without))
    for attempt in attempts:
        if id(attempt) not in left_out:
            spans.add(attempt)
    return spans.wall_s
