"""Goodput: what share of the requests a user would call served, by limits such as
`ttft=500ms,itl=50ms,e2e=2s`.

Latencies are taken from the scheduled start, so that a stalled server cannot hide behind its own backlog. A
request that failed has met nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Json, Record
from tiltyard.stats.proportions import wilson

UNITS_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "": 1.0}
# what a user may limit -> the fields of Measures that stand for it, best first
LIMITS = {
    "ttft": ("ttft_scheduled_ms", "ttft_ms"),
    "ttfo": ("ttfo_ms",),
    "itl": ("itl_ms",),
    "e2e": ("e2e_scheduled_ms", "e2e_ms"),
}
EXAMPLE = "as in ttft=500ms,itl=50ms,e2e=2s"


class Slo(Record, frozen=True, kw_only=True):
    """Upper limits in ms; None: not limited."""

    ttft_ms: float | None = None
    ttfo_ms: float | None = None
    itl_ms: float | None = None
    e2e_ms: float | None = None

    def met_by(self, attempt: Attempt) -> bool:
        """Did it end well and keep every limit? A figure that could not be measured keeps no limit."""
        if not attempt.exchanges or attempt.exchanges[-1].ending != "ok":
            return False
        for name, fields in LIMITS.items():
            limit = getattr(self, f"{name}_ms")
            if limit is None:
                continue
            values = [getattr(attempt.measures, field) for field in fields]
            value = next((v for v in values if v is not None), None)
            if name == "ttfo" and value is not None:  # from the schedule, as the others
                value += attempt.measures.queue_ms or 0.0
            if value is None or value > limit:
                return False
        return True

    def as_text(self) -> str:
        """`ttft=500ms,itl=50ms`, as `parse_slo` reads it."""
        limits = {name: getattr(self, f"{name}_ms") for name in LIMITS}
        return ",".join(f"{name}={limit:g}ms" for name, limit in limits.items() if limit is not None)


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


def goodput(slo: Slo, attempts: Sequence[Attempt], window_s: float) -> dict[str, Json]:
    """Requests per second that met every limit, and their share of all with Wilson's 95 % interval."""
    good = sum(slo.met_by(attempt) for attempt in attempts)
    total = len(attempts)
    interval = wilson(good, total)
    return {
        "slo": slo.as_text(),
        "good": good,
        "total": total,
        "requests_per_s": good / window_s if window_s > 0 else None,
        "share": good / total if total else None,
        "share_ci95": None if interval is None else [interval.low, interval.high],
    }
