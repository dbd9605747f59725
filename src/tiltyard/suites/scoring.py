"""From a tally to the summary of a graded run: outcomes, scores with bounds and intervals, rates, speed.

Definitions are in docs/quality.md. A suite adds its own rates; nothing here knows what was asked.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tiltyard.load.summary import (
    RATES,
    as_json,
    guessed,
    leading,
    of_endings,
    rounds_in,
    why_withheld,
    widened,
)
from tiltyard.records import OUTCOMES, UNJUDGED, Json, Outcome
from tiltyard.stats.figures import Figure, figure, width
from tiltyard.stats.proportions import wilson, wilson_clustered
from tiltyard.stats.queues import why_no_interval
from tiltyard.stats.repeats import repeats_of
from tiltyard.stats.rounds import Rounds
from tiltyard.stats.sequential import always_valid
from tiltyard.suites import StageResult
from tiltyard.suites.tally import SPEEDS, Tally

ERRORS_SHOWN = 5
JUDGED: tuple[Outcome, ...] = ("correct", "partial", "wrong")  # outcomes with a verdict on content


def summarise_graded(tally: Tally, results: Sequence[StageResult]) -> dict[str, Json]:
    """The part of the summary that every graded suite has."""
    everything = range(tally.total)
    whole = array("i", (p for p, cut in enumerate(tally.cut) if cut >= 0))
    items = tally.clusters(everything)
    failed = array("b", (OUTCOMES[verdict] == "error" for verdict in tally.verdicts))
    load = max((result.stage.load for result in results), key=lambda load: load.concurrency, default=None)
    rounds = Rounds(None) if load is None else rounds_in(load, tally.total, None)
    endings, wall_s = tally.endings, sum(result.wall_s for result in results)
    requests = of_endings(endings)
    return {
        **scored(tally, everything),
        "ci_method": ci_method(tally, everything),
        "groups": by_group(tally, everything),
        "rules": dict(tally.rules.most_common()),
        "cap_hit": share(tally, array("b", (tally.cut[p] for p in whole)), whole),
        "thought": share(tally, array("b", (tally.thought[p] for p in whole)), whole),
        "requests": requests,
        "expected": results[0].stage.expected if len(results) == 1 else None,
        "endings": dict(endings),
        "errors": dict(tally.errors.most_common(ERRORS_SHOWN)),
        "error_rate": share(tally, failed, everything),
        "retries": tally.retries,
        "gave_up": any(result.gave_up for result in results),
        "tokens": {
            "prompt": tally.prompt_tokens if endings["ok"] else None,
            "output": tally.output_tokens,
            "reasoning": tally.reasoning_tokens,
            "source": leading(tally.token_sources),
        },
        "wall_s": wall_s,
        "streams": None if load is None else load.concurrency,
        "output_tps": tally.output_tokens / wall_s if wall_s > 0 and tally.output_tokens else None,
        "request_rate": endings["ok"] / wall_s if wall_s > 0 else None,
        "rate_bias": tally.rate_bias,
        "speed": {name: as_json(speed_of(tally, name, items, rounds)) for name in SPEEDS},
        "unmeasured": unrated(tally),
        "repeats": repeated(tally, everything),
        "stopping": None if tally.stopping is None else tally.stopping.summary(),
    }


def speed_of(tally: Tally, name: str, items: Sequence[int] | None, rounds: Rounds) -> Figure:
    """One figure over all requests. Those of one item hang together: a long question is one each time. So do
    those that were under way together (`rounds`); the wider interval of the two counts.

    Empty for a rate that only the late answers have.
    """
    if name in RATES and why_withheld(tally.too_fast, tally.rated):
        return figure(())
    values = array("f", tally.speeds[name])
    found = figure(values, clusters=items)
    if found.ci95 is not None and (why := why_no_interval(name, rounds.why)):
        found = replace(found, ci95=None, why=why)
    if found.ci95 is not None and rounds.ids is not None:
        found = max(found, figure(values, clusters=rounds.ids), key=lambda each: width(each) or 0.0)
    if name not in RATES or not tally.rated:
        return found
    if tally.token_sources["estimate"]:
        return guessed(found)
    return widened(found, tally.rate_biases / tally.rated)


def unrated(tally: Tally) -> dict[str, Json]:
    """Of how many answers that ended well the rates are missing, and why (the commonest reason)."""
    if why := why_withheld(tally.too_fast, tally.rated):
        return {name: {"requests": tally.endings["ok"], "why": why} for name in RATES}
    missing = tally.unrated.most_common(1)
    return {name: {"requests": tally.unrated.total(), "why": why} for name in RATES for why, _ in missing}


def scored(tally: Tally, chosen: Sequence[int]) -> dict[str, Json]:
    """Outcomes and scores of some attempts.

    score            mean over all that were answered: unsupported and error left out; null without any
    score_completed  mean over those with a verdict on content: correct, partial, wrong
    bounds           of the score over all n, every attempt without such a verdict wrong, or every one right
    ci95             of the score, by `ci_method`
    """
    outcomes = Counter(OUTCOMES[tally.verdicts[place]] for place in chosen)
    answered = array("i", (p for p in chosen if OUTCOMES[tally.verdicts[p]] not in UNJUDGED))
    judged = sum(outcomes[name] for name in JUDGED)
    n, points = len(chosen), math.fsum(tally.scores[place] for place in answered)
    return {
        "n": n,
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "score": points / len(answered) if answered else None,
        "score_completed": points / judged if judged else None,
        "bounds": [points / n, (points + (n - judged)) / n] if n else None,
        "ci95": interval_of(tally, answered),
    }


def interval_of(tally: Tally, places: Sequence[int]) -> list[float] | None:
    """The 95 % interval of the mean score of some attempts, whose items are the independent units."""
    scores = array("d", (tally.scores[place] for place in places))
    items = tally.clusters(places)
    method = ci_method(tally, places)
    if method == "always_valid":
        means = scores if items is None else by_item(scores, items)
        found = always_valid(math.fsum(means), len(means))
    elif method == "wilson":
        found = wilson(round(math.fsum(scores)), len(scores))
    else:
        found = wilson_clustered(scores, items)
    return None if found is None else [found.low, found.high]


def ci_method(tally: Tally, places: Sequence[int]) -> str:
    """What `ci95` is made with: always_valid where the run may end early; wilson where each item was asked
    once and nothing is partial; wilson_clustered, over items, else.
    """
    if tally.stopping is not None and tally.stopping.possible:
        return "always_valid"
    answered = array("i", (p for p in places if OUTCOMES[tally.verdicts[p]] not in UNJUDGED))
    plain = all(tally.scores[p] in (0.0, 1.0) for p in answered)
    once = tally.once or len({tally.items[p] for p in answered}) == len(answered)
    return "wilson" if plain and once else "wilson_clustered"


def by_item(scores: Sequence[float], items: Sequence[int]) -> list[float]:
    """The mean score of each item."""
    found: dict[int, list[float]] = {}
    for score, item in zip(scores, items, strict=True):
        found.setdefault(item, []).append(score)
    return [math.fsum(values) / len(values) for values in found.values()]


def repeated(tally: Tally, chosen: Sequence[int]) -> Mapping[str, Json] | None:
    """What repetitions of the same items show (`stats/repeats.py`).

    What is asked again is an item in one mode, and in one order of its options where there are several
    (rotations); intervals are over items, which are as hard in one as in the other. None where nothing was
    asked twice, or where items of one number and group were asked in several ways that no grade tells apart:
    what differs then is not luck.
    """
    if tally.repeats < 2:
        return None
    answered = [p for p in chosen if OUTCOMES[tally.verdicts[p]] not in UNJUDGED]
    turns = tally.flags.get("turn")
    names: dict[tuple[int, int, int], int] = {}
    asked = []
    for p in answered:
        turn = -1 if turns is None or math.isnan(turns[p]) else int(turns[p])
        asked.append(names.setdefault((tally.items[p], tally.groups[p], turn), len(names)))
    if asked and max(Counter(asked).values()) > tally.repeats:
        return None
    once = len({item for item, *_ in names}) == len(names)
    owners = None if once else {name: item for (item, *_), name in names.items()}
    return repeats_of(asked, [tally.scores[p] for p in answered], tally.repeats, owners)


def by_group(tally: Tally, chosen: Sequence[int]) -> list[dict[str, Json]]:
    """The same figures for every group of items (a file, a subject, a category); none for a single one."""
    if len(tally.group_names) < 2:
        return []
    places = {number: array("i") for number in tally.group_names.values()}
    for place in chosen:
        places[tally.groups[place]].append(place)
    return [{"name": name, **scored(tally, places[number])} for name, number in tally.group_names.items()]


def flag_rate(tally: Tally, name: str, chosen: Sequence[int]) -> Mapping[str, Json]:
    """The mean of a flag (or of a share) in the grades' details, over the attempts that have it."""
    values = tally.flags.get(name)
    if values is None:
        return share(tally, (), ())
    places = array("i", (place for place in chosen if not math.isnan(values[place])))
    return share(tally, array("d", (values[place] for place in places)), places)


def share(tally: Tally, values: Sequence[float], places: Sequence[int]) -> dict[str, Json]:
    """The mean of values in 0..1, one for each of these attempts.

    The interval is Wilson's, with items as the independent units where one comes more than once.
    """
    items = tally.clusters(places)
    alone = items is None or len(set(items)) == len(items)
    if alone and all(value in (0.0, 1.0) for value in values):
        return counted_share(round(math.fsum(values)), len(values))
    found = wilson_clustered(values, items)
    return {
        "value": math.fsum(values) / len(values) if values else None,
        "ci95": None if found is None else [found.low, found.high],
        "n": len(values),
    }


def counted_share(part: int, whole: int) -> dict[str, Json]:
    """A share of independent ones, with Wilson's 95 % interval."""
    found = wilson(part, whole)
    return {
        "value": part / whole if whole else None,
        "ci95": None if found is None else [found.low, found.high],
        "n": whole,
    }
