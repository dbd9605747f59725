"""Is B different from A? Ratios with intervals, paired where different items match, and an honest verdict.

Repetitions of one item have nothing to pair on: their means are compared, with all values. Everything works
on logarithms, because speeds differ by factors: "6 % faster" means the same at 8 and at 800 tok/s. The
intervals speak about the requests of the two runs, not of what changes between runs (heat, other programs).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence, Sized
from typing import Literal, NamedTuple

from tiltyard.records import Record
from tiltyard.stats.figures import Interval
from tiltyard.stats.student import normal_quantile, t_cdf, t_quantile

Verdict = Literal["higher", "lower", "same", "unclear", "none"]
Values = Mapping[Hashable, float]  # the values of one stage by what tells them apart: (item id, repetition)

_POWER = 0.80  # "about n more" is meant to succeed four times out of five
_NEVER = 1_000_000  # more requests than anybody sends
_FEW = 5  # values of a side below which Welch's degrees of freedom promise too much


class Ratio(Record, frozen=True):
    """B / A. `low` and `high` bound it with 95 % confidence; None where no interval is possible."""

    ratio: float
    low: float | None
    high: float | None
    p_value: float | None  # of "there is no difference", two-sided
    paired: bool
    n_a: int
    n_b: int
    pairs: int = 0
    stages: int = 1
    medians: float | None = None  # ratio of the medians: far from `ratio` where outliers rule
    share_a: float | None = None  # unpaired: how much of the variance is A's
    df: float | None = None  # degrees of freedom of the interval


class _Part(NamedTuple):
    """One stage's estimate of log(B/A)."""

    mean: float
    variance: float  # of the mean
    df: float
    of_a: float = 0.0  # unpaired: the part of the variance that is A's


def mean_ratio(a: Mapping[str, Values], b: Mapping[str, Values]) -> Ratio | None:
    """Compare repetitions of one item a stage: the ratio of the means, never paired, with all values of both.

    Within a stage: Welch's interval of log(mean of b / mean of a), each error relative to its mean (delta
    method). Stages are combined as in `log_ratio`. Where one holds a single value, the stages are the units,
    as pairs. None where no stage is in both with means above zero.
    """
    both = [(_finite(a[s]), _finite(b[s])) for s in a if s in b]
    shared = [(x, y) for x, y in both if x and y and math.fsum(x) > 0 and math.fsum(y) > 0]
    if not shared:
        return None
    parts = [_welch_of_means(x, y) for x, y in shared]
    if len(shared) > 1 and any(len(side) < 2 for pair in shared for side in pair):
        units = [_paired([p.mean for p in parts])]
        return _ratio_of(units, shared, len(shared), _ratio_of_medians(shared))
    return _ratio_of(parts, shared, 0, _ratio_of_medians(shared))


def log_ratio(a: Mapping[str, Values], b: Mapping[str, Values]) -> Ratio | None:
    """Compare different items stage by stage (only stages in both) and give every stage the same weight.

    Within a stage: the t interval of log(b) - log(a) over pairs where at least two thirds of the smaller side
    match, else Welch's interval of the means of logs. Over stages: the mean of the estimates, variances
    added, degrees of freedom by Welch and Satterthwaite. Where a stage holds a single pair, all pairs make
    one stage. None when nothing is in common. Values at or below zero have no logarithm and are left out.
    """
    shared = [(_logs(a[s]), _logs(b[s])) for s in a if s in b]
    shared = [(x, y) for x, y in shared if x and y]
    if not shared:
        return None
    paired = all(len(x.keys() & y.keys()) * 3 >= min(len(x), len(y)) * 2 for x, y in shared)
    if paired:
        differences = [[y[k] - x[k] for k in x.keys() & y.keys()] for x, y in shared]
        if any(len(d) < 2 for d in differences):
            differences = [[v for d in differences for v in d]]
        parts = [_paired(d) for d in differences]
        pairs = sum(map(len, differences))
    else:
        parts, pairs = [_welch(list(x.values()), list(y.values())) for x, y in shared], 0
    medians = [_median([*y.values()]) - _median([*x.values()]) for x, y in shared]
    return _ratio_of(parts, shared, pairs, math.exp(math.fsum(medians) / len(medians)))


def _ratio_of(
    parts: Sequence[_Part], shared: Sequence[tuple[Sized, Sized]], pairs: int, medians: float | None
) -> Ratio:
    """The stages' parts as one ratio; without `pairs` they are unpaired. `shared`: the values behind them."""
    estimate = math.fsum(p.mean for p in parts) / len(parts)
    interval, p_value, df = _combined(parts, estimate)
    return Ratio(
        ratio=math.exp(estimate),
        low=None if interval is None else math.exp(interval.low),
        high=None if interval is None else math.exp(interval.high),
        p_value=p_value,
        paired=pairs > 0,
        n_a=sum(len(x) for x, _ in shared),
        n_b=sum(len(y) for _, y in shared),
        pairs=pairs,
        stages=len(shared),
        share_a=None if pairs else _share(parts),
        medians=medians,
        df=df,
    )


def _logs(values: Values) -> dict[Hashable, float]:
    return {k: math.log(v) for k, v in values.items() if v > 0 and math.isfinite(v)}


def _finite(values: Values) -> list[float]:
    return [v for v in values.values() if math.isfinite(v)]


