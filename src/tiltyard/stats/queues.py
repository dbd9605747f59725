"""Where no interval of a mean is honest: figures of requests that depend on each other.

Behind a long wait stands a queue, so that the next one waits long, too. Intervals that take such waits for
independent held the truth in 13 to 75 % of simulated runs of requests that arrive whatever the answers do,
and in 0 to 76 % of those of more streams than the server has slots. Means of 3 to 8 long batches of arrivals
held it in 65 to 95 %: too seldom. Answers to arrivals that overlap share the server: their rates, 17 to 58 %.
"""

from __future__ import annotations

QUEUED = "waits in a queue are not independent"
IN_LINE = "not all streams were answered at once: their waits depend on each other"
IN_TURN = "each wait is like the one before: prompts may have been read one after another"
SHARED = "answers to arrivals share the server where they overlap"
_WAITS = frozenset(
    (
        *("ttft_ms", "ttfo_ms", "ttft_scheduled_ms", "ttfb_ms", "first_event_ms", "queue_ms"),
        *("e2e_ms", "e2e_scheduled_ms", "e2e_tps", "close_ms", "transport_ms"),
    )
)
_RATES = frozenset(
    ("decode_tps", "itl_ms", "server_decode_tps", "chunk_gap_ms", "prefill_tps", "prefill_warm_tps")
)


def why_no_interval(metric: str, waited: str | None) -> str | None:
    """`waited`: QUEUED, IN_LINE or IN_TURN where the requests depended on each other.

    Their rates only do so in the first case: a fixed number of streams shares the server evenly.
    """
    if metric in _RATES:
        return SHARED if waited == QUEUED else None
    return waited if metric in _WAITS else None
