"""Where no interval of a mean is honest: waits of requests that arrive whatever the answers do.

Behind a long wait stands a queue, so that the next one waits long, too. Intervals that take such waits for
independent held the truth in 13 to 75 % of simulated runs. Means of 3 to 8 long batches held it in 65 to 95 %
of runs of 100 to 500 requests: too seldom to call it 95 %, so there is no interval at all.
"""

from __future__ import annotations

from collections.abc import Iterable

QUEUED = "waits in a queue are not independent"
_WAITS = frozenset(
    (
        *("ttft_ms", "ttfo_ms", "ttft_scheduled_ms", "ttfb_ms", "first_event_ms", "queue_ms"),
        *("e2e_ms", "e2e_scheduled_ms", "e2e_tps", "close_ms"),
    )
)


def why_no_interval(metric: str, loads: Iterable[str]) -> str | None:
    """`loads`: the kinds of load that the values are of. A closed one waits for its answers: no queue
    grows.
    """
    return QUEUED if metric in _WAITS and any(kind != "closed" for kind in loads) else None
