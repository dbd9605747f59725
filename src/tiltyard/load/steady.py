"""The total output rate of a closed loop while it was full, with an interval.

First start to last end also holds the time in which streams were still starting and in which the last ones
ran alone. Between, tokens are counted by arrival in ten slices of equal length (batch means), whose spread
gives the interval. Open loops have no such window: their load is the schedule's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tiltyard.load.payload import find_payload, payload_times
from tiltyard.records import Attempt, Exchange, Figure
from tiltyard.stats.figures import figure

SLICES = 10
WHOLE = "over the whole window, start and drain included"


class Full(NamedTuple):
    """From the moment when all streams were under way to the first that found no successor."""

    start_ns: int
    end_ns: int


def full_window(exchanges: Sequence[Exchange], streams: int) -> Full | None:
    """None where the streams were never all under way, or for no time worth a measurement."""
    if len(exchanges) < 2 * streams:
        return None
    starts = sorted(x.timeline.started_ns for x in exchanges)
    ends = sorted(x.timeline.over_ns for x in exchanges)
    last_start = starts[-1]
    at = bisect_right(ends, last_start)
    window = Full(starts[streams - 1], ends[min(at, len(ends) - 1)])
    return window if window.end_ns > window.start_ns else None


def steady_output_tps(attempts: Sequence[Attempt], streams: int) -> Figure:
    """Output tokens of all streams together, per second, while `streams` were under way.

    No window spans two sittings: it is the longest of theirs. The tokens of a request are spread evenly over
    its payload events where the server does not count each.
    """
    sittings: dict[int, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.exchanges:
            sittings.setdefault(attempt.session, []).append(attempt)
    found = [
        (window, asked)
        for asked in sittings.values()
        if (window := full_window([a.exchanges[-1] for a in asked], streams)) is not None
    ]
    if not found:
        return figure([])
    window, asked = max(found, key=lambda each: each[0].end_ns - each[0].start_ns)
    span = (window.end_ns - window.start_ns) / SLICES
    bounds = [round(window.start_ns + i * span) for i in range(SLICES + 1)]
    tokens = [0.0] * SLICES
    for attempt in asked:
        exchange = attempt.exchanges[-1]
        payload = find_payload(exchange.events)
        if payload is None or not attempt.measures.output_tokens:
            continue
        times = payload_times(exchange.events, payload.first, payload.last, payload.events)
        each = attempt.measures.output_tokens / len(times)
        places = [bisect_right(times, bound) for bound in bounds]
        for i in range(SLICES):
            tokens[i] += each * (places[i + 1] - places[i])
    return figure([n / span * 1e9 for n in tokens] if any(tokens) else [])


def whole_output_tps(attempts: Sequence[Attempt], wall_s: float) -> Figure:
    """The same from the first start to the last end, start and drain included: one value, too low for the
    load, where there was no full window.
    """
    counted = [a.measures.output_tokens for a in attempts if a.ended_well]
    total = sum(n for n in counted if n is not None)
    return replace(figure([total / wall_s] if total and wall_s > 0 else []), why=WHOLE)
