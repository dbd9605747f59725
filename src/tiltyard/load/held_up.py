"""Was the client kept from its sockets for so long that arrivals merged?

The kernel stamps packets as they arrive, but joins those of one stream that nobody has read yet, and then
keeps the last one's stamp. A client that comes back within the time between two tokens sees the true times;
one that is held up for longer sees several tokens at once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter

from tiltyard.load.payload import find_payload, payload_times
from tiltyard.records import Exchange

HELD_MS = 4.0  # fewer tokens than that apart come from few machines


class HeldUp:
    """Spans of time in which the client may have been away, in order."""

    def __init__(self) -> None:
        self._starts, self._ends = array("q"), array("q")

    def add(self, start_ns: int, end_ns: int) -> None:
        self._starts.append(start_ns)
        self._ends.append(end_ns)

    def at(self, t_ns: int) -> bool:
        """Was it away at that time, as far as can be told?"""
        place = bisect_left(self._ends, t_ns)
        return place < len(self._ends) and self._starts[place] <= t_ns

    def merged(self, exchange: Exchange) -> bool:
        """Did more payload events than usual for this answer come at one instant of these spans?"""
        events = exchange.events
        payload = find_payload(events) if self._ends else None
        if payload is None or payload.chunks == payload.events:
            return False
        together = Counter(payload_times(events, payload.first, payload.last, payload.events))
        usual = sorted(together.values())[len(together) // 2]
        return any(count > usual and self.at(t_ns) for t_ns, count in together.items())
