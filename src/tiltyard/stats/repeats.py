"""What asking the same item several times shows: luck, reliability, and the noise of a server.

Items are the units of every interval here. The mean score has its own (`suites/scoring.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tiltyard.records import Json
from tiltyard.stats.proportions import wilson, wilson_clustered


def pass_at(k: int, tries: int, right: int) -> float:
    """Chance that at least one of k tries is right, from `right` of `tries`: 1 - C(n - c, k) / C(n, k).

    The unbiased estimator (Chen and others 2021, arXiv 2107.03374). ValueError unless 1 <= k <= tries.
    """
    _check(k, tries, right)
    return 1.0 - math.comb(tries - right, k) / math.comb(tries, k)


def pass_every(k: int, tries: int, right: int) -> float:
    """Chance that all of k tries are right, pass^k: C(c, k) / C(n, k), unbiased (Yao and others 2024,
    arXiv 2406.12045). ValueError unless 1 <= k <= tries.
    """
    _check(k, tries, right)
    return math.comb(right, k) / math.comb(tries, k)


def _check(k: int, tries: int, right: int) -> None:
    if not 1 <= k <= tries or not 0 <= right <= tries:
        raise ValueError(f"no share of {k} out of {tries} tries with {right} right")


def repeats_of(
    items: Sequence[int], scores: Sequence[float], k: int, owners: Mapping[int, int] | None = None
) -> dict[str, Json]:
    """Figures over the items that were answered k times or more; a try is right when its score is 1.

    `owners`: where several items belong together (one question in several orders), the question of each;
    those are the units of the intervals then.

    pass_at, pass_every  means over items for 1 and k (and powers of two between), each with Wilson's interval
                         for the items' values (`wilson_clustered`): where they are all alike it says what so
                         few items can say, and is no point
    flips                share of items whose tries were not all of one score, with Wilson's interval: at
                         temperature 0 the noise floor of server and engine, else the model's own variety
    flip_chance          chance that two tries of one item differ in score, mean over items; its interval is
                         `flip_chance_ci95`
    """
    tries: dict[int, list[float]] = {}
    for item, score in zip(items, scores, strict=True):
        tries.setdefault(item, []).append(score)
    whole = [item for item, values in tries.items() if len(values) >= k]
    full = [tries[item] for item in whole]
    clusters = None if owners is None else [owners[item] for item in whole]
    sizes = sorted({1, k, *(2**power for power in range(1, 12) if 2**power < k)})
    tried = [(len(values), sum(value >= 1.0 for value in values)) for values in full]
    flips = [float(len(set(values)) > 1) for values in full]
    flipped = sum(flips)
    share = wilson(round(flipped), len(full)) if clusters is None else wilson_clustered(flips, clusters)
    differing = _mean([_differ(values) for values in full], clusters)
    return {
        "k": k,
        "items": len(full),
        "pass_at": {str(k): _mean([pass_at(k, n, c) for n, c in tried], clusters) for k in sizes},
        "pass_every": {str(k): _mean([pass_every(k, n, c) for n, c in tried], clusters) for k in sizes},
        "flips": {
            "value": flipped / len(full) if full else None,
            "ci95": None if share is None else [share.low, share.high],
            "n": len(full),
        },
        "flip_chance": differing["value"],
        "flip_chance_ci95": differing["ci95"],
    }


def _mean(values: Sequence[float], clusters: Sequence[int] | None) -> Mapping[str, Json]:
    found = wilson_clustered(values, clusters)
    return {
        "value": math.fsum(values) / len(values) if values else None,
        "ci95": None if found is None else [found.low, found.high],
    }


def _differ(values: Sequence[float]) -> float:
    """Share of the pairs of different tries that differ in score."""
    alike = sum(math.comb(values.count(value), 2) for value in set(values))
    return 1.0 - alike / math.comb(len(values), 2)
