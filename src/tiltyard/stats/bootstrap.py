"""How sure is a mean that no formula fits? Resample what is independent, and look at the spread.

Leaves out comparisons, which resample pairs (`paired.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.stats.figures import Interval

RESAMPLES = 4000


def bootstrap_mean(
    values: Sequence[float], clusters: Sequence[int] | None = None, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani 1993, ch. 13), whole clusters resampled
    (Davison and Hinkley 1997, 3.8): values of one cluster hang together. None below two clusters.
    """
    import numpy as np

    ids = np.asarray(clusters if clusters is not None else range(len(values)))
    _, places = np.unique(ids, return_inverse=True)
    sums, counts = np.bincount(places, weights=np.asarray(values, dtype=float)), np.bincount(places)
    n = len(counts)
    if n < 2:
        return None
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 100):  # bounded memory, whatever n is
        weights = rng.multinomial(n, np.full(n, 1 / n), size=100)
        means[start : start + 100] = (weights @ sums) / (weights @ counts)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high))
