"""Two runs' values by rounds of answers instead of single ones, where several streams were answered together.

Neighbours of one run are alike then (`stats/rounds.py`), so that rounds, or pairs of rounds, are compared.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from tiltyard.records import Json
from tiltyard.reports.ways import Side
from tiltyard.stats.contrast import Values
from tiltyard.stats.rounds import Rounds, means_of, rounds_of

_MOST = 2 / 3  # of the smaller side's values have to be in both, for rounds of pairs


class InRounds(NamedTuple):
    """The stages with enough answers for rounds. `each`: answers behind one value, at most. `why`: no stage
    has enough; the values are single answers then.
    """

    of_a: Mapping[str, Values]
    of_b: Mapping[str, Values]
    each: int = 1
    why: str | None = None


def in_rounds(
    a: Side, b: Side, values: tuple[Mapping[str, Values], Mapping[str, Values]], paired: bool
) -> InRounds:
    """`values`: of A and of B, by stages that both have. `paired`: values of one item are pairs, and means
    are geometric.
    """
    found: tuple[dict[str, Values], dict[str, Values]] = {}, {}
    each, few = 1, None
    for stage in values[0]:
        of_stage = values[0][stage], values[1][stage]
        streams = streams_of(a, stage), streams_of(b, stage)
        sides, rounds = _grouped(of_stage, streams, paired)
        if why := next((one.why for one in rounds if one.why), None):
            few = why
            continue
        found[0][stage], found[1][stage] = sides
        counts = [1 if one.ids is None else -(-len(one.ids) // (one.ids[-1] + 1)) for one in rounds]
        each = max(each, *counts)
    return InRounds(*found, each) if found[0] or not few else InRounds(*values, why=few)


def _grouped(
    values: tuple[Values, Values], streams: tuple[int, int], paired: bool
) -> tuple[tuple[Values, Values], list[Rounds]]:
    """Both sides' means of rounds, and the rounds."""
    if max(streams) == 1:
        return values, [Rounds(None), Rounds(None)]
    shared = [key for key in values[0] if key in values[1]]
    pairs = paired and len(shared) >= _MOST * min(map(len, values))
    if pairs:
        values = {key: values[0][key] for key in shared}, {key: values[1][key] for key in shared}
        streams = max(streams), max(streams)
    rounds = [rounds_of(one, len(side)) for one, side in zip(streams, values, strict=True)]
    of_a, of_b = (
        _means(side, one, None if pairs else number, paired)
        for number, (side, one) in enumerate(zip(values, rounds, strict=True))
    )
    return (of_a, of_b), rounds


def streams_of(side: Side, stage: str) -> int:
    """How many streams a stage had."""
    summary: Mapping[str, Json] = side.run.summary or {}
    for part in summary.get("stages") or ():
        if part.get("name") == stage and part.get("load"):
            return int(part["load"].get("concurrency") or 1)
    return int(summary.get("streams") or 1)


def _means(values: Values, rounds: Rounds, apart: int | None, geometric: bool) -> dict[Hashable, float]:
    if rounds.ids is None:
        return {(apart, key): value for key, value in values.items()}
    if not geometric:
        return {(apart, place): mean for place, mean in enumerate(means_of([*values.values()], rounds))}
    logs = means_of([math.log(value) if value > 0 else math.nan for value in values.values()], rounds)
    return {(apart, place): math.exp(mean) for place, mean in enumerate(logs) if math.isfinite(mean)}
