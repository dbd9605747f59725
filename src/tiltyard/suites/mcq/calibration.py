"""Does the model know what it knows? From the letter's token to confidence, ECE and Brier score.

The server's log-probabilities at the token that holds the answer's letter, over the letters of the item,
made to sum to one. Definitions are in docs/mcq.md.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tiltyard.records import Json, TokenChoice
from tiltyard.stats.proportions import wilson_clustered
from tiltyard.suites.mcq.layouts import LETTERS

BINS = 10
ENOUGH = 100  # answers for ECE: ten in each bin
ENOUGH_BRIER = 10
DRAWS = 200  # of what luck alone would show
AT_ONCE = 10_000  # answers, of each of which a drawing takes some thirty bytes
LEAST_MASS = 0.5  # of the probability, on letters: below that the model was not about to give one


class Confidence(NamedTuple):
    """Probability of each shown option at the letter, summing to 1, and what the letters had before."""

    options: tuple[float, ...]
    mass: float


def confidence_at(
    tokens: Sequence[TokenChoice], text: str, at: int, given: int, count: int
) -> Confidence | None:
    """The probabilities of the item's letters at the token that covers place `at` of the text.

    None unless that token is the given letter and nothing else but blanks and marks, and the letters of the
    item have `LEAST_MASS` of the probability there.
    """
    token = token_at(tokens, text, at)
    if token is None or bare(token.text) != LETTERS[given]:
        return None
    said = dict(token.others)
    said.setdefault(token.text, token.logprob)
    found = [0.0] * count
    for word, logprob in said.items():
        letter = bare(word)
        place = LETTERS.find(letter) if letter else -1
        if 0 <= place < count and not math.isnan(logprob):
            found[place] += math.exp(min(logprob, 0.0))
    mass = math.fsum(found)
    return Confidence(tuple(p / mass for p in found), min(mass, 1.0)) if mass >= LEAST_MASS else None


def token_at(tokens: Sequence[TokenChoice], text: str, at: int) -> TokenChoice | None:
    """The token that covers a place; the tokens' texts may begin before the text and end after it."""
    if at < 0 or not tokens:
        return None
    start = "".join([token.text for token in tokens]).rfind(text)
    if start < 0:
        return None
    position = 0
    for token in tokens:
        position += len(token.text)
        if position > start + at:
            return token
    return None


def bare(word: str) -> str:
    """The single letter that a token is, without blanks and marks; empty where it is more."""
    letters = word.strip(" \t\n\u2581\u0120*_([{<\"'`:.,;!)]}>$")
    return letters.upper() if len(letters) == 1 and letters.isascii() else ""


def calibration_of(
    confidences: Sequence[float],
    right: Sequence[int],
    items: Sequence[int] | None = None,
    unasked: str | None = None,
) -> dict[str, Json]:
    """ECE in bins of equal width and of equal mass, the Brier score, and mean confidence against accuracy.

    `confidences` are of the letters that were given. Null with the reason in `why` where there are too few;
    `unasked` is the reason why nobody asked for any.
    ECE is above 0 by luck alone, so it has no interval, but what luck stays below in 95 %.
    """
    n = len(confidences)
    found: dict[str, Json] = {"n": n, "ece_equal_width": None, "ece_equal_mass": None, "brier": None}
    if n < ENOUGH_BRIER:
        none = unasked or "no letter was a token of its own with log-probabilities"
        return {**found, "why": f"{n} answers are too few" if n else none}
    found |= brier(confidences, right, items)
    found["confidence"] = math.fsum(confidences) / n
    found["accuracy"] = sum(right) / n
    if n < ENOUGH:
        return {**found, "why": f"{n} answers are too few for ECE: it takes {ENOUGH}"}
    worst = 0.0
    for name, bins in (("width", bins_by_value(confidences)), ("mass", bins_by_rank(confidences))):
        found[f"ece_equal_{name}"] = ece(confidences, right, bins)
        found[f"ece_equal_{name}_by_chance_95"] = luck = ece_by_luck(confidences, bins, items)
        worst = max(worst, luck)
    return {**found, "bins": BINS, "why": f"ECE has no interval: luck alone gives up to {worst:.3f}"}


def brier(confidences: Sequence[float], right: Sequence[int], items: Sequence[int] | None) -> dict[str, Json]:
    """The mean squared distance of confidence and outcome, with its interval."""
    squares = array("d", ((p - hit) ** 2 for p, hit in zip(confidences, right, strict=True)))
    interval = wilson_clustered(squares, items)
    ci95 = None if interval is None else [interval.low, interval.high]
    return {"brier": math.fsum(squares) / len(squares), "brier_ci95": ci95}


def bins_by_rank(confidences: Sequence[float]) -> Sequence[int]:
    """Of each answer the bin among `BINS` of equally many. A sorted list would take ten times the memory."""
    import numpy as np

    bins = array("b", bytes(len(confidences)))
    for rank, place in enumerate(np.argsort(confidences, kind="stable")):
        bins[place] = rank * BINS // len(confidences)
    return bins


def bins_by_value(confidences: Sequence[float]) -> Sequence[int]:
    """Of each answer the bin among `BINS` of equal width."""
    return array("b", (min(int(confidence * BINS), BINS - 1) for confidence in confidences))


def ece(confidences: Sequence[float], right: Sequence[int], bins: Iterable[int]) -> float:
    """Expected calibration error: mean of |accuracy - confidence| over bins, weighted by their size
    (Naeini, Cooper and Hauskrecht 2015). `bins`: of each answer.
    """
    gaps = [0.0] * BINS
    for p, hit, place in zip(confidences, right, bins, strict=True):
        gaps[place] += p - hit
    return math.fsum(map(abs, gaps)) / len(confidences)


def ece_by_luck(
    confidences: Sequence[float], bins: Sequence[int], items: Sequence[int] | None = None
) -> float:
    """The ECE that a model with these confidences stays below in 95 %, were each of them exactly right.

    Outcomes are drawn by the confidences (consistency resampling, Broecker and Smith 2007; Vaicenavicius and
    others 2019, arXiv 1902.06977). Answers to one item are right or wrong together.
    """
    import numpy as np

    chances, places = np.asarray(confidences), np.asarray(bins)
    units, owner = 0, None  # each answer by itself
    if items is not None:
        names, owner = np.unique(np.asarray(items), return_inverse=True)
        units = len(names)
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn, gaps = rng.random(units), np.zeros(BINS)
        for start in range(0, len(chances), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            draw = rng.random(len(chances[part])) if owner is None else drawn[owner[part]]
            off = chances[part] - (draw < chances[part])
            gaps += np.bincount(places[part], weights=off, minlength=BINS)
        found.append(np.abs(gaps).sum() / len(chances))
    return float(np.quantile(found, 0.95, method="higher"))
