"""From the tally of a multiple-choice run to its own figures: rates, letters, rotations, groups.

Definitions are in docs/mcq.md; what all graded suites share is in `suites/scoring.py`.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from tiltyard.records import OUTCOMES, UNJUDGED, Json
from tiltyard.stats.dealing import Shape, spreads_by_luck
from tiltyard.suites.columns import Column
from tiltyard.suites.mcq.calibration import calibration_of
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.scoring import counted_share, scored, share
from tiltyard.suites.tally import Tally

NAMED = 20  # questions with one order that are named
ENOUGH = 10  # questions whose answer is at a letter
TOO_FEW: dict[str, Json] = {
    "value": None,
    "ci95": None,
    "n": 0,
    "why": f"less than two letters have {ENOUGH} right answers",
}


def own_figures(tally: Tally, turned: bool, unasked: str | None = None) -> dict[str, Json]:
    """Everything that the suite adds to the summary. `turned`: rotations were asked. `unasked`: why
    log-probabilities were not.
    """
    places = array("i", (p for p in range(tally.total) if OUTCOMES[tally.verdicts[p]] not in UNJUDGED))
    passed = tally.outcomes["correct"]
    letters, bias = by_letter(tally, places)
    rates = {name: ended_in(tally, places, (name,)) for name in ("unparsed", "truncated", "refused")}
    rates = {"answered": ended_in(tally, places, ("correct", "wrong")), **rates}
    more: dict[str, Json] = {}
    if turned:
        several = array("i", (p for p in places if in_several_orders(tally, p)))
        rates |= over_rotations(tally, several)
        bias = by_letter(tally, several)[1]  # the others' right options stand where the file puts them
        more["rotations"] = orders_of(tally)
    rates["position_bias"] = bias
    confidence = calibrated(tally, unasked)
    return {
        **more,
        "total": tally.total,
        "passed": passed,
        "failed": tally.total - passed,
        "average_duration_s": mean_seconds(tally, range(tally.total)),
        "rates": rates,
        "letters": letters,
        "confidence": confidence,
        "groups": groups_of(tally),
    }


def ended_in(tally: Tally, places: Sequence[int], outcomes: Sequence[str]) -> dict[str, Json]:
    """How often an attempt ended in one of these outcomes."""
    return share(tally, array("b", (OUTCOMES[tally.verdicts[p]] in outcomes for p in places)), places)


def mean_seconds(tally: Tally, places: Sequence[int]) -> float | None:
    """Mean time from the first byte sent to the last received, of requests that ended well."""
    values = array("d", (ms for p in places if not math.isnan(ms := tally.speeds["e2e_ms"][p])))
    return math.fsum(values) / len(values) / 1e3 if values else None


def groups_of(tally: Tally) -> list[dict[str, Json]]:
    """One row for each file or subject, in the order of its first answer."""
    found = {number: array("i") for number in tally.group_names.values()}
    for place in range(tally.total):
        found[tally.groups[place]].append(place)
    rows = []
    for name, number in tally.group_names.items():
        row = scored(tally, found[number])
        passed = row["outcomes"]["correct"]
        more = {"passed": passed, "failed": row["n"] - passed}
        rows.append({"name": name, **row, **more, "average_duration_s": mean_seconds(tally, found[number])})
    return rows


# ------------------------------------------------------------------ letters


def by_letter(tally: Tally, places: Sequence[int]) -> tuple[list[dict[str, Json]], dict[str, Json]]:
    """Per letter: recall (share right where the right option stood there) and how often it was given."""
    gold, given = tally.flags.get("gold"), tally.flags.get("given")
    if gold is None:
        return [], TOO_FEW
    at: dict[int, array[int]] = {}
    for place in places:
        at.setdefault(int(gold[place]), array("i")).append(place)
    said = array("i") if given is None else array("i", (p for p in places if not math.isnan(given[p])))
    chosen = array("b", () if given is None else (int(given[p]) for p in said))
    rows: list[dict[str, Json]] = []
    for letter in sorted({*at, *chosen}):
        mine = at.get(letter, ())
        this = share(tally, array("b", (other == letter for other in chosen)), said)
        recall = ended_in(tally, mine, ("correct",))
        rows.append({"letter": LETTERS[letter], "recall": recall, "given": this, "n": len(mine)})
    if not said:
        return rows, {**TOO_FEW, "why": "no letter was given"}
    return rows, bias_of(tally, {k: v for k, v in at.items() if len(v) >= ENOUGH})


def bias_of(tally: Tally, at: Mapping[int, Sequence[int]]) -> dict[str, Json]:
    """Standard deviation of the recall over letters (RStd, Zheng et al. 2024), and whether luck explains it.

    It is above 0 without any bias too, so there is no interval: `by_chance` is what a model without one would
    show on average, `by_chance_95` what it stays below in 95 %, `p_value` how often luck alone shows as much.
    Null where less than two letters have enough questions.
    """
    if len(at) < 2:
        return TOO_FEW
    import numpy as np

    shapes = shapes_of(tally, at)
    asked, right = (sum(n * np.array(shape[side]) for shape, n in shapes.items()) for side in (0, 1))
    value, luck = float(np.std(right / asked)), spreads_by_luck(shapes)
    p_value = (1 + int((luck >= value - 1e-12).sum())) / (1 + len(luck))
    most = float(np.quantile(luck, 0.95, method="higher"))
    said = "a bias" if p_value < 0.05 else "no bias shown"
    return {
        "value": value,
        "ci95": None,
        "n": shapes.total(),
        "by_chance": float(luck.mean()),
        "by_chance_95": most,
        "p_value": p_value,
        "why": f"{said}: luck alone gives up to {100 * most:.1f} %",
    }


def shapes_of(tally: Tally, at: Mapping[int, Sequence[int]]) -> Counter[Shape]:
    """How many items are alike in how often their right option stood at each letter, and went right there."""
    nothing, correct = (0,) * len(at), OUTCOMES.index("correct")
    alone: Counter[Shape] = Counter()
    found: dict[int, Shape] = {}
    for column, places in enumerate(at.values()):
        for place in places:
            asked, right = found.get(tally.items[place], (nothing, nothing))
            hit = tally.verdicts[place] == correct
            shape = one_more(asked, column, True), one_more(right, column, hit)
            if tally.once:
                alone[shape] += 1
            else:
                found[tally.items[place]] = shape
    return alone or Counter(found.values())


def one_more(counts: tuple[int, ...], column: int, really: bool) -> tuple[int, ...]:
    return (*counts[:column], counts[column] + really, *counts[column + 1 :])


# ------------------------------------------------------------------ rotations and confidence


def in_several_orders(tally: Tally, place: int) -> bool:
    """Was this attempt's question asked in several orders? One whose options cannot move has only one."""
    turns = tally.flags.get("turns")
    return turns is not None and not math.isnan(turns[place])