def _ratio_of_medians(shared: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    medians = [(_median(x), _median(y)) for x, y in shared]
    if any(x <= 0 or y <= 0 for x, y in medians):
        return None
    return math.exp(math.fsum(math.log(y / x) for x, y in medians) / len(medians))


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _mean_variance(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and the sample variance (infinite below two values)."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.inf
    return mean, math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)


def _paired(differences: Sequence[float]) -> _Part:
    mean, variance = _mean_variance(differences)
    n = len(differences)
    return _Part(mean, variance / n, n - 1)


def _welch(a: Sequence[float], b: Sequence[float]) -> _Part:
    (mean_a, var_a), (mean_b, var_b) = _mean_variance(a), _mean_variance(b)
    return _unpaired(mean_b - mean_a, (var_a / len(a), len(a)), (var_b / len(b), len(b)))


def _welch_of_means(a: Sequence[float], b: Sequence[float]) -> _Part:
    """The same of log(mean of b / mean of a)."""
    (mean_a, var_a), (mean_b, var_b) = _mean_variance(a), _mean_variance(b)
    errors = (var_a / mean_a**2 / len(a), len(a)), (var_b / mean_b**2 / len(b), len(b))
    return _unpaired(math.log(mean_b / mean_a), *errors)


def _unpaired(estimate: float, a: tuple[float, int], b: tuple[float, int]) -> _Part:
    """From each side's variance of the mean and number of values, by Welch and Satterthwaite.

    Their degrees of freedom rest on the variances seen, which of a few values are often far too small: then
    there are no more than the smaller side has.
    """
    (error_a, n_a), (error_b, n_b) = a, b
    total = error_a + error_b
    if math.isinf(total):
        return _Part(estimate, total, 0)
    bottom = error_a**2 / (n_a - 1) + error_b**2 / (n_b - 1)
    df, fewer = total**2 / bottom if bottom > 0 else n_a + n_b - 2, min(n_a, n_b)
    return _Part(estimate, total, min(df, fewer - 1) if fewer < _FEW else df, error_a)


def _share(parts: Sequence[_Part]) -> float | None:
    """How much of the variance is A's; None where there is none, or no end to it."""
    total = math.fsum(p.variance for p in parts)
    return math.fsum(p.of_a for p in parts) / total if 0 < total < math.inf else None


def _combined(parts: Sequence[_Part], estimate: float) -> tuple[Interval | None, float | None, float | None]:
    """The interval, the p value of "there is no difference", and the degrees of freedom of both."""
    total = math.fsum(p.variance for p in parts)
    if math.isinf(total):
        return None, None, None
    bottom = math.fsum(p.variance**2 / p.df for p in parts)
    df = total**2 / bottom if bottom > 0 else sum(p.df for p in parts)
    error = math.sqrt(total) / len(parts)
    if error == 0:
        return Interval(estimate, estimate), 1.0 if estimate == 0 else 0.0, df
    reach = t_quantile(0.975, df) * error
    return Interval(estimate - reach, estimate + reach), 2.0 * t_cdf(-abs(estimate) / error, df), df


def verdict(ratio: Ratio, p_adjusted: float | None, margin: float = 0.02) -> Verdict:
    """What may be said of B against A.

    `same`: the whole interval lies within 1 +- margin. `higher`, `lower`: they differ, also after correcting
    for several metrics. `unclear`: neither. `none`: there is no interval.
    """
    if ratio.low is None or ratio.high is None:
        return "none"
    if ratio.low >= 1 - margin and ratio.high <= 1 + margin:
        return "same"
    if p_adjusted is not None and p_adjusted < 0.05 and (ratio.low > 1 or ratio.high < 1):
        return "higher" if ratio.low > 1 else "lower"
    return "unclear"


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (1979): the chance of one false claim among all metrics stays below 5 %."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted[i] = highest
    return adjusted


def more_needed(ratio: Ratio, margin: float = 0.02) -> int | None:
    """About how many more units (pairs, or requests on each side) until `verdict` can decide; at least 1.

    With effect d = |log ratio|, the fewest with which (t(0.975, n - 1) + z(0.80)) times the standard error is
    below d (to show a difference) or margin - d (to fit inside): 80 % power if the effect is what it seems.
    The error is the interval's, and shrinks on each side by what that side had. None when no interval exists,
    or none below a million does.
    """
    if ratio.low is None or ratio.high is None:
        return None
    n = ratio.pairs if ratio.paired else ratio.n_a + ratio.n_b - 1
    each = 1 if ratio.paired else 2
    reach = (math.log(ratio.high) - math.log(ratio.low)) / 2
    error = reach / t_quantile(0.975, ratio.df or max(n - 1, 1))
    effect = abs(math.log(ratio.ratio))
    wanted = max(effect, margin - effect)

    def enough(more: int) -> bool:
        power = t_quantile(0.975, max(n + each * more - 1, 1)) + normal_quantile(_POWER)
        return power * error * math.sqrt(_shrunk(ratio, more)) <= wanted

    least, most = 1, 1
    while not enough(most):
        least, most = most, most * 2
        if most > _NEVER:
            return None
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle + 1, most)
    return most


def _shrunk(ratio: Ratio, more: int) -> float:
    """What is left of the variance with so many more units."""
    if ratio.paired:
        return ratio.pairs / (ratio.pairs + more)
    share_a = 0.5 if ratio.share_a is None else ratio.share_a
    return share_a * ratio.n_a / (ratio.n_a + more) + (1 - share_a) * ratio.n_b / (ratio.n_b + more)
