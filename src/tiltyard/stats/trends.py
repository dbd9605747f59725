"""Does it drift, and where does it stop growing? Lines through time and knees of load curves.

Leaves out forecasting: a slope is about the time that was measured, a knee about the loads that were tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tiltyard.records import Record
from tiltyard.stats.figures import Interval
from tiltyard.stats.student import t_quantile

_BINS = 20  # time bins of a drift: neighbours in a soak are alike, means of bins much less so
FEWEST_BINS = 6


class Drift(Record, frozen=True):
    """A straight line through values over time. `change` is relative: -0.04 is 4 % less at the end."""

    slope_per_s: float
    slope_ci95: tuple[float, float]
    start: float  # the line's value at the first time
    change: float
    change_ci95: tuple[float, float]
    n: int

    @property
    def clear(self) -> bool:
        """The interval leaves out "no drift"."""
        return self.change_ci95[0] > 0 or self.change_ci95[1] < 0


def drift(times_s: Sequence[float], values: Sequence[float], streams: int = 1) -> Drift | None:
    """Least squares with Student's t interval of the slope: through the means of 20 time bins, through the
    values themselves below 40. A bin holds twice as many answers as there are `streams` or more, if there are
    some; with less than 6 of these the interval is not to be believed.

    Bins of equal count take most of the likeness of neighbours out of the residuals, which would make the
    interval too narrow. `change` is slope * span / start. None below 6 values, for a span of 0, or where the
    line starts at or below 0.
    """
    points = sorted(zip(times_s, values, strict=True))
    n = len(points)
    if n < FEWEST_BINS or points[-1][0] <= points[0][0]:
        return None
    bins = _BINS if n >= 2 * _BINS else n
    if streams > 1:
        bins = max(min(bins, n // (2 * streams)), FEWEST_BINS)
    xs, ys = _binned(points, bins)
    centre = math.fsum(xs) / len(xs)
    level = math.fsum(ys) / len(ys)
    square = math.fsum((x - centre) ** 2 for x in xs)
    if square == 0:
        return None
    slope = math.fsum((x - centre) * (y - level) for x, y in zip(xs, ys, strict=True)) / square
    rest = math.fsum((y - level - slope * (x - centre)) ** 2 for x, y in zip(xs, ys, strict=True))
    reach = t_quantile(0.975, len(xs) - 2) * math.sqrt(rest / (len(xs) - 2) / square)
    start = level + slope * (points[0][0] - centre)
    if start <= 0:
        return None
    span = (points[-1][0] - points[0][0]) / start
    return Drift(
        slope_per_s=slope,
        slope_ci95=(slope - reach, slope + reach),
        start=start,
        change=slope * span,
        change_ci95=((slope - reach) * span, (slope + reach) * span),
        n=n,
    )


def under_load(starts: Sequence[tuple[int, float]], lasted_s: Mapping[int, float]) -> list[float]:
    """When each request began, in seconds under load. `starts`: its sitting of the run, and when it began by
    that sitting's clock; `lasted_s`: how long each sitting but the last was under load.

    The time between two sittings is left out, and each may have a clock of its own.
    """
    first = dict[int, float]()
    for sitting, start in starts:
        first[sitting] = min(start, first.get(sitting, start))
    before, total = dict[int, float](), 0.0
    for sitting in sorted(first):
        before[sitting] = total
        total += lasted_s.get(sitting, 0.0)
    return [before[sitting] + start - first[sitting] for sitting, start in starts]


def _binned(points: Sequence[tuple[float, float]], bins: int) -> tuple[list[float], list[float]]:
    xs, ys = list[float](), list[float]()
    for k in range(bins):
        part = points[k * len(points) // bins : (k + 1) * len(points) // bins]
        xs.append(math.fsum(p[0] for p in part) / len(part))
        ys.append(math.fsum(p[1] for p in part) / len(part))
    return xs, ys


class LoadPoint(Record, frozen=True):
    """Throughput at one load, with its interval where there is one."""

    load: float
    rate: float
    ci95: tuple[float, float] | None = None


class Knee(Record, frozen=True):
    """The smallest load that already gives nearly all the throughput."""

    load: float
    rate: float
    peak: float
    resolved: bool  # the intervals allow no other answer
    growing: bool  # the largest load tried is the knee: more may be had beyond it


def knee(points: Sequence[LoadPoint], tolerance: float = 0.05) -> Knee | None:
    """The smallest load whose rate is within `tolerance` of the best rate of all loads. None below 2 loads.

    Resolved: every interval is known, the knee's own lower end is within the tolerance of the best rate, and
    the upper ends of all smaller loads stay below it; else more samples could name another load.
    """
    ordered = sorted(points, key=lambda p: p.load)
    if len(ordered) < 2:
        return None
    peak = max(p.rate for p in ordered)
    enough = (1.0 - tolerance) * peak
    at = next(i for i, p in enumerate(ordered) if p.rate >= enough)
    chosen = ordered[at]
    below = [_bounds(p).high for p in ordered[:at]]
    known = all(p.ci95 is not None for p in ordered)
    resolved = (
        known
        and all(high < enough for high in below)
        and (_bounds(chosen).low >= enough or at == len(ordered) - 1)
    )
    return Knee(
        load=chosen.load,
        rate=chosen.rate,
        peak=peak,
        resolved=resolved,
        growing=at == len(ordered) - 1,
    )


def _bounds(point: LoadPoint) -> Interval:
    return Interval(*point.ci95) if point.ci95 is not None else Interval(point.rate, point.rate)
