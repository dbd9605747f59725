"""Ranks that admit ties: which models can be told apart, and between which places each of them may stand.

Pure Python on bits: a board of a hundred models over a thousand items is ranked in some hundredths of a
second, without importing anything. An item that was asked in several ways is one witness. Leaves out where
scores are kept (`store/ranking.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from tiltyard.stats.contrast import holm
from tiltyard.stats.paired import gains_of, mcnemar, student_p
from tiltyard.stats.pairing import Scores
from tiltyard.stats.pairing import shared as shared_scores
from tiltyard.stats.sequential import log_evidence
from tiltyard.stats.student import normal_cdf

ENOUGH_SHARED = 2 / 3  # of the smaller run's items: below, runs are compared apart
_HOPELESS = 2.0  # squared z below which no exact p value can be under 0.05
UNIT = 240  # partial scores are counted in this many parts


class Entrant(NamedTuple):
    """One run as ranking sees it. Bit or place k is the same item for all entrants."""

    score: float
    error: float  # standard error of the score
    asked: int  # bits of the items it has a score for
    right: int  # bits of the items it got right
    partial: Sequence[float] | None = None  # scores by place, where some are neither 0 nor 1
    ended_early: bool = False  # by what it scored: its p values must be the always valid ones
    ways: Scores | None = None  # of a board whose items were asked in several ways: places are means of them


class Rank(NamedTuple):
    """Best and worst place that the data allow, from 1."""

    best: int
    worst: int


def ranks(entrants: Sequence[Entrant], level: float = 0.95) -> list[Rank]:
    """The places of all entrants, which hold all at once with probability `level`.

    Every pair is tested (`pair_p`), the p values are corrected by Holm over all pairs, and an entrant stands
    between 1 + those that are better beyond doubt and n - those that are worse beyond doubt: simultaneous
    intervals for ranks (Al Mohamad, van Zwet, Solari and Goeman 2021, Electronic Journal of Statistics 15).
    """
    pairs = list(combinations(range(len(entrants)), 2))
    partials = _Partials(entrants)
    found = [pair_p(entrants[i], entrants[j], partials.moments(i, j)) for i, j in pairs]
    adjusted = holm([p for p, _ in found])
    above, below = [0] * len(entrants), [0] * len(entrants)
    for (i, j), (_, sign), p in zip(pairs, found, adjusted, strict=True):
        if p is not None and p < 1 - level and sign:
            better, worse = (i, j) if sign > 0 else (j, i)
            above[worse] += 1
            below[better] += 1
    return [Rank(1 + up, len(entrants) - down) for up, down in zip(above, below, strict=True)]


def bits_at(places: Sequence[int]) -> int:
    """A number with these bits set."""
    row = bytearray((max(places) >> 3) + 1 if places else 0)
    for place in places:
        row[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(row, "little")


def placed(entrants: Sequence[Entrant], scores: Sequence[Scores]) -> list[Entrant]:
    """The entrants with what each of them scored, an item at the same place for all."""
    several = any(len(own.units()) < len(own) for own in scores)
    places = {unit: place for place, unit in enumerate(sorted({u for own in scores for u in own.units()}))}
    found = []
    for entrant, own in zip(entrants, scores, strict=True):
        means = dict(zip([places[unit] for unit in own.units()], own.means(), strict=True))
        partial: list[float] | None = None
        if any(mean not in (0.0, 1.0) for mean in means.values()):
            partial = [means.get(place, 0.0) for place in range(len(places))]
        right = bits_at([place for place, mean in means.items() if mean == 1.0])
        ways = own if several else None
        found.append(entrant._replace(asked=bits_at([*means]), right=right, partial=partial, ways=ways))
    return found


class Moments(NamedTuple):
    """Of the differences of shared items, first less second."""

    n: int
    total: float
    squares: float
    gains: float
    largest: float  # whichever way


def pair_p(a: Entrant, b: Entrant, partial: Moments | None = None) -> tuple[float, int]:
    """Two-sided p value of "equally good", and the sign of A less B.

    Over shared items: McNemar's exact test, Student's paired test where scores are partial or means of
    several ways of asking, the always valid sign test where a run ended early. Apart (normal approximation
    from both errors) where fewer than two thirds of the smaller run's items are shared.
    """
    shared = a.asked & b.asked
    n = shared.bit_count()
    if n == 0 or n < ENOUGH_SHARED * min(a.asked.bit_count(), b.asked.bit_count()):
        return _apart(a, b)
    if partial is not None:
        return _paired(partial, a.ended_early or b.ended_early)
    better = (a.right & ~b.right & shared).bit_count()
    worse = (b.right & ~a.right & shared).bit_count()
    sign = (better > worse) - (better < worse)
    if a.ended_early or b.ended_early:
        return min(1.0, math.exp(-log_evidence(better, worse))), sign
    if (better - worse) ** 2 < _HOPELESS * (better + worse):
        return 1.0, sign
    return mcnemar(better, worse), sign


def _apart(a: Entrant, b: Entrant) -> tuple[float, int]:
    sign = (a.score > b.score) - (a.score < b.score)
    error = math.hypot(a.error, b.error)
    if error == 0:
        return (1.0 if sign == 0 else 0.0), sign
    return 2.0 * normal_cdf(-abs(a.score - b.score) / error), sign


def _paired(found: Moments, ended_early: bool) -> tuple[float, int]:
    n, total, squares, gains, largest = found
    sign = (total > 0) - (total < 0)
    if ended_early:
        return min(1.0, math.exp(-log_evidence(gains, gains - total))), sign
    if sign == 0 or n < 2:
        return 1.0, sign
    return student_p(n, total, squares, largest), sign


class _Partials:
    """Sums over the shared items of two entrants, at least one of which has partial scores.

    Scores are counted in 240ths (exact for halves to sixths, eighths and tenths) and kept as eight rows of
    bits, so that the sum of products of two entrants is 64 counts of common bits.
    """

    def __init__(self, entrants: Sequence[Entrant]) -> None:
        self.entrants = entrants
        self.any = any(entrant.partial is not None for entrant in entrants)
        self.planes = [_planes(entrant) for entrant in entrants] if self.any else []
        self.sums = [(_sum(planes), _product(planes, planes)) for planes in self.planes]

    def moments(self, i: int, j: int) -> Moments | None:
        a, b = self.entrants[i], self.entrants[j]
        if a.ways is not None and b.ways is not None and a.ways.keys != b.ways.keys:
            return _of_shared_ways(a.ways, b.ways)
        if not self.any or (a.partial is None and b.partial is None):
            return None
        shared = a.asked & b.asked
        x, y = self.planes[i], self.planes[j]
        (sum_x, square_x), (sum_y, square_y) = self.sums[i], self.sums[j]
        if not a.asked == b.asked == shared:
            x, y = ([(bits & shared, weight) for bits, weight in planes] for planes in (x, y))
            sum_x, sum_y, square_x, square_y = _sum(x), _sum(y), _product(x, x), _product(y, y)
        total = (sum_x - sum_y) / UNIT
        squares = (square_x + square_y - 2 * _product(x, y)) / UNIT**2
        early = a.ended_early or b.ended_early
        gains = sum(max(d, 0) for d in _differences(x, y, shared)) / UNIT if early else 0.0
        return Moments(shared.bit_count(), total, squares, gains, _largest(x, y, shared) / UNIT)


def _of_shared_ways(a: Scores, b: Scores) -> Moments:
    """An item counts with the ways in which both were asked: one way may be harder than another."""
    mine, theirs = shared_scores(a, b)
    found = gains_of(theirs, mine)
    gains = math.fsum(max(d, 0.0) for d in found)
    largest = max(map(abs, found), default=0.0)
    return Moments(len(found), math.fsum(found), math.fsum(d * d for d in found), gains, largest)


Planes = Sequence[tuple[int, int]]  # bits by place, and what each of them is worth


def _planes(entrant: Entrant) -> Planes:
    if entrant.partial is None:
        return [(entrant.right, UNIT)]
    counts = [round(score * UNIT) for score in entrant.partial]
    rows = ["".join("1" if count >> k & 1 else "0" for count in reversed(counts)) for k in range(8)]
    return [(bits, 1 << k) for k, row in enumerate(rows) if (bits := int(row or "0", 2))]


def _sum(x: Planes) -> int:
    return sum(bits.bit_count() * weight for bits, weight in x)


def _product(x: Planes, y: Planes) -> int:
    return sum((p & q).bit_count() * v * w for p, v in x for q, w in y)


def _largest(x: Planes, y: Planes, shared: int) -> int:
    """The largest difference of a shared item: mostly one is all right there and the other all wrong."""
    ones, zeros = zip(*(_ends(planes, shared) for planes in (x, y)), strict=True)
    if ones[0] & zeros[1] or ones[1] & zeros[0]:
        return UNIT
    return max(map(abs, _differences(x, y, shared)), default=0)


def _ends(planes: Planes, shared: int) -> tuple[int, int]:
    """The items of full score, and those of none."""
    bits = {weight: own for own, weight in planes}
    ones, zeros = bits.get(UNIT, shared), shared
    for weight in (16, 32, 64, 128) if UNIT not in bits else ():  # 240 in all
        ones &= bits.get(weight, 0)
    for own in bits.values():
        zeros &= ~own
    return ones & shared, zeros


def _differences(x: Planes, y: Planes, shared: int) -> Iterator[int]:
    """What X has more than Y, item by item."""
    while shared:
        item = shared & -shared
        shared ^= item
        yield sum(w for bits, w in x if bits & item) - sum(w for bits, w in y if bits & item)