def orders_of(tally: Tally) -> dict[str, Json]:
    """How many questions were asked in several orders, how many in one, and the numbers of some of those."""
    several = {tally.items[p] for p in range(tally.total) if in_several_orders(tally, p)}
    single = {n for p, n in enumerate(tally.items) if OUTCOMES[tally.verdicts[p]] != "error"} - several
    return {"several_orders": len(several), "one_order": len(single), "numbers": sorted(single)[:NAMED]}


def over_rotations(tally: Tally, places: Sequence[int]) -> dict[str, Json]:
    """Always the same option, of the questions with a letter in each of their orders; always right, of all
    that were asked in each and did not fail.
    """
    nothing = Column(tally.spill, missing=tally.total)
    turns, turn, choice = (tally.flags.get(name, nothing) for name in ("turns", "turn", "choice"))
    orders: dict[int, set[float]] = {}
    seen: dict[int, set[float | None]] = {}
    expected: dict[int, float] = {}
    wrong: set[int] = set()
    for place in places:
        number = tally.items[place]
        expected[number] = turns[place]
        orders.setdefault(number, set()).add(turn[place])
        seen.setdefault(number, set()).add(None if math.isnan(choice[place]) else choice[place])
        if OUTCOMES[tally.verdicts[place]] != "correct":
            wrong.add(number)
    whole = [number for number, found in orders.items() if len(found) == expected[number]]
    spoken = [number for number in whole if None not in seen[number]]
    return {
        "consistent": counted_share(sum(len(seen[n]) == 1 for n in spoken), len(spoken)),
        "right_in_all_rotations": counted_share(sum(n not in wrong for n in whole), len(whole)),
    }


def calibrated(tally: Tally, unasked: str | None) -> dict[str, Json]:
    """Calibration of the answers whose letter had log-probabilities."""
    confidence = tally.flags.get("confidence")
    if confidence is None:
        return calibration_of((), (), (), unasked)
    places = array("i", (p for p in range(tally.total) if not math.isnan(confidence[p])))
    return calibration_of(
        array("d", (confidence[p] for p in places)),
        array("b", (OUTCOMES[tally.verdicts[p]] == "correct" for p in places)),
        tally.clusters(places),
        unasked,
    )
