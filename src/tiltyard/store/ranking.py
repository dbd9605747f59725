"""The ranks of runs that scored the same items, from what `verdicts.py` packed: for the board and the report.

Runs are ranked among those with one suite and one set of items; other sets are other questions.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tiltyard.stats.pairing import Scores, unit_of, unpacked_keys
from tiltyard.stats.ranks import Entrant, Rank, bits_at, placed, ranks
from tiltyard.stats.student import normal_quantile

MOST = 150  # rows ranked in one table: pairs grow with the square

_SCORED = (
    "SELECT id, key, suite, suite_version, item_set, score, score_low, score_high, ci_method FROM runs "
    "WHERE id IN (SELECT value FROM json_each(?)) AND score IS NOT NULL AND outcomes IS NOT NULL"
)


class Contender(NamedTuple):
    """What the board knows of a graded run without its items."""

    run_key: int
    score: float
    low: float | None
    high: float | None
    ended_early: bool


class _Packed(NamedTuple):
    items: str
    n: int
    body: bytes


def rank_runs(db: sqlite3.Connection, contenders: Sequence[Contender]) -> dict[int, Rank]:
    """Ranks by run key, the best `MOST` of them."""
    chosen = sorted(contenders, key=lambda c: -c.score)[:MOST]
    packed = _packed(db, [c.run_key for c in chosen])
    keys = _keys(db, packed)
    several = any(len(set(map(unit_of, own))) < len(own) for own in keys.values())  # ways to ask an item
    places, masks = _places(keys)
    entrants = []
    for c in chosen:
        error = 1.0 if c.low is None or c.high is None else (c.high - c.low) / 2 / normal_quantile(0.975)
        entrant = Entrant(c.score, error, 0, 0, None, c.ended_early)
        own = packed.get(c.run_key)
        entrants.append(entrant if own is None or several else _filled(entrant, own, places, masks))
    if several:
        entrants = placed(entrants, [_scores(packed.get(c.run_key), keys) for c in chosen])
    found = ranks(entrants)
    return {c.run_key: rank for c, rank in zip(chosen, found, strict=True)}


def ranks_of(db: sqlite3.Connection, run_ids: Sequence[str]) -> dict[str, Rank]:
    """The ranks of any graded runs, by their ids, each among those of its suite, its version and items."""
    tables: dict[tuple[Any, ...], list[Contender]] = {}
    names = {}
    for run_id, key, *asked, score, low, high, method in db.execute(_SCORED, (json.dumps(run_ids),)):
        names[key] = run_id
        tables.setdefault(tuple(asked), []).append(Contender(key, score, low, high, method == "always_valid"))
    return {names[key]: rank for table in tables.values() for key, rank in rank_runs(db, table).items()}


def _packed(db: sqlite3.Connection, keys: Sequence[int]) -> dict[int, _Packed]:
    sql = f"SELECT run_key, items, n, scores FROM verdicts WHERE run_key IN ({', '.join(map(str, keys))})"
    return {key: _Packed(*rest) for key, *rest in db.execute(sql)}


def _keys(db: sqlite3.Connection, packed: Mapping[int, _Packed]) -> dict[str, array[int]]:
    """The keys of each set of items."""
    keys = {}
    for name in sorted({own.items for own in packed.values()}):
        (blob,) = db.execute("SELECT keys FROM item_sets WHERE hash = ?", (name,)).fetchone()
        keys[name] = unpacked_keys(blob)
    return keys


def _scores(own: _Packed | None, keys: Mapping[str, array[int]]) -> Scores:
    if own is None:
        return Scores.of([])
    return Scores(keys=keys[own.items], values=Scores.unpacked(bytes(8 * own.n), own.body).values)


def _places(keys: Mapping[str, array[int]]) -> tuple[dict[str, list[int] | None], dict[str, int]]:
    """For each set of items where its items stand among all of them (None: there is one set, in its order),
    and the bits of those places.
    """
    if len(keys) == 1:
        ((name, own),) = keys.items()
        return {name: None}, {name: (1 << len(own)) - 1}
    everything = {key: place for place, key in enumerate(sorted(set().union(*keys.values())))}
    places = {name: [everything[key] for key in own] for name, own in keys.items()}
    return dict(places), {name: bits_at(own) for name, own in places.items()}


def _filled(
    entrant: Entrant, own: _Packed, places: Mapping[str, list[int] | None], masks: Mapping[str, int]
) -> Entrant:
    where, asked = places[own.items], masks[own.items]
    if own.body[:1] == b"b" and where is None:
        return entrant._replace(asked=asked, right=int.from_bytes(own.body[1:], "little"))
    values = Scores.unpacked(bytes(8 * own.n), own.body).values
    if own.body[:1] == b"b":
        assert where is not None
        right = [place for place, value in zip(where, values, strict=True) if value]
        return entrant._replace(asked=asked, right=bits_at(right))
    if where is None:
        return entrant._replace(asked=asked, partial=values)
    spread = [0.0] * asked.bit_length()
    for place, value in zip(where, values, strict=True):
        spread[place] = value
    return entrant._replace(asked=asked, partial=spread)
