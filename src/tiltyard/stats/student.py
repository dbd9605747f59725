"""Student's t and the normal distribution, in the standard library alone.

`scipy` would cost 60 MB and half a second of start-up for two functions. The tests hold these to 1e-9 of it.
Leaves out every other distribution.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_NEAR_NORMAL_FROM = 1000.0  # degrees of freedom from which an expansion beats differences of lgamma


def normal_cdf(x: float) -> float:
    """P(Z <= x) of the standard normal distribution."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """The x with P(Z <= x) = p. Raises ValueError for a p that is not between 0 and 1."""
    return _NORMAL.inv_cdf(p)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised I_x(a, b), by Lentz's continued fraction (Numerical Recipes, 3rd edition, 6.4)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 100_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _away_from_zero(1.0 + numerator * d)
            c = _away_from_zero(1.0 + numerator / c)
            value *= d * c
        if abs(d * c - 1.0) < 1e-16:
            break
    return value


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def t_cdf(t: float, df: float) -> float:
    """P(T <= t) of Student's distribution with `df` degrees of freedom (any positive number)."""
    tail = _t_tail(abs(t), df)
    return 1.0 - tail if t >= 0 else tail


def _t_tail(t: float, df: float) -> float:
    """P(T > t) for t >= 0."""
    if df > 1e7:
        return normal_cdf(-t * (1.0 - 0.25 / df) / math.sqrt(1.0 + 0.5 * t * t / df))  # A and S 26.7.8
    return 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t))


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """The t with P(T <= t) = p for `df` degrees of freedom (any positive number, fractions too).

    Closed forms for 1 and 2, Abramowitz and Stegun 26.7.5 from 1000 on,
    else bracketed Newton steps on the tail. Exact in the lower tail; above 0.5 as exact as 1 - p is.
    """
    if df <= 0 or not 0.0 < p < 1.0:
        raise ValueError(f"no quantile for p={p}, df={df}")
    if p > 0.5:
        return -t_quantile(1.0 - p, df)
    if p == 0.5:
        return 0.0
    if df == 1:
        return -1.0 / math.tan(math.pi * p)
    if df == 2:
        return (2.0 * p - 1.0) * math.sqrt(2.0 / (4.0 * p * (1.0 - p)))
    if df >= _NEAR_NORMAL_FROM:
        return _t_near_normal(normal_quantile(p), df)
    return -_t_newton(p, df)


def _t_near_normal(x: float, df: float) -> float:
    y = x * x
    g1 = (y + 1) / 4
    g2 = (5 * y * y + 16 * y + 3) / 96
    g3 = (3 * y**3 + 19 * y * y + 17 * y - 15) / 384
    g4 = (79 * y**4 + 776 * y**3 + 1482 * y * y - 1920 * y - 945) / 92160
    return x * (1 + (g1 + (g2 + (g3 + g4 / df) / df) / df) / df)


def _t_newton(tail: float, df: float) -> float:
    x = -normal_quantile(tail)
    t = x + (x**3 + x) / (4.0 * df)  # Cornish-Fisher, first term
    low, high = 0.0, math.inf
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    for _ in range(200):
        error = _t_tail(t, df) - tail
        if error > 0:
            low = t
        else:
            high = t
        density = math.exp(log_scale - 0.5 * (df + 1) * math.log1p(t * t / df))
        following = t + error / density
        if not low < following < high:
            following = 2.0 * t + 1.0 if math.isinf(high) else 0.5 * (low + high)
        if abs(following - t) <= 1e-14 * abs(following):
            return following
        t = following
    return t
