"""A sample in, a `Figure` out: percentiles, and how sure the mean is.

The interval is about independent units. Requests are units; the chunk gaps inside one request are not, so a
pooled sample names the request of each value in `clusters`. Leaves out plots, tests and comparisons.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tiltyard.records import Figure
from tiltyard.stats.student import t_quantile

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Figure", "Interval", "figure", "mean_interval", "percentile", "pooled", "t_quantile", "width"]

_NUMPY_FROM = 50_000  # below this, importing numpy costs more than it saves, and above it lists take much
_SORTED_FROM = 300_000  # the same for nothing but sorting
_P99_FROM = 100


class Interval(NamedTuple):
    low: float
    high: float


def figure(values: Sequence[float | None], *, clusters: Sequence[int] | None = None) -> Figure:
    """Summarise a sample. None, NaN and infinities are left out and counted in `missing`.

    `ci95` is the 95 % interval of the mean: mean +- t(0.975, n - 1) * s / sqrt(n) when each value is its own
    unit; with `clusters` (one id per value) see `cluster_error`. It ends at zero where no value is below.
    Percentiles are linear (type 7). p99 is None below 100 values. `why` says what stands in the way of an
    interval.
    """
    if clusters is not None and len(clusters) != len(values):
        raise ValueError(f"{len(values)} values but {len(clusters)} cluster ids")
    if len(values) >= _NUMPY_FROM:
        return _large(values, clusters)
    return _small(values, clusters)


def pooled(values: array[float], sums: Sequence[float], sizes: Sequence[int]) -> Figure:
    """`figure` of many finite values that come in clusters, each with the sum and the number of its own."""
    if not values:
        return _nothing(0)
    mean = math.fsum(values) / len(values)
    ci95, why = _clustered(sums, sizes, mean)
    return _filled(_sorted(values), mean, ci95, why, 0)


def percentile(sorted_values: Sequence[float], q: float) -> float:
    """The q-quantile (0..1) of an ascending, non-empty sample: linear (Hyndman and Fan's type 7)."""
    rank = (len(sorted_values) - 1) * q
    below = math.floor(rank)
    above = min(below + 1, len(sorted_values) - 1)
    low, high = float(sorted_values[below]), float(sorted_values[above])
    return low + (high - low) * (rank - below)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """Student's t interval of the mean of independent values; None below two."""
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1) / n)
    reach = t_quantile(0.5 + level / 2, n - 1) * error
    return Interval(mean - reach, mean + reach)


def width(fig: Figure) -> float | None:
    """Full width of the 95 % interval relative to the mean: 0.1 is "+-5 %". None without one."""
    if fig.ci95 is None or not fig.mean:
        return None
    return (fig.ci95[1] - fig.ci95[0]) / abs(fig.mean)


def cluster_error(sums: Sequence[float], sizes: Sequence[int], mean: float) -> tuple[float, float]:
    """Standard error and degrees of freedom of a pooled mean whose values come in clusters.

    The pooled mean is the ratio sum(sums) / sum(sizes). With w_c = m_c / N and the cluster residual
    e_c = sum_c - m_c * mean, variance = sum(e_c^2 / (1 - w_c)) / N^2: the bias-reduced cluster-robust
    estimator CR2, and df = 1 / (sum w_c^2 + sum over c != d of w_c^2 w_d^2 / ((1 - w_c)(1 - w_d))), its
    Satterthwaite degrees of freedom (Bell and McCaffrey 2002, Survey Methodology 28(2), for a mean).
    Clusters of equal size give Student's interval of the cluster means, df = C - 1.
    """
    total = sum(sizes)
    weights = [m / total for m in sizes]
    spread = math.fsum((s - m * mean) ** 2 / (1.0 - w) for s, m, w in zip(sums, sizes, weights, strict=True))
    cross = [w * w / (1.0 - w) for w in weights]
    trace = math.fsum(w * w for w in weights) + math.fsum(cross) ** 2 - math.fsum(u * u for u in cross)
    return math.sqrt(spread) / total, 1.0 / trace


