"""What of two runs may be compared: a metric's values by stage, and whether both measured it alike.

A ratio of figures that were counted or timed in different ways, or of unlike work, says nothing about which
server is faster. `unlike` says so in words; then the ratio is shown, and no claim is made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean, median

from msgspec.structs import replace

from tiltyard.records import Attempt, Json, Record, Run
from tiltyard.reports.stages import findings_of
from tiltyard.stats.contrast import Values
from tiltyard.stats.pairing import item_key, unit_of
from tiltyard.stats.queues import QUEUED

_COUNTED, _ESTIMATED = "of counted tokens", "of tokens estimated from the text"
_SERVERS = "the server's own timing"
_DECODE = {
    "client": "timed by the client",
    "client-chunked": "timed by the client",  # with a bias that widens the interval
    "client-estimated": _ESTIMATED,
    "server": _SERVERS,
}
_OF_TOKENS = frozenset(("e2e_tps", "output_tps", "output_tokens", "tokens_per_chunk"))
_BY_DEFINITION = frozenset(("load_ms", "transport_ms"))  # and all that begins with `server_`
_WHOLE = frozenset(  # hold the prompt and the answer
    ("e2e_ms", "e2e_scheduled_ms", "e2e_tps", "close_ms", "output_tps")
)
_FIRST = frozenset(("ttft_ms", "ttfo_ms", "ttft_scheduled_ms", "ttfb_ms", "first_event_ms"))
_OF_PROMPT = _WHOLE | _FIRST
_MOST = 2 / 3  # of a side's values have to be measured in one way; the others are left out
_NEAR, _NEAR_TOKENS = 0.02, 4  # sizes that count as the same


class Side(Record, frozen=True):
    """A run with its attempts."""

    run: Run
    attempts: Sequence[Attempt]


def samples(side: Side, metric: str, measured: str | None = None) -> dict[str, Values]:
    """The metric's values by stage, then by (item, repetition); with `measured` only those of that way.

    A stage's total rate is one value a stage.
    """
    if metric == "output_tps":
        stages = (side.run.summary or {}).get("stages") or [{"name": "run", **(side.run.summary or {})}]
        return {str(s.get("name")): {0: s[metric]} for s in stages if isinstance(s.get(metric), (int, float))}
    found: dict[str, dict[Hashable, float]] = {}
    for attempt, value in valued(side, metric):
        if measured in (None, way(side.run, attempt, metric)):
            found.setdefault(attempt.stage, {})[attempt.item_id, attempt.repetition] = value
    return dict(found)


def valued(side: Side, metric: str) -> list[tuple[Attempt, float]]:
    """The attempts whose value of the metric is one of what it measures, each with that.

    In a depth run, waits and prefill are those of the stages for prefill: others send next to no new words.
    """
    rows = of_depths(side)
    fills = metric == "prefill_tps" or metric in _FIRST
    found = []
    for attempt in side.attempts:
        value = getattr(attempt.measures, metric)
        if not isinstance(value, (int, float)) or (fills and rows and not attempt.stage.startswith("pp")):
            continue
        if metric != "prefill_tps" or _prefilled(attempt, rows):
            found.append((attempt, value))
    return found


def of_depths(side: Side) -> dict[str, Mapping[str, Json]]:
    """What a depth run found, by the names of the stages; empty of others, and where it does not tell how."""
    found = dict[str, Mapping[str, Json]]()
    for row in findings_of(side.run.summary or {}).get("depths") or ():
        if "prefill_method" in row:
            depth = f" @ d{row['depth']}" if row["depth"] else ""
            found |= {
                f"{test}{depth}": row
                for test in (f"pp{row.get('prompt_tokens')}", f"tg{row.get('output_tokens')}")
            }
    return found


def _prefilled(attempt: Attempt, rows: Mapping[str, Mapping[str, Json]]) -> bool:
    """Is the rate that of the prompt? What a cache skipped was not prefilled, but behind a depth the new
    words alone are meant. Where a depth run took the difference of two waits, no request has a rate.
    """
    if not rows:
        return attempt.measures.prefill_kind != "warm"
    row = rows.get(attempt.stage) or {}
    if row.get("prefill_method") == "cached":
        return (attempt.measures.cached_tokens or 0) * 2 >= float(row["depth"])
    return row.get("prefill_method") == "direct"


def other_contexts(a: Side, b: Side, metric: str = "ttft_ms") -> list[str]:
    """Shared stages of two depth runs of which one had the context in its server's cache: other waits."""
    if metric not in _OF_PROMPT:
        return []
    of_a, of_b = of_depths(a), of_depths(b)
    return [
        stage
        for stage, row in of_a.items()
        if stage in of_b and len({each.get("prefill_method") == "cached" for each in (row, of_b[stage])}) == 2
    ]


