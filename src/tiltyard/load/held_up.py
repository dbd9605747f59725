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

    def between(self, first_ns: int, last_ns: int) -> bool:
        """Was it away at some time from the first to the last, as far as can be told?"""
        place = bisect_left(self._ends, first_ns)
        return place < len(self._ends) and self._starts[place] <= last_ns

    def merged(self, exchange: Exchange) -> bool:
        """Did more payload events than usual for this answer come at one instant, and that mostly in these
        spans? A server may send several together at any time.
        """
        events = exchange.events
        if not events.t_ns or not self.between(events.t_ns[0], events.t_ns[-1]):
            return False
        payload = find_payload(events)
        if payload is None or payload.chunks == payload.events:
            return False
        if payload.chunks == 1:  # all of it
            return self.between(events.t_ns[payload.first], events.t_ns[payload.first])
        together = Counter(payload_times(events, payload.first, payload.last, payload.events))
        usual = sorted(together.values())[len(together) // 2]
        away = [self.between(t_ns, t_ns) for t_ns in together]
        many = [count > usual for count in together.values()]
        both, inside = sum(a and b for a, b in zip(away, many, strict=True)), sum(away)
        elsewhere = (sum(many) - both) / max(len(away) - inside, 1)
        return both > 2 * elsewhere * inside