def _small(values: Sequence[float | None], clusters: Sequence[int] | None) -> Figure:
    kept = [float(x) for x in values if x is not None and math.isfinite(x)]
    n = len(kept)
    if n == 0:
        return _nothing(len(values))
    mean = math.fsum(kept) / n
    if clusters is None:
        error = math.sqrt(math.fsum((x - mean) ** 2 for x in kept) / max(n - 1, 1) / n)
        ci95, why = _interval(mean, error, n, n - 1.0)
    else:
        sums: dict[int, float] = {}
        sizes: dict[int, int] = {}
        for x, c in zip(values, clusters, strict=True):
            if x is not None and math.isfinite(x):
                sums[c] = sums.get(c, 0.0) + x
                sizes[c] = sizes.get(c, 0) + 1
        ci95, why = _clustered(list(sums.values()), list(sizes.values()), mean)
    return _filled(sorted(kept), mean, ci95, why, len(values) - n)


def _large(values: Sequence[float | None], clusters: Sequence[int] | None) -> Figure:
    import numpy as np

    kind = None if isinstance(values, array) else np.float64  # None becomes NaN
    data: np.ndarray[Any, Any] = np.asarray(values, dtype=kind)
    finite = np.isfinite(data)
    kept = data if finite.all() else data[finite]
    n = len(kept)
    if n == 0:
        return _nothing(len(data))
    mean = float(kept.mean(dtype=np.float64))
    if clusters is None:
        error = float(kept.std(ddof=1, dtype=np.float64)) / math.sqrt(n) if n > 1 else 0.0
        ci95, why = _interval(mean, error, n, n - 1.0)
    else:
        ids = np.unique(np.asarray(clusters)[finite], return_inverse=True)[1]
        sums, sizes = np.bincount(ids, weights=kept), np.bincount(ids)
        ci95, why = _clustered(sums.tolist(), sizes.tolist(), mean)
    return _filled(_sorted(kept), mean, ci95, why, len(data) - n)


def _sorted(values: array[float] | np.ndarray[Any, Any]) -> Sequence[float]:
    if len(values) < _SORTED_FROM and isinstance(values, array):
        return sorted(values)
    import numpy as np

    ordered: Sequence[float] = np.sort(np.asarray(values)).data
    return ordered


def _interval(mean: float, error: float, units: int, df: float) -> tuple[Interval | None, str | None]:
    if units < 2:
        return None, "one value: no interval"
    reach = t_quantile(0.975, df) * error
    return Interval(mean - reach, mean + reach), None


def _clustered(
    sums: Sequence[float], sizes: Sequence[int], mean: float
) -> tuple[Interval | None, str | None]:
    if len(sums) < 2:
        return None, "all values are of one request, one item, or one round of answers: no interval"
    error, df = cluster_error(sums, sizes, mean)
    return _interval(mean, error, len(sums), df)


def _nothing(missing: int) -> Figure:
    return Figure(n=0, why="not measurable here" if missing else "no values", missing=missing)


def _filled(
    ordered: Sequence[float], mean: float, ci95: Interval | None, why: str | None, missing: int
) -> Figure:
    n = len(ordered)
    if ordered[0] == ordered[-1]:  # rounding must not leave a mean beside the only value there is
        mean, why = ordered[0], why or "every value is the same"
        ci95 = None if ci95 is None else Interval(mean, mean)
    return Figure(
        n=n,
        mean=mean,
        p50=percentile(ordered, 0.50),
        p90=percentile(ordered, 0.90),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99) if n >= _P99_FROM else None,
        min=float(ordered[0]),
        max=float(ordered[-1]),
        ci95=None if ci95 is None else (max(ci95.low, 0.0) if ordered[0] >= 0 else ci95.low, ci95.high),
        why=why,
        missing=missing,
    )
