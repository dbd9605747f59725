"""Goodput: what share of the requests a user would call served, by limits such as
`ttft=500ms,itl=50ms,e2e=2s`.

Latencies are taken from the scheduled start, so that a stalled server cannot hide behind its own backlog. A
request that failed has met nothing. One that nobody can judge, since what is limited was not measured, is in
no share, and is counted apart.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from tiltyard.errors import UsageError
from tiltyard.load.metrics import MS, SHORTEST_NS, streamed_tokens, timed_payload, too_short
from tiltyard.load.payload import find_payload
from tiltyard.records import Attempt, Json, Measures, Record
from tiltyard.stats.proportions import wilson_in_rounds
from tiltyard.stats.rounds import Rounds

UNITS_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "": 1.0}
# what a user may limit -> the fields of Measures that stand for it, best first
LIMITS = {
    "ttft": ("ttft_scheduled_ms", "ttft_ms"),
    "ttfo": ("ttfo_ms",),
    "itl": ("itl_ms",),
    "e2e": ("e2e_scheduled_ms", "e2e_ms"),
}
# by which tokens may be more or fewer than an estimate: between one character each and 17
ESTIMATED = 4.0
EXAMPLE = "as in ttft=500ms,itl=50ms,e2e=2s"


class Slo(Record, frozen=True, kw_only=True):
    """Upper limits in ms; None: not limited."""

    ttft_ms: float | None = None
    ttfo_ms: float | None = None
    itl_ms: float | None = None
    e2e_ms: float | None = None

    def met_by(self, attempt: Attempt) -> bool:
        """Did it end well and keep every limit, as far as it could be measured?"""
        return attempt.ended_well and all(kept is not False for kept in self.kept(attempt).values())

    def unjudged(self, attempt: Attempt) -> list[str]:
        """The limits that decide whether it was served, and of which nobody can tell whether it kept them."""
        if not self.met_by(attempt):
            return []
        return [name for name, kept in self.kept(attempt).items() if kept is None]

    def kept(self, attempt: Attempt) -> dict[str, bool | None]:
        """Of an answer that ended well: did it keep each limit? None: what is limited was not measured."""
        limits = {name: getattr(self, f"{name}_ms") for name in LIMITS}
        return {name: keeps(name, attempt, limit) for name, limit in limits.items() if limit is not None}

    def as_text(self) -> str:
        """`ttft=500ms,itl=50ms`, as `parse_slo` reads it."""
        limits = {name: getattr(self, f"{name}_ms") for name in LIMITS}
        return ",".join(f"{name}={limit:g}ms" for name, limit in limits.items() if limit is not None)


def keeps(name: str, attempt: Attempt, limit: float) -> bool | None:
    """Did an answer that ended well keep a limit? None: what is limited was not measured."""
    value = limited(name, attempt.measures)
    if value is None and name == "itl":
        value = most_itl_ms(attempt)
        return True if value is not None and value <= limit else None
    return None if value is None or in_doubt(name, attempt, limit) else value <= limit


def limited(name: str, measures: Measures) -> float | None:
    """What a limit is held against, in ms; None where it was not measured.

    Where there is nothing to measure it is known all the same: one token is followed by no other, and whoever
    got reasoning alone, or nothing, waits for the first visible token still.
    """
    value: float | None = next(
        (v for field in LIMITS[name] if (v := getattr(measures, field)) is not None), None
    )
    if name == "itl" and value is None and measures.output_tokens == 1:
        return 0.0
    if name != "e2e" and value is None and measures.output_tokens == 0 and not measures.chunks:
        return math.inf  # nothing came, though the answer ended well
    if name == "ttfo" and value is None and measures.ttft_ms is not None:
        return math.inf
    if name == "ttfo" and value is not None:  # from the schedule, as the others
        return value + (measures.queue_ms or 0.0)
    return value


def most_itl_ms(attempt: Attempt) -> float | None:
    """What the ITL of an answer is less than that came in parts, too fast for its clock to tell a rate."""
    exchange, counted = attempt.exchanges[-1], attempt.measures.tokens_source != "estimate"
    payload = timed_payload(exchange, find_payload(exchange.events))
    tokens = streamed_tokens(exchange, payload, attempt.measures.output_tokens) if counted else None
    if payload is None or payload.chunks < 2 or tokens is None or tokens < 2 or not too_short(exchange):
        return None
    return SHORTEST_NS[exchange.timeline.clock] / MS / (tokens - 1)


def in_doubt(name: str, attempt: Attempt, limit: float) -> bool:
    """Does a limit on ITL lie within what a guessed decode rate may be wrong by?"""
    measures, itl = attempt.measures, attempt.measures.itl_ms
    if name != "itl" or itl is None:
        return False
    factor = 1 + (measures.rate_bias or 0.0)
    if measures.rate_source == "client-estimated":
        factor *= ESTIMATED
    return itl / factor < limit < itl * factor


def parse_slo(text: str) -> Slo:
    """Read `ttft=500ms,itl=50ms,e2e=2s` (ms where no unit is given). Raises UsageError."""
    limits: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        found = re.fullmatch(r"(\w+)\s*[=<]=?\s*([0-9.]+)\s*(\w*)", part)
        if found is None or found[1] not in LIMITS or found[3] not in UNITS_MS:
            raise UsageError(f"cannot read the limit {part!r}", f"{EXAMPLE}; of: {', '.join(LIMITS)}")
        try:
            limits[f"{found[1]}_ms"] = float(found[2]) * UNITS_MS[found[3]]
        except ValueError:
            raise UsageError(f"cannot read the number in {part!r}", EXAMPLE) from None
    if not limits or not all(math.isfinite(v) and v > 0 for v in limits.values()):
        raise UsageError("an SLO needs at least one limit above zero", EXAMPLE)
    return Slo(**limits)


def goodput(slo: Slo, attempts: Sequence[Attempt], window_s: float, rounds: Rounds) -> dict[str, Json]:
    """Requests per second that met every limit, and their share with Wilson's 95 % interval.

    The share is of the requests that could be judged. `unjudged`: how many could not, by the limits that
    kept them from it; a request may lack two. `rounds`: which of the attempts are alike, since where one
    misses a limit, the next often does: of arrivals, Wilson's held the truth in 8 to 88 % of simulated runs.
    """
    lacks = [slo.unjudged(attempt) for attempt in attempts]
    lacking = [names for names in lacks if names]
    kept = [slo.met_by(attempt) for attempt, names in zip(attempts, lacks, strict=True) if not names]
    good, judged = sum(kept), len(kept)
    if rounds.ids is not None:
        rounds = Rounds([place for place, names in zip(rounds.ids, lacks, strict=True) if not names])
    interval = wilson_in_rounds(kept, rounds)
    return {
        "slo": slo.as_text(),
        "good": good,
        "judged": judged,
        "unjudged": dict(Counter(name for names in lacking for name in names)),
        "total": len(attempts),
        "requests_per_s": good / window_s if window_s > 0 and judged else None,
        "share": good / judged if judged else None,
        "share_ci95": None if interval is None else [interval.low, interval.high],
        "share_why": rounds.why or (None if judged else "no request could be judged"),
    }