def depths_in_words(a: Side, b: Side) -> list[str]:
    """What to say of depths at which prefill, or waits, are not compared."""
    of_a, of_b, out = of_depths(a), of_depths(b), []
    told = ("direct", "cached", None)
    by_difference = [
        f"`{stage}`"
        for stage, row in of_a.items()
        if stage.startswith("pp") and stage in of_b
        if not all(each.get("prefill_method") in told for each in (row, of_b[stage]))
    ]
    if by_difference:
        out.append(
            f"prefill speed leaves out {', '.join(by_difference)}: there it is a difference of means, or not"
            " known, and no figure of single requests; `tiltyard show` has it"
        )
    if others := [f"`{stage}`" for stage in other_contexts(a, b)]:
        out.append(f"waits leave out {', '.join(others)}: one of the two had the context in its cache")
    return out


def by_item(a: Side, b: Side, of_a: dict[str, Values], of_b: dict[str, Values]) -> list[dict[str, Values]]:
    """The same, of graded runs with one value an item: its tries, modes and rotations are one witness.

    That is the geometric mean over the requests that both have, or over each side's own where those are less
    than two thirds of the smaller side's; then nothing pairs, since the two were asked in other ways.
    """
    if not all("outcomes" in (side.run.summary or {}) for side in (a, b)):
        return [of_a, of_b]
    found: list[dict[str, Values]] = [{}, {}]
    for stage in [stage for stage in of_a if stage in of_b]:
        units: dict[Hashable, int] = {
            (x.item_id, x.repetition): unit_of(item_key(stage, x.item_id, x.item_hash))
            for x in (*a.attempts, *b.attempts)
            if x.stage == stage
        }
        both = of_a[stage].keys() & of_b[stage].keys()
        matched = len(both) >= _MOST * min(len(of_a[stage]), len(of_b[stage]))
        for number, values in enumerate((of_a[stage], of_b[stage])):
            chosen = {key: value for key, value in values.items() if key in both or not matched}
            found[number][stage] = _means(chosen, units, None if matched else number)
    return found


def waited(side: Side, stages: Sequence[str]) -> str | None:
    """QUEUED where the requests of one of these stages arrived whatever the answers did, and overlapped."""
    for part in (side.run.summary or {}).get("stages") or ():
        load = part.get("load") or {}
        if (
            part.get("name") in stages
            and load.get("kind", "closed") != "closed"
            and load.get("overlapped", True)
        ):
            return QUEUED
    return None


def repeats_one(a: Side, b: Side) -> bool:
    """Did both ask one item a stage, again and again? Then its repetitions have nothing to pair on."""
    sides = [{(x.stage, x.item_id) for x in side.attempts} for side in (a, b)]
    return all(len(asked) == len({stage for stage, _ in asked}) for asked in sides) and not all(
        "outcomes" in (side.run.summary or {}) for side in (a, b)
    )


