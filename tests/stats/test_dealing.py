"""What luck alone shows at places: seldom called a difference, and a real one is found.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tiltyard.stats.dealing import Shape, spreads_by_luck

log = logging.getLogger(__name__)
Sample = Callable[[np.random.Generator], Counter[Shape]]
RUNS = 1_000


def apart(n: int, chances: Sequence[float]) -> Sample:
    """So many questions, each at one place."""

    def sample(rng: np.random.Generator) -> Counter[Shape]:
        found: Counter[Shape] = Counter()
        for place in rng.integers(len(chances), size=n):
            right = int(rng.random() < chances[place])
            found[one_at(place, 1, len(chances)), one_at(place, right, len(chances))] += 1
        return found

    return sample


def one_at(place: int, value: int, width: int) -> tuple[int, ...]:
    return tuple(value if each == place else 0 for each in range(width))


def turned(n: int, chances: Sequence[float], tries: int = 1) -> Sample:
    """Each question at every place, so often; some are hard wherever the right option stands."""

    def sample(rng: np.random.Generator) -> Counter[Shape]:
        ease = np.clip(rng.normal(0, 0.3, size=n)[:, None] + np.array(chances), 0, 1)
        asked = (tries,) * len(chances)
        return Counter((asked, tuple(map(int, row))) for row in rng.binomial(tries, ease))

    return sample


def found_in(sample: Sample, runs: int = RUNS) -> float:
    """The share of runs in which the spread is beyond what luck shows in 95 %."""
    rng, found = np.random.default_rng(12), 0
    for _ in range(runs):
        shapes = sample(rng)
        asked, right = (sum(np.array(s[side]) * times for s, times in shapes.items()) for side in (0, 1))
        drawn = spreads_by_luck(shapes)
        found += (1 + (drawn >= np.std(right / asked) - 1e-12).sum()) / (1 + len(drawn)) < 0.05
    return found / runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("200 questions", apart(200, [0.7] * 4)),
        ("60 questions, nearly all right", apart(60, [0.95] * 4)),
        ("50 questions of two options", apart(50, [0.5] * 2)),
        ("24 questions in every order", turned(24, [0.6] * 4)),
        ("50 questions in every order, three tries each", turned(50, [0.6] * 4, 3)),
    ],
)
def test_luck_is_seldom_called_a_difference(name: str, sample: Sample) -> None:
    share = found_in(sample)
    log.info("%s: %.3f", name, share)
    assert share <= 0.07  # of a thousand: 0.05 and not quite three standard deviations


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sample", "least"),
    [
        ("200 questions, spread of 20 points", apart(200, [0.9, 0.9, 0.5, 0.5]), 0.95),
        ("200 questions, two letters 20 points above two", apart(200, [0.8, 0.8, 0.6, 0.6]), 0.7),
        ("200 questions, one letter 20 points above three", apart(200, [0.8, 0.6, 0.6, 0.6]), 0.5),
        ("200 in every order, one 20 points above three", turned(200, [0.8, 0.6, 0.6, 0.6]), 0.95),
    ],
)
def test_a_difference_is_found(name: str, sample: Sample, least: float) -> None:
    share = found_in(sample, 200)
    log.info("%s: %.3f", name, share)
    assert share >= least


def test_outcomes_are_dealt_to_all_places_alike() -> None:
    """One of two places had all that was right; then, what is right at every place says nothing."""
    shapes: Counter[Shape] = Counter({((1, 0), (1, 0)): 30, ((0, 1), (0, 0)): 30})
    drawn = spreads_by_luck(shapes)
    assert drawn.max() < 0.5  # luck never shows that
    assert 0.03 < drawn.mean() < 0.08  # sqrt(1/4 / 60 * 2 / pi) = 0.05
    both: Counter[Shape] = Counter({((1, 1), (1, 0)): 40, ((1, 1), (1, 1)): 500})
    assert 0.001 < spreads_by_luck(both).mean() < 0.01
    alike: Counter[Shape] = Counter({((2, 2), (2, 2)): 9})
    assert spreads_by_luck(alike).max() == 0.0
