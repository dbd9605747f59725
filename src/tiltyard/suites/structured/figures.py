"""The json suite's own part of a summary: the ladder as rates, each mode, and what the modes differ in.

Every rate is over all answers that got a verdict: errors and what a server refuses are left out.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import msgspec

from tiltyard.records import Json
from tiltyard.stats.contrast import log_ratio
from tiltyard.stats.paired import compare_scores
from tiltyard.stats.proportions import wilson_clustered
from tiltyard.suites.scoring import flag_rate, scored
from tiltyard.suites.tally import Tally

LADDER = {
    "answered": "answered",
    "strict": "strict_json",
    "extracted": "extracted_json",
    "repaired": "repaired_json",
    "schema_valid": "schema_valid",
    "format_valid": "schema_and_formats_valid",
    "exact": "all_fields_exact",
}


def rates(tally: Tally, chosen: Sequence[int]) -> dict[str, Json]:
    """The ladder of some attempts, and how many of all fields were right."""
    found: dict[str, Json] = {name: flag_rate(tally, flag, chosen) for flag, name in LADDER.items()}
    return {**found, "field_accuracy": field_rate(tally, chosen)}


def field_rate(tally: Tally, chosen: Sequence[int]) -> Json:
    """Right fields out of all expected ones, over all answers; `n` answers with `fields` expected fields.

    Fields of one item hang together, so items are the units of the interval (`stats.wilson_clustered`).
    """
    right, wanted = (column(tally, name, chosen) for name in ("fields_right", "fields"))
    values: list[float] = []
    units: list[int] = []
    for place, count in wanted.items():
        values += [1.0] * round(right[place]) + [0.0] * round(count - right[place])
        units += [tally.items[place]] * round(count)
    interval = wilson_clustered(values, units)
    return {
        "value": math.fsum(values) / len(values) if values else None,
        "ci95": None if interval is None else [interval.low, interval.high],
        "n": len(wanted),
        "fields": len(values),
    }


def column(tally: Tally, flag: str, chosen: Sequence[int]) -> dict[int, float]:
    """A flag's values by attempt; those that have none are left out."""
    values = tally.flags.get(flag)
    if values is None:
        return {}
    return {place: values[place] for place in chosen if not math.isnan(values[place])}


def places_of(tally: Tally, mode: str) -> list[int]:
    number = tally.group_names.get(mode)
    return [] if number is None else [p for p in range(tally.total) if tally.groups[p] == number]


def by_mode(tally: Tally, modes: Sequence[str], missing: Mapping[str, int]) -> dict[str, Json]:
    """Score and ladder of each mode, and how long an answer took.

    In `missing` modes, which the server has no word for (`expressible` is false), nothing was asked: so many
    answers are `unsupported`.
    """
    found: dict[str, Json] = {}
    for mode in modes:
        places = places_of(tally, mode)
        waits = [tally.speeds["e2e_ms"][p] for p in places if not math.isnan(tally.speeds["e2e_ms"][p])]
        mean = math.fsum(waits) / len(waits) if waits else None
        figures = with_missing(scored(tally, places), missing.get(mode, 0))
        found[mode] = {
            "expressible": mode not in missing,
            **figures,
            "rates": rates(tally, places),
            "mean_e2e_ms": mean,
        }
    return found


def by_level(tally: Tally, levels: Sequence[int]) -> list[Json]:
    """The score of each level of difficulty, all modes together; none for a single one."""
    places: dict[int, list[int]] = {level: [] for level in sorted(set(levels))}
    for place in range(tally.total):
        places[levels[tally.items[place]]].append(place)
    if len(places) < 2:
        return []
    return [{"level": level, **scored(tally, own)} for level, own in places.items() if own]


def with_missing(figures: Mapping[str, Json], count: int) -> dict[str, Json]:
    """The same with so many `unsupported` answers more: in `n`, in `outcomes`, and in the bounds."""
    if not count:
        return dict(figures)
    n, (low, high) = figures["n"], figures["bounds"] or (0.0, 0.0)
    outcomes = {**figures["outcomes"], "unsupported": figures["outcomes"]["unsupported"] + count}
    bounds = [low * n / (n + count), (high * n + count) / (n + count)]
    return {**figures, "n": n + count, "outcomes": outcomes, "bounds": bounds}


def as_groups(modes: Mapping[str, Mapping[str, Json]]) -> list[Json]:
    """The modes as every graded suite lists its groups; none for a single one."""
    if len(modes) < 2:
        return []
    own = ("expressible", "rates", "mean_e2e_ms")
    return [
        {"name": name, **{k: v for k, v in found.items() if k not in own}} for name, found in modes.items()
    ]


def differences(tally: Tally, modes: Sequence[str]) -> dict[str, Json] | None:
    """What the schema changes: `json_schema` less `prompt`, item by item, in validity and fields; the ratio
    for time. Null where the run has not both.
    """
    if not {"prompt", "json_schema"} <= set(modes):
        return None
    both = ("prompt", "json_schema")
    places = [places_of(tally, mode) for mode in both]
    found = {
        "schema_valid": paired(*(by_item(tally, column(tally, "schema_valid", own)) for own in places)),
        "field_accuracy": paired(*(by_item(tally, accuracies(tally, own)) for own in places)),
    }
    waits = {mode: by_item(tally, times_of(tally, mode)) for mode in both}
    ratio = log_ratio({"all": waits["prompt"]}, {"all": waits["json_schema"]})
    found["e2e_ratio"] = None if ratio is None else msgspec.to_builtins(ratio)
    return found


def accuracies(tally: Tally, chosen: Sequence[int]) -> dict[int, float]:
    """Of each answer the right fields out of the expected ones, as in `field_rate`."""
    right = column(tally, "fields_right", chosen)
    return {place: right[place] / wanted for place, wanted in column(tally, "fields", chosen).items()}


def times_of(tally: Tally, mode: str) -> dict[int, float]:
    values = tally.speeds["e2e_ms"]
    return {place: values[place] for place in places_of(tally, mode) if not math.isnan(values[place])}


def by_item(tally: Tally, values: Mapping[int, float]) -> dict[Hashable, float]:
    """Means over the attempts of each item."""
    sums: dict[int, list[float]] = {}
    for place, value in values.items():
        sums.setdefault(tally.items[place], []).append(value)
    return {item: math.fsum(found) / len(found) for item, found in sums.items()}


def paired(plain: Mapping[Hashable, float], bound: Mapping[Hashable, float]) -> Json:
    """The paired difference over the items that both modes have."""
    both = [item for item in plain if item in bound]
    found = compare_scores([plain[item] for item in both], [bound[item] for item in both])
    if found is None:
        return None
    return {
        "difference": found.difference,
        "ci95": None if found.low is None else [found.low, found.high],
        "p_value": found.p_value,
        "pairs": found.pairs,
    }