def _means(values: Values, units: Mapping[Hashable, int], apart: int | None) -> Values:
    """The geometric mean of each item's values, under keys that pair with no other side's where `apart`."""
    logs: dict[int, list[float]] = {}
    for key, value in values.items():
        if value > 0:
            logs.setdefault(units[key], []).append(math.log(value))
    return {(apart, unit): math.exp(fmean(own)) for unit, own in logs.items()}


def way(run: Run, attempt: Attempt, metric: str) -> str:
    """How an attempt's figure was measured, in words; empty where there is but one way, or it is unknown."""
    measures = attempt.measures
    if metric == "prefill_tps":
        if measures.server_prefill_tps is not None:
            return _SERVERS
        return "prompt tokens / time to first token, by the client"
    if metric in ("decode_tps", "itl_ms"):
        return _DECODE.get(measures.rate_source or "", "")
    if metric in _OF_TOKENS:
        return _ESTIMATED if measures.tokens_source == "estimate" else _COUNTED
    if metric in _BY_DEFINITION or metric.startswith("server_"):
        return f"as {run.server.dialect} defines it"
    return ""


def main_way(side: Side, metric: str) -> str | None:
    """The way of at least two thirds of the values; None where there is no such way."""
    name = "output_tokens" if metric == "output_tps" else metric
    counts = Counter(way(side.run, attempt, metric) for attempt, _ in valued(side, name))
    if not counts:
        return ""
    [(found, n)] = counts.most_common(1)
    return found if n >= _MOST * counts.total() else None


def guessed(side: Side, metric: str) -> float:
    """A stage's mean may be wrong by a factor of 1 + this, for guesses of tokens; 0 without any."""
    if metric not in ("decode_tps", "itl_ms"):
        return 0.0
    found: dict[str, list[float]] = {}
    for attempt in side.attempts:
        if attempt.measures.decode_tps is not None:
            found.setdefault(attempt.stage, []).append(attempt.measures.rate_bias or 0.0)
    return max(map(fmean, found.values()), default=0.0)


def unlike(a: Side, b: Side, metric: str, names: tuple[str, str] = ("A", "B")) -> str | None:
    """Why the metric of these two may not be compared, in words; None where it may."""
    ways = main_way(a, metric), main_way(b, metric)
    for name, found in zip(names, ways, strict=True):
        if found is None:
            return f"{name}'s was measured in several ways"
    if ways[0] != ways[1]:
        said = [
            f"{name}'s is {found or 'of unknown origin'}" for name, found in zip(names, ways, strict=True)
        ]
        return ", ".join(said)
    of_prompt = metric in _OF_PROMPT or (metric == "prefill_tps" and other_items(a, b))
    if of_prompt and (why := _other_prompts(a, b, names)):
        return why
    return _other_answers(a, b, names) if metric in _WHOLE else None


def _other_prompts(a: Side, b: Side, names: tuple[str, str]) -> str | None:
    """Prompts that were made to a size have to be of one size; given ones are the same text."""
    rungs = [_summary(side.run, "prompt").get("rung") for side in (a, b)]
    others = bool(other_items(a, b))
    if rungs == [None, None] and not others:
        return None
    sizes = _sizes(a, "prompt_tokens"), _sizes(b, "prompt_tokens")
    if apart := _apart(*sizes):
        return f"{names[0]}'s prompts have {apart[0]:,.0f} tokens, {names[1]}'s {apart[1]:,.0f}"
    unknown = [name for name, size in zip(names, sizes, strict=True) if not size]
    if unknown and (others or rungs[0] != rungs[1]):
        return f"nobody counted the tokens of {' and '.join(unknown)}'s prompts: their sizes may differ"
    return None


