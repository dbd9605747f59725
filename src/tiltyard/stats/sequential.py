"""When may a run end early? Intervals and verdicts that hold whenever one looks.

A fixed-size interval read after every answer, and believed at the first lucky one, promises too much. These
keep their 5 % over all looks together, at any moment, by Ville's inequality: the capital of a fair game
exceeds 20 times the stake with probability 1/20 at most. Leaves out who asks, and what is asked
(`suites/stopping.py`); docs/statistics.md has the simulations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from tiltyard.records import Record
from tiltyard.stats.figures import Interval

Direction = Literal["better", "worse"]

_LEAST = 10  # scores before a rule is looked at
_STEPS = 60  # bisections: far below what a float distinguishes
_SHARES = tuple((k + 0.5) / 24 for k in range(24))  # of the capital that are bet
_SHARES_WEIGHT = sum(1 - t * t for t in _SHARES)
_CLOSE = 2.0  # of two models: gains and losses are more often alike than one-sided


class Rule(Record, frozen=True):
    """When to stop. `width` is the full width of the 95 % interval of the score, 0 to 1."""

    kind: Literal["decided", "width"]
    width: float | None = None


def rule_of(text: str) -> Rule:
    """Read `decided` or `width=0.02`; raises ValueError that says what is meant."""
    name, given, value = text.strip().partition("=")
    if name == "decided" and not given:
        return Rule(kind="decided")
    try:
        width = float(value)
    except ValueError:
        width = math.nan
    if name != "width" or not 0.001 <= width < 1:
        raise ValueError(f"{text!r} is no rule: `decided`, or `width=W` with W from 0.001 to below 1")
    return Rule(kind="width", width=width)


def log_capital(successes: float, failures: float, p: float, prior: float = 1.0) -> float:
    """Log of a gambler's capital, 1 at the start, who bets against "the mean is p" on scores in 0..1.

    Robbins' mixture (1970): the likelihood ratio of a Bernoulli(q) to a Bernoulli(p), averaged over
    q ~ Beta(prior, prior), is B(a + s, a + f) / B(a, a) / (p^s (1 - p)^f). For 0 and 1 it is a martingale;
    for any scores in 0..1 with mean p a supermartingale, since (q/p)^x ((1-q)/(1-p))^(1-x) is convex in x and
    so at most x q/p + (1 - x)(1-q)/(1-p), whose mean is 1 (Howard, Ramdas, McAuliffe and Sekhon 2021,
    Annals of Statistics 49(2), sub-Bernoulli processes).
    """
    mixed = _log_beta(prior + successes, prior + failures) - _log_beta(prior, prior)
    against = 0.0
    if successes > 0:
        against += successes * math.log(p) if p > 0 else -math.inf
    if failures > 0:
        against += failures * math.log1p(-p) if p < 1 else -math.inf
    return mixed - against


def always_valid(total: float, n: int, level: float = 0.95) -> Interval | None:
    """An interval of the mean of scores in 0..1 that is valid at every n at once.

    `total` is the sum of n scores. With probability `level` all such intervals of one sequence hold the mean,
    so one may look after every score and stop at will. None without a score.
    """
    if n <= 0:
        return None
    if not -1e-9 <= total <= n + 1e-9:
        raise ValueError(f"{n} scores in 0..1 do not add up to {total}")
    wins = min(max(total, 0.0), float(n))
    mean, limit = wins / n, -math.log(1.0 - level)
    low = 0.0 if wins == 0 else _border(wins, n - wins, mean, 0.0, limit)
    high = 1.0 if wins == n else _border(wins, n - wins, mean, 1.0, limit)
    return Interval(low, high)


def _border(wins: float, losses: float, inside: float, outside: float, limit: float) -> float:
    """Where the capital crosses the limit between a mean that is believed and one that is not."""
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if log_capital(wins, losses, middle) >= limit:
            outside = middle
        else:
            inside = middle
    return outside


def log_evidence(gains: float, losses: float) -> float:
    """Log of the evidence against a tie, from the sums of the gains and losses of pairs, each in 0..1.

    A bet of a share t of the capital on every difference d multiplies it by 1 + t d, whose mean is 1 where
    the mean of d is 0. 1 + t d is at least (1 + t)^d for d >= 0 and (1 - t)^-d for d < 0, so with shares
    spread over -1..1 as 1 - t^2 the capital is at least B(2 + gains, 2 + losses) / B(2, 2) / 0.5^(gains +
    losses): `log_capital` at one half; exact where differences are -1, 0 and 1 (McNemar's case).
    """
    return log_capital(gains, losses, 0.5, _CLOSE)


def always_valid_difference(differences: Sequence[float], level: float = 0.95) -> Interval | None:
    """An interval of the mean of differences in -1..1 that is valid at every n at once; None without one.

    A bet of a share t against "the mean is m or less" multiplies the capital by (1-t) + t (1+d) / (1+m),
    whose mean is 1 where the mean of d is m, and which falls as m rises. Shares are spread over 0..1 as
    1 - t^2, as in `log_evidence`, so at m = 0 the two say the same (Waudby-Smith and Ramdas 2024, Journal of
    the Royal Statistical Society B 86(1), betting). Half of the 5 % is for each side.
    """
    if not differences:
        return None
    limit = math.log(2.0 / (1.0 - level))
    ups, downs = Counter(differences), Counter(-d for d in differences)
    mean = math.fsum(differences) / len(differences)
    return Interval(_below(ups, mean, limit), -_below(downs, -mean, limit))


def _below(counts: Mapping[float, int], mean: float, limit: float) -> float:
    """The lower end: the largest m in -1..mean against which the capital has passed the limit."""
    low, high = -1.0, mean
    for _ in range(_STEPS // 2):
        middle = (low + high) / 2
        if _log_share_capital(counts, middle) >= limit:
            low = middle
        else:
            high = middle
    return low


def _log_share_capital(counts: Mapping[float, int], m: float) -> float:
    """Log of the mean capital over all shares, 1 at the start."""
    logs = [
        math.log(1 - t * t) + sum(c * math.log((1 - t) + t * (1 + d) / (1 + m)) for d, c in counts.items())
        for t in _SHARES
    ]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(x - top) for x in logs)) - math.log(_SHARES_WEIGHT)


class Sequential:
    """Takes the score of one item after the other, and the opponent's of the same item where there is one.

    A few numbers of memory; `decided` looks again only after 2 % more scores. Items come in random order.
    `candidates`: out of how many runs the opponent was picked for its score. The best of many was lucky as
    well, so each of them gets an equal share of the 5 % (Bonferroni).
    """

    def __init__(self, rule: Rule, level: float = 0.95, candidates: int = 1) -> None:
        self.rule, self.level, self.candidates = rule, level, max(candidates, 1)
        self.n = self.pairs = 0
        self.total = self.gains = self.losses = 0.0
        self._next_look = _LEAST
        self._decided = False
        self._said: Direction | None = None  # what was shown once stays shown: it is valid at any moment
        self._p_value = 1.0  # the least so far

    def add(self, score: float, opponent: float | None = None) -> None:
        """Count one item; scores are 0..1, else ValueError."""
        for value in (score, opponent):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"a score is 0 to 1, not {value}")
        self.n += 1
        self.total += score
        if opponent is not None:
            self.pairs += 1
            self.gains += max(score - opponent, 0.0)
            self.losses += max(opponent - score, 0.0)

    def recall(self, decided: bool, said: Direction | None, p_value: float | None) -> None:
        """Take what an earlier look at the same sequence came to: it is valid at any moment, so it stays."""
        self._decided, self._said = decided, said
        self._p_value = 1.0 if p_value is None else p_value

    def decided(self) -> bool:
        """May the run end? Looked at now and then, so it may be a few scores late; never unsaid."""
        if not self._decided and self.n >= self._next_look:
            self._next_look = self.n + max(1, self.n // 50)
            self.look()
        return self._decided

    def look(self) -> bool:
        """The same, looked at now: for when no more scores come."""
        if not self._decided and self.n:
            self._decided = self.direction() is not None if self.rule.kind == "decided" else self._narrow()
        return self._decided

    def _narrow(self) -> bool:
        found = self.interval()
        return found is not None and self.rule.width is not None and found.high - found.low <= self.rule.width

    def interval(self) -> Interval | None:
        """Of the mean score, valid at every moment (`always_valid`)."""
        return always_valid(self.total, self.n, self.level)

    def direction(self) -> Direction | None:
        """Is the mean score better or worse than the opponent's? None: cannot be told (yet)."""
        evidence = log_evidence(self.gains, self.losses) - math.log(self.candidates)
        self._p_value = min(self._p_value, math.exp(-max(evidence, 0.0)))
        if self._said is None and evidence >= -math.log(1.0 - self.level):
            self._said = "better" if self.gains > self.losses else "worse"
        return self._said

    def p_value(self) -> float | None:
        """Of "both are equally good", valid at every moment: the candidates over the most evidence seen. None
        without pairs.
        """
        self.direction()
        return self._p_value if self.pairs else None


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
