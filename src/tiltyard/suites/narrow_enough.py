"""Ends a stage when its watched figure's interval is as narrow as the load's stop rule asks, twice in a row.

Stopping at the first lucky moment would make intervals that promise too much; docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.load.schedule import Load
from tiltyard.load.summary import rounds_in
from tiltyard.stats.figures import figure, width

LOOKS = 2  # one narrow interval may be luck


class NarrowEnough:
    """Looks at all values so far, whenever there are more of them."""

    def __init__(self, load: Load) -> None:
        self.load, self.stop = load, load.stop
        self.seen = 0  # number of values at the last look
        self.narrow = 0  # looks in a row that found it narrow

    def look(self, values: Sequence[float | None]) -> bool:
        """Is it narrow enough? One value for each answer, None where it has none."""
        most, least = self.stop.width, self.stop.min_count
        if most is not None and len(values) >= least and len(values) != self.seen:
            self.seen = len(values)
            rounds = rounds_in(self.load, len(values), None)
            found = figure(values, clusters=rounds.ids)
            relative = None if rounds.why else width(found)
            enough = found.n >= least and relative is not None and relative <= most
            self.narrow = self.narrow + 1 if enough else 0
        return self.narrow >= LOOKS