def _other_answers(a: Side, b: Side, names: tuple[str, str]) -> str | None:
    """Answers that were to have a size have to be of one size; those to questions are as long as they are."""
    if any("outcomes" in (side.run.summary or {}) for side in (a, b)):
        return None
    ways = main_way(a, "output_tokens"), main_way(b, "output_tokens")
    unknown = [name for name, found in zip(names, ways, strict=True) if found != _COUNTED]
    if unknown and (ways[0] != ways[1] or other_items(a, b)):
        return f"nobody counted the tokens of {' and '.join(unknown)}'s answers: their lengths may differ"
    apart = _apart(_sizes(a, "output_tokens"), _sizes(b, "output_tokens"))
    if apart is None:
        return None
    return f"{names[0]}'s answers have {apart[0]:,.0f} tokens, {names[1]}'s {apart[1]:,.0f}"


def _sizes(side: Side, name: str) -> dict[str, float]:
    """The median size by stage, where somebody counted."""
    found: dict[str, list[int]] = {}
    for attempt in side.attempts:
        size = getattr(attempt.measures, name)
        if size is not None and attempt.measures.e2e_ms is not None:
            found.setdefault(attempt.stage, []).append(size)
    return {stage: median(sizes) for stage, sizes in found.items()}


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[float, float] | None:
    """The sizes in the first stage in which they differ."""
    shared = [(a[stage], b[stage]) for stage in a if stage in b]
    return next(
        (pair for pair in shared if max(pair) - min(pair) > max(_NEAR * max(pair), _NEAR_TOKENS)), None
    )


def _summary(run: Run, name: str) -> Mapping[str, Json]:
    found = (run.summary or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def only_stages(a: Side, b: Side) -> tuple[str, str] | None:
    """The stages of two speed runs of one profile that have one each: these are counterparts."""
    profiles = {side.run.settings.get("profile") for side in (a, b)}
    names = [{attempt.stage for attempt in side.attempts} for side in (a, b)]
    for side, own in zip((a, b), names, strict=True):
        own.update(str(stage.get("name")) for stage in (side.run.summary or {}).get("stages") or ())
    if len(profiles) > 1 or profiles == {None} or any(len(own) != 1 for own in names):
        return None
    return names[0].pop(), names[1].pop()


def counterpart(a: Side, b: Side) -> Side:
    """B, its stage under the name of A's where those two are counterparts whatever they are called."""
    names = only_stages(a, b)
    if names is None or names[0] == names[1]:
        return b
    run, attempts = b.run, [replace(attempt, stage=names[0]) for attempt in b.attempts]
    stages = [{**stage, "name": names[0]} for stage in (run.summary or {}).get("stages") or ()]
    if stages:
        run = replace(run, summary={**(run.summary or {}), "stages": stages})
    return Side(run=run, attempts=attempts)


def left_out(a: Side, b: Side) -> dict[str, tuple[str, str]]:
    """Stages that do not meet, since one name stands for other work; a run's only stage is meant as it is."""
    return other_items(a, b) if only_stages(a, b) is None else {}


def stages_in_words(a: Side, b: Side) -> list[str]:
    """What to say of counterparts that have other names, or asked for other work."""
    names = only_stages(a, b)
    if names is None:
        return []
    items = other_items(a, counterpart(a, b)).get(names[0])
    if names[0] == names[1] and items is None:
        return []
    asked = [f" (it asked {item})" for item in items] if items else ["", ""]
    return [f"A's only stage is `{names[0]}`{asked[0]}, B's `{names[1]}`{asked[1]}"]


def other_items(a: Side, b: Side) -> dict[str, tuple[str, str]]:
    """Stages of one name in which these two asked for other work, with what each asked; graded runs match
    item by item anyway.
    """
    if any("outcomes" in (side.run.summary or {}) for side in (a, b)):
        return {}
    of_a, of_b = ({x.stage: x.item_id for x in reversed(side.attempts)} for side in (a, b))
    asked_b = {(attempt.stage, attempt.item_id) for attempt in b.attempts}
    met = {attempt.stage for attempt in a.attempts if (attempt.stage, attempt.item_id) in asked_b}
    return {stage: (of_a[stage], of_b[stage]) for stage in of_a if stage in of_b and stage not in met}
