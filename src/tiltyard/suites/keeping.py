"""What a stage keeps of its attempts in memory, and how it spares itself the garbage collector meanwhile.

The store has everything; a summary needs times and measures.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from tiltyard.records import Attempt, Events, Exchange

COLLECT_EVERY = 200_000  # allocations between two passes of the garbage collector


def without_words(attempt: Attempt) -> Attempt:
    """An attempt as a summary needs it: times and measures. Runs are long, and the store has the rest."""
    return replace(attempt, exchanges=tuple(map(_without_words, attempt.exchanges)))


def _without_words(exchange: Exchange) -> Exchange:
    events, timeline = exchange.events, exchange.timeline
    return replace(
        exchange,
        request=replace(exchange.request, messages=()),
        timeline=replace(timeline, arrivals_ns=timeline.arrivals_ns[-1:], arrivals_end=()),
        events=Events(t_ns=array("q", events.t_ns), kinds=events.kinds),
        text="",
        reasoning="",
        tool_calls=(),
        raw=None,
    )


@contextmanager
def rare_collections() -> Iterator[None]:
    """Spare a stage most of the cyclic garbage collector's pauses: attempts pile up, and hold no cycles."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
