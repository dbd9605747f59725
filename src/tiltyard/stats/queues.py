"""Where no interval of a mean is honest: figures of requests that arrive whatever the answers do.

Behind a long wait stands a queue, so that the next one waits long, too. Intervals that take such waits for
independent held the truth in 13 to 75 % of simulated runs; means of 3 to 8 long batches held it in 65 to
95 %: too seldom. Answers that overlap share the server: intervals of their rates held it in 17 to 58 %.
"""

from __future__ import annotations

QUEUED = "waits in a queue are not independent"
SHARED = "answers to arrivals share the server where they overlap"
FEW = "too few answers for each stream: those that are under way together are alike"
_WAITS = frozenset(
    (
        *("ttft_ms", "ttfo_ms", "ttft_scheduled_ms", "ttfb_ms", "first_event_ms", "queue_ms"),
        *("e2e_ms", "e2e_scheduled_ms", "e2e_tps", "close_ms", "transport_ms"),
    )
)
_RATES = frozenset(
    ("decode_tps", "itl_ms", "server_decode_tps", "chunk_gap_ms", "prefill_tps", "prefill_warm_tps")
)


def why_no_interval(metric: str, why: str | None) -> str | None:
    """`why`: QUEUED under arrivals, FEW where several streams had too few answers; None for a metric that
    requests under way together do not share.
    """
    if metric in _RATES:
        return SHARED if why == QUEUED else why
    return why if metric in _WAITS else None
