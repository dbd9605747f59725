"""How sure is a share? Intervals for successes out of tries, and for mean scores between 0 and 1.

Leaves out comparing two of them (`paired.py`), and looking again and again (`sequential.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tiltyard.stats.figures import Interval, cluster_error
from tiltyard.stats.rounds import Rounds, means_of
from tiltyard.stats.student import normal_quantile, t_quantile


def wilson(successes: int, tries: int, level: float = 0.95) -> Interval | None:
    """Wilson's score interval of a proportion (Wilson 1927; Brown, Cai and DasGupta 2001 recommend it).

    It stays inside 0..1 and says something useful for 0 of n and n of n. None without a try.
    """
    if tries <= 0:
        return None
    if not 0 <= successes <= tries:
        raise ValueError(f"{successes} of {tries} is not a share")
    return _wilson(successes / tries, tries, normal_quantile(0.5 + level / 2))


def wilson_clustered(
    values: Sequence[float], clusters: Sequence[int] | None = None, level: float = 0.95
) -> Interval | None:
    """Wilson's interval of a mean of values in 0..1 that may be partial and may hang together in clusters.

    The variance of the mean is the cluster-robust one (`figures.cluster_error`); as many independent rights
    and wrongs as would vary so much are put into Wilson's formula (the effective sample size of Korn and
    Graubard 1998, Survey Methodology 24(2)), at least one per cluster, with Student's quantile for the
    clusters' degrees of freedom. Stays inside 0..1 and does not shrink to a point where all is right, as a
    bootstrap would. None without a value.
    """
    n = len(values)
    if n == 0:
        return None
    if min(values) < 0.0 or max(values) > 1.0:
        raise ValueError("a value is not a score in 0..1")
    mean, units, quantile = math.fsum(values) / n, float(n), normal_quantile(0.5 + level / 2)
    if clusters is None or len(set(clusters)) == n:
        error, df = _alone(values, mean)
    else:
        sums: dict[int, float] = {}
        sizes: dict[int, int] = {}
        for value, cluster in zip(values, clusters, strict=True):
            sums[cluster] = sums.get(cluster, 0.0) + value
            sizes[cluster] = sizes.get(cluster, 0) + 1
        units = float(len(sums))
        error, df = (0.0, 0.0)
        if len(sums) > 1:
            error, df = cluster_error([*sums.values()], [*sizes.values()], mean)
    if df > 0:
        quantile = t_quantile(0.5 + level / 2, df)
    if error > 0:
        units = max(units, mean * (1.0 - mean) / error**2)
    return _wilson(mean, units, quantile)


def wilson_in_rounds(successes: Sequence[bool], rounds: Rounds) -> Interval | None:
    """Of tries that may be alike within rounds (`rounds.py`). None without a try, or where no rounds help.

    Where all tries are alike, or all rounds, they tell nothing of how alike tries are within rounds: each
    counts, as in the standards of NCHS for proportions (Parker et al. 2017, Vital and Health Statistics
    2(175)), with the quantile of the rounds. In simulations of tries that are all alike that held the truth
    as often as one witness per round, within 2 % where three tenths of the spread lay between rounds.
    """
    if rounds.why:
        return None
    tries, found = len(successes), sum(successes)
    if rounds.ids is None:
        return wilson(found, tries)
    values = [float(success) for success in successes]
    means = means_of(values, rounds)
    if len(means) < 2 or len(set(means)) > 1:
        return wilson_clustered(values, rounds.ids)
    return _wilson(found / tries, tries, t_quantile(0.975, len(means) - 1))


def mean_of_groups(
    groups: Sequence[tuple[Sequence[float], Sequence[int] | None]], level: float = 0.95
) -> Interval | None:
    """The interval of the mean of several groups' means, each group as heavy as another.

    `groups`: of each its values in 0..1 and, where they hang together, their clusters. The groups are those
    that are meant, no sample. On either side the distances of their own intervals (`wilson_clustered`) from
    their means add up as independent errors do (MOVER: Zou and Donner 2008, Statistics in Medicine 27(10)).
    None without a value in each.
    """
    found = [wilson_clustered(values, clusters, level) for values, clusters in groups]
    k, means, below, above = len(groups), [], [], []
    for (values, _), interval in zip(groups, found, strict=True):
        if interval is None:
            return None
        means.append(math.fsum(values) / len(values))
        below.append(means[-1] - interval.low)
        above.append(interval.high - means[-1])
    mean = math.fsum(means) / k if k else 0.0
    return Interval(mean - math.hypot(*below) / k, mean + math.hypot(*above) / k) if k else None


def _alone(values: Sequence[float], mean: float) -> tuple[float, float]:
    """What `cluster_error` finds where every value is a cluster of its own, in less memory."""
    n = len(values)
    if n < 2:
        return 0.0, 0.0
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n * (n - 1))), n - 1.0


def _wilson(share: float, tries: float, z: float) -> Interval:
    scale = 1.0 + z * z / tries
    centre = (share + z * z / (2 * tries)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    low = 0.0 if share == 0 else centre - reach  # exact, where rounding would leave 1e-17
    high = 1.0 if share == 1 else centre + reach
    return Interval(low, high)
