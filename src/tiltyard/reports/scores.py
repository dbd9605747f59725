"""Is B right more often than A? What two graded runs scored, matched item by item, with a verdict in words.

Items match by stage, id and wording; one that was asked in several ways counts once. The statistics are in
`stats/paired.py`; speeds are compared in `comparison.py`, which puts both together.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tiltyard.records import UNJUDGED, Attempt, Record, Run
from tiltyard.stats.contrast import Verdict
from tiltyard.stats.paired import Difference, compare_apart, compare_scores, more_items, verdict_of
from tiltyard.stats.pairing import Scores, item_key, shared, unit_of
from tiltyard.stats.ranks import ENOUGH_SHARED

_OUT_OF_REACH = 20_000  # "about n more" beyond this says only that it is out of reach


class ScoreRow(Record, frozen=True):
    """The score of B against that of A, over everything or in one stage. A difference of 0.02: 2 points."""

    verdict: Verdict
    words: str
    stage: str | None = None
    found: Difference | None = None
    p_adjusted: float | None = None
    more: int | None = None


def scores_in(run: Run, attempts: Sequence[Attempt], stage: str | None = None) -> Scores:
    """The scores of what was asked, of one stage or of all that the run's score is over."""
    counted = (run.summary or {}).get("scored_stages") if stage is None else [stage]
    return Scores.of(
        (item_key(attempt.stage, attempt.item_id, attempt.item_hash), attempt.grade.score)
        for attempt in attempts
        if attempt.grade is not None
        and attempt.grade.outcome not in UNJUDGED
        and (counted is None or attempt.stage in counted)
    )


def difference(a: Scores, b: Scores, ended_early: bool, one_set: bool = True) -> Difference | None:
    """B less A: over shared items where at least two thirds of the smaller side are, else apart.

    Apart there is an interval only where both were drawn from one set of items: of two sets, one may be
    harder by more than any interval of their scores says.
    """
    (mine, theirs), (all_a, all_b) = shared(a, b), (a.means(), b.means())
    if mine and len(mine) >= ENOUGH_SHARED * min(len(all_a), len(all_b)):
        found = compare_scores(mine, theirs, ended_early)
        return None if found is None else replace(found, n_a=len(all_a), n_b=len(all_b))
    found = compare_apart(all_a, all_b)
    return found if one_set or found is None else replace(found, low=None, high=None, p_value=None)


def ended_early(run: Run) -> bool:
    """Might this run have ended by what it scored?"""
    return (run.summary or {}).get("ci_method") == "always_valid"


def score_row(found: Difference | None, stage: str | None, p: float | None, margin: float) -> ScoreRow:
    """The verdict, after the p value has been corrected for all that was claimed together."""
    if found is None:
        return ScoreRow(verdict="none", words="no item that both scored", stage=stage)
    verdict = verdict_of(found, p, margin)
    more = more_items(found, margin) if verdict == "unclear" else None
    return ScoreRow(
        verdict=verdict,
        words=in_points(found, verdict, more, margin, corrected(p, found.p_value)),
        stage=stage,
        found=found,
        p_adjusted=p,
        more=more,
    )


def corrected(p_adjusted: float | None, p_value: float | None) -> bool:
    """Has the p value been raised for other claims? Then "so many more" would decide it only by itself."""
    return p_adjusted is not None and p_value is not None and p_adjusted > p_value


def in_points(
    found: Difference, verdict: Verdict, more: int | None, margin: float, among_others: bool = False
) -> str:
    """`B is 3 to 9 points better`, `no difference above 2 points`, or `cannot tell, about 300 more items`.

    `at least` instead of `about` where the claim is one of several that are corrected together.
    """
    if verdict == "none" or found.low is None or found.high is None:
        if found.method == "unpaired":
            return "each was asked other items: no verdict"
        return "one item: no interval, so no verdict"
    if verdict == "same":
        points = 100 * margin
        return f"no difference above {points:g} point{'' if points == 1 else 's'}"
    if verdict == "unclear":
        if not found.pairs:
            return "cannot tell: the two were asked too few of the same things"
        if found.method == "always_valid":
            return "cannot tell, more items may; a run that could end early does not say how many"
        if more is None or more > _OUT_OF_REACH:
            return "cannot tell: the two are too close for any reasonable number of items"
        step = 1 if more < 20 else 10 if more < 1000 else 100
        rounded = -(-more // step) * step  # up: fewer would not be enough
        return f"cannot tell, {about(among_others)} {rounded:,} more item{'' if rounded == 1 else 's'}"
    low, high = sorted((abs(100 * found.low), abs(100 * found.high)))
    ends = (f"{low:.0f}", f"{high:.0f}") if low >= 1.5 else (f"{low:.1f}", f"{high:.1f}")
    between = ends[0] if ends[0] == ends[1] else " to ".join(ends)
    return f"B is {between} points {'better' if verdict == 'higher' else 'worse'}"


def about(among_others: bool) -> str:
    return "at least" if among_others else "about"


def other_modes(a: Scores, b: Scores) -> list[str]:
    """What to say about matched items that one side answered in modes in which the other did not."""
    lost_a, lost_b = _unmet(a, b), _unmet(b, a)
    if not lost_a and not lost_b:
        return []
    return [
        f"of the matching items, {lost_a:,} of A's scores and {lost_b:,} of B's are left out: the other side "
        "has none in that mode"
    ]


def _unmet(a: Scores, b: Scores) -> int:
    """How many of A's items by mode B lacks in that mode, though the item matches in another."""
    of_b = set(b.keys)
    met = {unit_of(key) for key in a.keys if key in of_b}
    return sum(key not in of_b and unit_of(key) in met for key in a.keys)


def matching(found: Difference | None, ended: bool) -> list[str]:
    """What to say about which items were compared."""
    if found is None:
        return []
    said = []
    if not found.pairs:
        said.append(
            f"the runs share too few items to pair them ({found.n_a:,} in A, {found.n_b:,} in B): compared "
            "apart, and one set may be harder than the other"
        )
    elif found.pairs < max(found.n_a, found.n_b):
        said.append(
            f"{found.pairs:,} items match; {found.n_a - found.pairs:,} of A's and "
            f"{found.n_b - found.pairs:,} of B's are left out"
        )
    if ended and found.pairs:
        said.append(
            "a run could end early by what it scored: p values and intervals are the always valid ones"
        )
    return said
