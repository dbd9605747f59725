"""Is B right more often than A? Two runs over the same items, item by item.

Works on the mean score of each item, so repetitions of an item are one witness. Speeds, which differ by
factors, are compared in `contrast.py`; ranks over many models are in `ranks.py`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from tiltyard.records import Record
from tiltyard.stats.bootstrap import bootstrap_mean
from tiltyard.stats.contrast import Verdict
from tiltyard.stats.figures import Interval
from tiltyard.stats.sequential import always_valid_difference, log_evidence
from tiltyard.stats.student import normal_cdf, normal_quantile, t_cdf, t_quantile

_POWER = 0.80  # "about n more" is meant to succeed four times out of five
_MOST = 10_000_000  # items; more are asked of nobody
_EXACT_UP_TO = 100_000  # disagreements; beyond, the normal distribution agrees to four digits
_NOISE = 2.0**-22  # of a difference: scores are kept in single precision, whose errors are less


class Difference(Record, frozen=True):
    """Mean score of B minus that of A, from -1 to 1. `low` and `high` bound it with 95 % confidence."""

    difference: float
    low: float | None
    high: float | None
    p_value: float | None  # of "there is no difference", two-sided
    method: str  # mcnemar, paired, always_valid, unpaired
    pairs: int  # items compared with themselves; 0 where unpaired
    better: int = 0  # items where B scored higher
    worse: int = 0
    n_a: int = 0
    n_b: int = 0
    spread: float = 0.0  # root of the mean squared difference of an item
    largest: float = 1.0  # difference of an item that the interval adds once each way


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact p value of McNemar's test: the sign test of the items on which two models disagree.

    2 P(X <= min) with X binomial of one half, summed from the largest term down (McNemar 1947; exact form as
    in scipy.stats.binomtest). 1 where they never disagree.
    """
    n, fewer = better + worse, min(better, worse)
    if n == 0 or better == worse:
        return 1.0
    if n > _EXACT_UP_TO:
        return math.erfc((abs(better - worse) - 1) / math.sqrt(2 * n))
    term = math.exp(
        math.lgamma(n + 1) - math.lgamma(fewer + 1) - math.lgamma(n - fewer + 1) - n * math.log(2.0)
    )
    total = 0.0
    for k in range(fewer, -1, -1):
        total += term
        if term < total * 1e-16:
            break
        term *= k / (n - k + 1)
    return min(1.0, 2.0 * total)


def compare_scores(a: Sequence[float], b: Sequence[float], ended_early: bool = False) -> Difference | None:
    """Compare B with A over the same items, in the same order. None without an item.

    Right or wrong only: McNemar's exact test, and the interval of Bonett and Price (2012, Journal of
    Educational and Behavioral Statistics 37(4)), which adds one disagreement each way. Partial scores, or
    means of repetitions or ways: Student's paired test and the bootstrap of item differences, with one pair
    of the largest difference added each way for the same reason. `ended_early`: a run was stopped by what it
    scored, so p value and interval are the always valid ones.
    """
    n = len(a)
    if n == 0:
        return None
    differences = gains_of(a, b)
    better, worse = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    plain = all(d in (-1.0, 0.0, 1.0) for d in differences)
    if ended_early:
        interval = always_valid_difference(differences)
        gains, losses = (math.fsum(max(s * d, 0.0) for d in differences) for s in (1, -1))
        p_value: float | None = min(1.0, math.exp(-log_evidence(gains, losses)))
    else:
        interval = _adjusted(better, worse, n) if plain else _resampled(differences)
        p_value = mcnemar(better, worse) if plain else paired_p(differences)
    return Difference(
        difference=math.fsum(differences) / n,
        low=None if interval is None else max(interval.low, -1.0),
        high=None if interval is None else min(interval.high, 1.0),
        p_value=p_value,
        method="always_valid" if ended_early else "mcnemar" if plain else "paired",
        pairs=n,
        better=better,
        worse=worse,
        n_a=n,
        n_b=n,
        spread=math.sqrt(math.fsum(d * d for d in differences) / n),
        largest=1.0 if plain else max(map(abs, differences)),
    )


