"""When requests start, and when a stage is over. Pure values and arithmetic; nothing here waits.

Start times are absolute offsets from the beginning of a stage, computed from the index alone, so that
lateness shows and never adds up. A closed loop has no start times: it starts a request when another has
ended.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, islice, pairwise
from typing import Literal

from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Record

SECOND = 1_000_000_000

LoadKind = Literal["closed", "constant", "poisson", "burst", "ramp"]


class Stop(Record, frozen=True, kw_only=True):
    """When a stage is over: whichever of these comes first. At least one must be given."""

    count: int | None = None  # requests
    seconds: float | None = None  # no request starts after that many
    width: float | None = None  # full width of the 95 % interval of `metric`, relative to its mean
    metric: str = "decode_tps"  # a field of `Measures`
    min_count: int = 5  # answers before the width is looked at

    def __post_init__(self) -> None:
        if self.count is None and self.seconds is None and self.width is None:
            raise UsageError(
                "a load without an end", "give a number of requests, seconds or an interval width"
            )
        for name in ("seconds", "width"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} must be a positive number, not {value}")


class Load(Record, frozen=True, kw_only=True):
    """How requests arrive.

    closed    `concurrency` at a time; the next starts when one ends
    constant  every 1 / `rate` seconds
    poisson   at random (exponential gaps, seeded), `rate` a second over the whole of the load
    burst     `burst` at once, every `burst` / `rate` seconds (without a rate: all bursts at once)
    ramp      from `rate` to `rate_to` a second, linearly over `stop.seconds`
    All but `closed` are open: they start on time however many answers are outstanding.
    """

    kind: LoadKind = "closed"
    concurrency: int = 1
    rate: float | None = None  # requests a second
    rate_to: float | None = None
    burst: int = 1
    seed: int = 0
    skip: int = 0  # start times that an earlier sitting has used; an open load goes on behind them
    spent_s: float = 0.0  # of `stop.seconds`, by then
    stop: Stop

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.burst < 1:
            raise UsageError("concurrency and burst must be 1 or more")
        if self.kind in ("constant", "poisson", "ramp") and self.rate is None:
            raise UsageError(f"a {self.kind} load needs a rate", "give --rate REQUESTS_PER_SECOND")
        for value in (self.rate, self.rate_to):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"a rate must be a positive number, not {value}")
        if self.kind == "ramp" and (self.rate_to is None or self.stop.seconds is None):
            raise UsageError("a ramp needs a second rate and a duration")
        if self.kind == "burst" and self.rate is None and self.stop.count is None:
            raise UsageError("a burst without a rate needs a number of requests")

    @property
    def one_at_a_time(self) -> bool:
        """Is no other request of ours under way, so that a wait for a first token tells of its prompt?"""
        return self.kind == "closed" and self.concurrency == 1

    @property
    def streams(self) -> int:
        """How many requests of a closed load can be under way at once: no more than it has."""
        return self.concurrency if self.stop.count is None else min(self.concurrency, self.stop.count)


def start_offsets_ns(load: Load) -> Iterator[int] | None:
    """Start times in ns after the beginning, endless and non-decreasing; None for a closed loop.

    Those that `skip` leaves out are taken off the others: the first is due at once, and what it would have
    waited for is the earlier sitting's (`due_s`).
    """
    offsets = all_offsets_ns(load)
    if offsets is None or not load.skip:
        return offsets
    first = next(offsets := islice(offsets, load.skip, None))
    return (offset - first for group in ((first,), offsets) for offset in group)


def left_of(load: Load, already: int, spent_s: float) -> Load | None:
    """What is left to do of a load of which `already` requests were answered over `spent_s` seconds; None:
    nothing.

    An open load has spent what its schedule says, whatever the clock: so none of its start times comes twice.
    """
    stop = load.stop
    if stop.count is not None:
        if already >= stop.count:
            return None
        stop = replace(stop, count=stop.count - already)
    offsets = all_offsets_ns(load)
    if offsets is not None:
        spent_s = next(islice(offsets, already, None)) / SECOND
    if stop.seconds is not None and spent_s >= stop.seconds:
        return None
    return replace(load, stop=stop, skip=0 if offsets is None else already, spent_s=spent_s)


def due_s(load: Load, asked: Sequence[int]) -> list[float]:
    """Seconds that each sitting of a load has by its schedule, up to the first start of the next one.

    `asked`: requests of each. 0 for the last sitting, which ends with its answers, and for a closed loop.
    """
    offsets = all_offsets_ns(load)
    if offsets is None or len(asked) < 2:
        return [0.0] * len(asked)
    firsts = list(accumulate(asked[:-1], initial=0))
    starts = list(islice(offsets, firsts[-1] + 1))
    return [(starts[b] - starts[a]) / SECOND for a, b in pairwise(firsts)] + [0.0]


def all_offsets_ns(load: Load) -> Iterator[int] | None:
    """Every start time of an open load, from its very beginning; None for a closed loop."""
    if load.kind == "constant":
        return constant_offsets(load.rate or 1.0)
    if load.kind == "poisson":
        return poisson_offsets(load.rate or 1.0, load.seed, arrivals_in(load))
    if load.kind == "burst":
        return burst_offsets(load.burst, load.rate)
    if load.kind == "ramp":
        return ramp_offsets(load.rate or 1.0, load.rate_to or 1.0, load.stop.seconds or 1.0)
    return None


def constant_offsets(rate: float) -> Iterator[int]:
    """i / rate."""
    return (round(i * SECOND / rate) for i in count())


def arrivals_in(load: Load) -> int:
    """Requests that the whole of an open load asks for, earlier sittings included; 0: nobody can say."""
    stop, rate = load.stop, load.rate or 1.0
    asked = [] if stop.count is None else [stop.count + load.skip]
    asked += [] if stop.seconds is None else [round(rate * stop.seconds)]
    return min(asked, default=0)


def poisson_offsets(rate: float, seed: int, expected: int = 0) -> Iterator[int]:
    """Cumulative sums of Exp(rate) gaps; the first request starts at zero.

    The first `expected` gaps are stretched to last `expected / rate`, so that the load asked for is the load
    delivered: given their number, the moments of a Poisson process are as random as before, while the sum of
    a few gaps would be off by 20 % easily.
    """
    gap = random.Random(seed).expovariate
    drawn = math.fsum(gap(rate) for _ in range(expected))
    gap = random.Random(seed).expovariate
    stretch = expected / rate / drawn if drawn else 1.0
    at = 0.0
    for i in count():
        yield round(at * SECOND)
        at += gap(rate) * (stretch if i < expected else 1.0)


def burst_offsets(size: int, rate: float | None) -> Iterator[int]:
    """floor(i / size) * size / rate: `rate` a second on average, `size` at once."""
    if rate is None:
        return (0 for _ in count())
    return (round(i // size * size * SECOND / rate) for i in count())


def ramp_offsets(rate: float, rate_to: float, seconds: float) -> Iterator[int]:
    """The t at which r t + (r' - r) t^2 / 2T reaches i; after T the last rate stays."""
    bend = (rate_to - rate) / (2 * seconds)
    reached = (rate + rate_to) / 2 * seconds
    for i in count():
        if i >= reached:
            t = seconds + (i - reached) / rate_to
        elif bend == 0.0:
            t = i / rate
        else:  # the stable form of the smaller root
            t = 2 * i / (rate + math.sqrt(max(rate * rate + 4 * bend * i, 0.0)))
        yield round(t * SECOND)


def doubling(first: int, last: int) -> Iterator[int]:
    """1, 2, 4 ... for a sweep over concurrency; ends with `last` itself."""
    level = first
    while level < last:
        yield level
        level *= 2
    yield last
