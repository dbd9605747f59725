"""The leaderboard's own way of putting categories together, over those that were evaluated.

The overall score of the leaderboard is not among them: most of its weight is on categories that are not asked
here, and counting those as zero would be a number about nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tiltyard.records import OUTCOMES, UNJUDGED, Json
from tiltyard.stats.proportions import mean_of_groups
from tiltyard.suites.scoring import interval_of
from tiltyard.suites.tally import Tally

NON_LIVE = ("simple_python", "multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
IRRELEVANCE = ("irrelevance", "live_irrelevance")
RELEVANCE = ("live_relevance",)
MEANS = {"non_live": NON_LIVE, "live": LIVE, "irrelevance": IRRELEVANCE, "relevance": RELEVANCE}


def bfcl_scores(tally: Tally) -> dict[str, Json]:
    """`non_live` and `irrelevance`: mean of the categories; `live`: mean of the items; null without any."""
    answered = [p for p in range(tally.total) if OUTCOMES[tally.verdicts[p]] not in UNJUDGED]
    bad = tally.flags.get("known_bad")
    good = [p for p in answered if bad is None or bad[p] != 1.0]
    return {
        **aggregates(tally, answered),
        "score_without_known_bad": mean([tally.scores[p] for p in good]),
        "known_bad": len(answered) - len(good),
        "greedy": greedy(tally, answered),
        "without_known_bad": aggregates(tally, good),
    }


def bfcl_rates(tally: Tally) -> dict[str, Mapping[str, Json]]:
    """The aggregates as rates for the eye, each over its own items.

    The interval of a mean of several categories is that of their mean, each as heavy as another.
    """
    answered = [p for p in range(tally.total) if OUTCOMES[tally.verdicts[p]] not in UNJUDGED]
    bad = tally.flags.get("known_bad")
    good = [p for p in answered if bad is None or bad[p] != 1.0]
    found: dict[str, Mapping[str, Json]] = {
        "score_without_known_bad": {
            "value": mean([tally.scores[p] for p in good]),
            "ci95": interval_of(tally, good),
            "n": len(good),
        }
    }
    whole = aggregates(tally, answered)
    for name, categories in MEANS.items():
        numbers = {tally.group_names[each] for each in categories if each in tally.group_names}
        places = [p for p in answered if tally.groups[p] in numbers]
        interval = interval_of(tally, places) if name == "live" else of_categories(tally, places)
        found[f"bfcl_{name}"] = {"value": whole[name], "ci95": interval, "n": len(places)}
    return found


def of_categories(tally: Tally, places: Sequence[int]) -> list[float] | None:
    """The interval of the mean of these attempts' categories."""
    by_category: dict[int, list[int]] = {}
    for place in places:
        by_category.setdefault(tally.groups[place], []).append(place)
    if len(by_category) < 2:
        return interval_of(tally, places)
    found = mean_of_groups(
        [([tally.scores[p] for p in each], tally.clusters(each)) for each in by_category.values()]
    )
    return None if found is None else [found.low, found.high]


def aggregates(tally: Tally, places: Sequence[int]) -> dict[str, Json]:
    """The aggregates and every category's share of right answers."""
    names = {number: name for name, number in tally.group_names.items()}
    found: dict[str, list[int]] = {}
    for place in places:
        found.setdefault(names[tally.groups[place]], []).append(place)
    shares = {name: mean([tally.scores[p] for p in each]) for name, each in found.items()}
    live = [tally.scores[p] for name in LIVE for p in found.get(name, ())]
    return {
        "non_live": mean([share for name in NON_LIVE if (share := shares.get(name)) is not None]),
        "live": mean(live),
        "irrelevance": mean([share for name in IRRELEVANCE if (share := shares.get(name)) is not None]),
        "relevance": shares.get("live_relevance"),
        "categories": {
            name: {"value": shares[name], "ci95": interval_of(tally, each), "n": len(each)}
            for name, each in found.items()
        },
    }


def greedy(tally: Tally, places: Sequence[int]) -> Mapping[str, Json]:
    """How many right answers the leaderboard's own matching would have called wrong."""
    flags = tally.flags.get("greedy")
    lost = [p for p in places if flags is not None and flags[p] == 0.0 and tally.scores[p] == 1.0]
    return {"lost": len(lost)}


def mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