def gains_of(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """What B has more than A, item by item; 0 where only the digits that are kept of a score differ."""
    found = (y - x for x, y in zip(a, b, strict=True))
    return [0.0 if abs(d) < _NOISE else d for d in found]


def compare_apart(a: Sequence[float], b: Sequence[float]) -> Difference | None:
    """Compare B with A over different items: Welch's interval of the difference of the means.

    One score of 0 and one of 1 are added to each side (Agresti and Caffo 2000, The American Statistician
    54(4)), so that sides where everything is right are not taken for certain. None without an item.
    """
    if not a or not b:
        return None
    (mean_a, error_a), (mean_b, error_b) = (_with_two([*side, 0.0, 1.0]) for side in (a, b))
    centre, error = mean_b - mean_a, math.sqrt(error_a + error_b)
    bottom = error_a**2 / (len(a) + 1) + error_b**2 / (len(b) + 1)
    df = (error_a + error_b) ** 2 / bottom
    reach = t_quantile(0.975, df) * error
    return Difference(
        difference=math.fsum(b) / len(b) - math.fsum(a) / len(a),
        low=max(centre - reach, -1.0),
        high=min(centre + reach, 1.0),
        p_value=2.0 * t_cdf(-abs(centre) / error, df),
        method="unpaired",
        pairs=0,
        n_a=len(a),
        n_b=len(b),
    )


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p value of Student's paired test; None below two pairs, 1 where nothing differs.

    One pair of the largest difference is added each way, as in the interval: without them it is wrong in more
    than 5 % where few differences are not 0.
    """
    n = len(differences)
    if not any(differences):
        return 1.0 if n else None
    if n < 2:
        return None
    largest = max(map(abs, differences))
    squares = math.fsum(d * d for d in differences)
    return student_p(n, math.fsum(differences), squares, largest)


def student_p(n: int, total: float, squares: float, largest: float) -> float:
    """The same from the sums of two differences or more, of which some are not 0."""
    if squares - total * total / n <= 1e-12 * squares:
        return mcnemar(n, 0)  # all differ alike: no spread to judge by, but the signs are still a test
    more, spread = n + 2, squares + 2.0 * largest * largest
    error = math.sqrt((spread - total * total / more) / (more - 1) * more)
    return 2.0 * t_cdf(-abs(total) / error, more - 1)


def verdict_of(found: Difference, p_adjusted: float | None, margin: float = 0.02) -> Verdict:
    """What may be said of B against A: as `contrast.verdict`, with a margin in score (0.02: two points)."""
    if found.low is None or found.high is None:
        return "none"
    if p_adjusted is not None and p_adjusted < 0.05 and (found.low > 0 or found.high < 0):
        return "higher" if found.low > 0 else "lower"
    if found.low >= -margin and found.high <= margin:
        return "same"
    return "unclear"


def more_items(found: Difference, margin: float = 0.02) -> int | None:
    """About how many more items until a verdict, four times out of five; None where no number is reasonable.

    To show the difference d that was seen, McNemar's test needs (z(0.975) s + z(0.80) sqrt(s^2 - d^2))^2 /
    d^2 pairs, where s^2 is the rate of disagreement (Connor 1987, Biometrics 43(1)), for partial scores the
    mean squared difference. Or, where that is fewer, as many as fit the interval inside the margin. None
    for `always_valid` intervals too, which are wider than either.
    """
    if found.method == "always_valid" or not found.pairs or found.low is None or found.high is None:
        return None
    effect, rest = abs(found.difference), _rest(found)
    needed = bisect_left(range(_MOST), True, found.pairs + 1, key=lambda n: _fits(found, n, margin))
    if effect > 0:
        reach = normal_quantile(0.975) * found.spread + normal_quantile(_POWER) * rest
        needed = math.ceil(min(needed, (reach / effect) ** 2))
    return None if needed >= _MOST else max(1, needed - found.pairs)


def _fits(found: Difference, n: int, margin: float) -> bool:
    """Is the interval of n such items inside the margin, four times out of five?

    One disagreement is added each way, as in the interval, which is what keeps few items from being enough.
    """
    total, largest = n + 2, found.largest
    centre, wander = abs(found.difference) * n / total, _rest(found) * math.sqrt(n) / total
    square = (found.spread**2 * n + 2 * largest**2) / total
    room = margin - normal_quantile(0.975) * math.sqrt(max(square - centre**2, 0.0) / total)
    if not wander:
        return centre <= room
    return normal_cdf((room - centre) / wander) - normal_cdf((-room - centre) / wander) >= _POWER


def _rest(found: Difference) -> float:
    """How far single items lie from the mean difference."""
    return math.sqrt(max(found.spread**2 - found.difference**2, 0.0))


def _adjusted(better: int, worse: int, n: int) -> Interval:
    more, fewer, total = better + 1, worse + 1, n + 2
    centre = (more - fewer) / total
    reach = normal_quantile(0.975) * math.sqrt(((more + fewer) / total - centre**2) / total)
    return Interval(centre - reach, centre + reach)


def _resampled(differences: Sequence[float]) -> Interval | None:
    """The same resamples whichever run is B, so that B against A is the mirror of A against B."""
    largest = max(map(abs, differences))
    side = next((math.copysign(1.0, d) for d in differences if d), 1.0)
    found = bootstrap_mean([*(side * d for d in differences), largest, -largest])
    return found if found is None or side > 0 else Interval(-found.high, -found.low)


def _with_two(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and squared error of it."""
    n = len(values)
    mean = math.fsum(values) / n
    return mean, math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n
