"""The leaderboard: one row per model and fingerprint, its newest finished run.

Reads what `Store.finish` laid down (a row per run, a row per figure, a few bits per item) and never an
attempt, so it is as quick with a million attempts as with ten. Nothing is pooled: different fingerprints are
different rows, and other questions, or another version of the suite, are another table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import to_builtins
from msgspec.structs import replace

from tiltyard.records import Json, Record, Run
from tiltyard.stats.machines import Machine, as_known, hardware, served_on
from tiltyard.stats.ranks import Rank
from tiltyard.store.fingerprint import refiled, unstopped
from tiltyard.store.ranking import Contender, rank_runs
from tiltyard.store.run_list import AGES, named

Asked = tuple[str, str, str]  # suite, its version, items or load
SortBy = Literal["decode", "ttft", "prefill", "load", "total", "size", "score", "model", "when"]


class Wanted(Record, frozen=True):
    """What the board shows. None: any. `newest_only` keeps the newest fingerprint of each model and suite."""

    suite: str | None = None
    model: str | None = None
    min_tps: float | None = None
    max_gb: float | None = None  # 10^9 bytes of weights
    sort: SortBy | None = None
    newest_only: bool = False
    cloud: bool = False  # also models that run in somebody's cloud
    limit: int | None = None


class Value(Record, frozen=True):
    """One figure on the board; the interval is the 95 % interval of the mean."""

    n: int
    mean: float | None = None
    p50: float | None = None
    low: float | None = None
    high: float | None = None


class Quality(Record, frozen=True):
    """What a graded run scored (docs/quality.md). `rank` is its best and worst place in its table."""

    score: float | None
    low: float | None
    high: float | None
    n: int  # attempts
    completed: float | None
    method: str | None
    cap_hit: float | None
    outcomes: Mapping[str, int]
    rank: tuple[int, int] | None = None


class BoardRow(Record, frozen=True):
    run_id: str
    run_key: int
    suite: str
    model: str
    digest: str | None
    quantization: str | None
    parameters: int | None
    size_bytes: int | None
    vram_bytes: int | None
    dialect: str
    server_url: str
    engine_version: str | None
    fingerprint: str
    started_at: str
    state: str
    remote: bool
    client_bound: bool | None
    requests_ok: int | None
    requests_failed: int | None
    requests_truncated: int | None
    score: float | None
    load_ms: float | None
    output_tps: float | None
    decode_tps: Value | None
    prefill_tps: Value | None
    ttft_ms: Value | None
    e2e_ms: Value | None
    since: str = ""  # when it counts as begun: `run_list.AGES`
    served_on: str = ""  # the machine
    item_set: str | None = None
    suite_version: str = ""
    quality: Quality | None = None

    @property
    def age(self) -> tuple[str, int]:
        """The newest run has the highest."""
        return self.since, self.run_key

    @property
    def not_well(self) -> int:
        """How many requests did not end well."""
        return (self.requests_failed or 0) + (self.requests_truncated or 0)


class ModelRow(Record, frozen=True):
    """One model with all that was measured of it: a score per suite, and its speed."""

    model: str
    quantization: str | None
    size_bytes: int | None
    dialect: str
    server_url: str
    served_on: str  # the machine
    remote: bool
    scores: Mapping[str, BoardRow]  # by suite, each over the items that most models of the board share
    elsewhere: tuple[str, ...]  # suites in which it was asked other items only
    speed: BoardRow | None  # whose decode rate and TTFT are shown: of the speed suite where there is one


def as_mapping(row: BoardRow) -> dict[str, Json]:
    """A row as plain values, in the words of the summary object: what `board --json` prints."""
    values: dict[str, Json] = to_builtins(row)
    del values["run_key"], values["since"]
    quality = values.pop("quality")
    if quality is not None:
        low, high = quality["low"], quality["high"]
        values |= {
            "n": quality["n"],
            "ci95": None if low is None else [low, high],
            "ci_method": quality["method"],
            "score_completed": quality["completed"],
            "cap_hit": None if quality["cap_hit"] is None else {"value": quality["cap_hit"]},
            "outcomes": quality["outcomes"],
            "rank": quality["rank"],
        }
    values["server"] = {
        "dialect": values.pop("dialect"),
        "version": values.pop("engine_version"),
        "url": values.pop("server_url"),
    }
    values["requests"] = {name: values.pop(f"requests_{name}") for name in ("ok", "failed", "truncated")}
    load_ms, bound = values.pop("load_ms"), values.pop("client_bound")
    values["load"] = None if load_ms is None else {"load_ms": load_ms}
    values["client"] = None if bound is None else {"bottleneck": bound}
    for metric in METRICS:
        if (value := values[metric]) is not None:
            low, high = value.pop("low"), value.pop("high")
            value["ci95"] = None if low is None else [low, high]
    return values


def model_mapping(model: ModelRow) -> dict[str, Json]:
    """A model as plain values: what `board --by-model --json` prints."""
    values: dict[str, Json] = to_builtins(model)
    values["server"] = {"dialect": values.pop("dialect"), "url": values.pop("server_url")}
    values["scores"] = {suite: as_mapping(row) for suite, row in model.scores.items()}
    values["speed"] = None if model.speed is None else as_mapping(model.speed)
    return values


METRICS = ("decode_tps", "prefill_tps", "ttft_ms", "e2e_ms")
_COLUMNS = (
    "runs.id AS run_id, runs.key AS run_key, suite, suite_version, models.name AS model, digest, "
    "quantization, parameters, size_bytes, vram_bytes, dialect, servers.url AS server_url, "
    "coalesce(servers.version, models.engine_version) AS engine_version, fingerprint, started_at, "
    "state, remote, client_bound, requests_ok, requests_failed, requests_truncated, score, load_ms, "
    "output_tps, item_set, machine, local, score_n, score_low, score_high, score_completed, ci_method, "
    "cap_hit, outcomes, since"
)
_FIGURES = ", ".join(
    f"{m}.{column} AS {m}_{column}"
    for m in METRICS
    for column in ("n", "mean", "p50", "ci95_low", "ci95_high")
)
_JOINS = " ".join(
    f"LEFT JOIN figures AS {m} ON {m}.run_key = runs.key AND {m}.stage = '' AND {m}.metric = '{m}'"
    for m in METRICS
)
# The newest finished run of each fingerprint; a fingerprint holds the model's identity already. One in which
# most requests failed does not take the place of an earlier one that measured something.
_MEASURED = "requests_ok > 0 AND requests_ok >= requests_failed + coalesce(requests_truncated, 0)"
_SQL = (
    f"SELECT {_COLUMNS}, {_FIGURES} FROM runs JOIN models ON models.id = model_id "
    f"JOIN servers ON servers.id = server_id {_JOINS} JOIN (SELECT aged, since, row_number() OVER "
    f"(PARTITION BY model_id, fingerprint ORDER BY {_MEASURED} IS TRUE DESC, since DESC, aged DESC) AS place "
    f"FROM runs JOIN {AGES} ON aged = key WHERE state = 'finished') ON aged = runs.key WHERE place = 1"
)


def board_rows(db: sqlite3.Connection, wanted: Wanted) -> list[BoardRow]:
    """The rows, best first; those without the figure they are sorted by come last.

    Sorted by score where every row has one, else by decode rate, unless `wanted` says otherwise.
    """
    where, values = _conditions(wanted)
    cursor = db.execute(_SQL + where + " ORDER BY since DESC, runs.key DESC", values)
    names = [column[0] for column in cursor.description]
    known, rows, filed = list[Machine](), list[BoardRow](), dict[str, _Filed]()
    for values in cursor.fetchall():
        columns = dict(zip(names, values, strict=True))
        read = json.loads(columns["machine"])
        machine = _settled(read, known)
        rows.append(row := _row(columns, machine))
        if hardware(machine) != hardware(read) or columns["ci_method"] == "always_valid":
            filed[row.run_id] = _filed(named(db, row.run_id), machine)
    rows = _newest(rows, wanted.newest_only, filed)
    if wanted.min_tps is not None:
        rates = _rates(rows)
        rows = [row for row in rows if (rates.get(_identity(row)) or 0) >= wanted.min_tps]
    rows = [row for row in rows if wanted.suite in (None, row.suite)]
    rows = _ranked(db, rows)
    sort = wanted.sort or ("score" if rows and all(row.quality for row in rows) else "decode")
    rows.sort(key=lambda row: _rank(row, sort))
    return rows[: wanted.limit]


def tables(rows: Sequence[BoardRow], resort: bool) -> list[list[BoardRow]]:
    """One table for each suite, version of it, and set of items (or load): speed first, of one suite the
    version last used, then the larger set, or the load under which more models were measured; graded ones by
    score with `resort`.
    """
    found: dict[Asked, list[BoardRow]] = {}
    used: dict[tuple[str, str], tuple[str, int]] = {}  # the newest run of each version
    for row in rows:
        found.setdefault(_asked(row), []).append(row)
        version = row.suite, row.suite_version
        used[version] = max(used.get(version, row.age), row.age)
    ordered = sorted(found.values(), key=lambda table: _table_place(table, used))
    if resort:
        for table in ordered:
            if table[0].quality is not None:
                table.sort(key=lambda row: _rank(row, "score"))
    return ordered


def _asked(row: BoardRow) -> Asked:
    """What rows have in common that compare: suite, its version, items or load."""
    return row.suite, row.suite_version, row.item_set or ""


def _table_place(
    table: Sequence[BoardRow], used: Mapping[tuple[str, str], tuple[str, int]]
) -> tuple[Any, ...]:
    suite, version, items = _asked(table[0])
    most = max(row.quality.n if row.quality else len(table) for row in table)
    return table[0].quality is not None, suite, _descending(used[suite, version]), -most, items


def models_of(rows: Sequence[BoardRow], sort: SortBy | None) -> list[ModelRow]:
    """The rows of each model side by side, its newest run of each suite; best of the first suite first."""
    found: dict[tuple[Any, ...], list[BoardRow]] = {}
    for row in rows:
        found.setdefault(_identity(row), []).append(row)
    common = _common_items(rows)
    clock = _clock(rows, common)
    models = []
    for own in found.values():
        newest = sorted(own, key=lambda row: row.age)
        alike = [row for row in newest if _asked(row) == common[row.suite]]
        scores = {row.suite: row for row in alike if row.quality is not None}
        timed = [row for row in alike if row.suite == clock]
        first = newest[-1]
        models.append(
            ModelRow(
                model=first.model,
                quantization=first.quantization,
                size_bytes=first.size_bytes,
                dialect=first.dialect,
                server_url=first.server_url,
                served_on=first.served_on,
                remote=first.remote,
                scores=scores,
                elsewhere=tuple(sorted({row.suite for row in newest} - {row.suite for row in alike})),
                speed=timed[-1] if timed else None,
            )
        )
    suites = sorted({suite for model in models for suite in model.scores})
    models.sort(key=lambda model: _model_rank(model, suites, sort))
    return models


def _common_items(rows: Sequence[BoardRow]) -> dict[str, Asked]:
    """Of each suite the items that most models were asked, by one version of it: only those compare.

    Of several such sets the one that asks most, so that no trial stands in for a whole run; then the newest.
    The same goes for the loads of speed runs.
    """
    models: dict[Asked, set[tuple[Any, ...]]] = {}
    most: dict[Asked, tuple[int, tuple[str, int]]] = {}
    for row in rows:
        key = _asked(row)
        models.setdefault(key, set()).add(_identity(row))
        n, newest = most.get(key, (0, row.age))
        most[key] = max(n, row.quality.n if row.quality else 0), max(newest, row.age)
    return {key[0]: key for key in sorted(models, key=lambda key: (len(models[key]), most[key]))}


def _clock(rows: Sequence[BoardRow], common: Mapping[str, Asked]) -> str | None:
    """The suite whose times stand beside the scores: speed, else the one that timed most models; one for all,
    since requests of other suites are of other sizes.
    """
    timed: dict[str, set[tuple[Any, ...]]] = {}
    for row in rows:
        if _asked(row) == common[row.suite] and (row.decode_tps is not None or row.ttft_ms is not None):
            timed.setdefault(row.suite, set()).add(_identity(row))
    speed = {row.suite for row in rows if row.quality is None}
    return max(timed, key=lambda suite: (suite in speed, len(timed[suite]), suite), default=None)


def _model_rank(model: ModelRow, suites: Sequence[str], sort: SortBy | None) -> tuple[Any, ...]:
    decode = model.speed.decode_tps.mean if model.speed and model.speed.decode_tps else None
    if sort not in (None, "score"):
        row = model.speed or next(iter(model.scores.values()), None)
        return (row is None, *(_rank(row, sort) if row is not None else ()))
    scores = [model.scores[suite].score if suite in model.scores else None for suite in suites]
    return (*((score is None, -(score or 0.0)) for score in scores), -(decode or 0.0), model.model)


def _ranked(db: sqlite3.Connection, rows: Sequence[BoardRow]) -> list[BoardRow]:
    """The same with ranks, each among the rows of its suite and items."""
    ranks: dict[int, Rank] = {}
    for table in tables(rows, resort=False):
        contenders = [
            Contender(row.run_key, row.score, q.low, q.high, q.method == "always_valid")
            for row in table
            if row.score is not None and (q := row.quality) is not None
        ]
        if contenders:
            ranks |= rank_runs(db, contenders)
    return [
        replace(row, quality=replace(row.quality, rank=ranks.get(row.run_key))) if row.quality else row
        for row in rows
    ]


def _identity(row: BoardRow) -> tuple[Any, ...]:
    return row.model, row.digest, row.quantization, row.dialect, row.server_url, row.served_on


def _rates(rows: Sequence[BoardRow]) -> dict[tuple[Any, ...], float | None]:
    """Decode rate of each model: of its newest speed run, where it has one, else the newest of any suite.

    A speed run that measured something and has no rate says that there is none to go by.
    """
    rates: dict[tuple[Any, ...], float | None] = {}
    for row in sorted(rows, key=lambda row: (row.quality is None, row.age)):
        rate = None if row.decode_tps is None else row.decode_tps.mean
        if rate is not None or (row.suite == "speed" and _mostly_well(row)):
            rates[_identity(row)] = rate
    return rates


def _mostly_well(row: BoardRow) -> bool:
    """Did at least half of the requests end well?"""
    return (row.requests_ok or 0) >= max(row.not_well, 1)


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    parts: list[tuple[str, Any]] = []
    if wanted.suite is not None and wanted.min_tps is None:
        parts.append(("suite = ?", wanted.suite))
    if wanted.model is not None:
        parts.append(("instr(lower(models.name), lower(?))", wanted.model))
    if wanted.max_gb is not None:
        parts.append(("size_bytes <= ?", wanted.max_gb * 1e9))
    where = "" if wanted.cloud else " AND NOT remote"  # no part of this machine's answer
    return where + "".join(f" AND {part}" for part, _ in parts), [value for _, value in parts]


def _settled(machine: Machine, known: list[Machine]) -> Machine:
    """The machine as the first of `known` that it is; else as it is, and added to them."""
    found = next((m for m in (as_known(machine, other) for other in known) if m is not None), None)
    if found is None:
        known.append(machine)
    return found or machine


def _row(columns: dict[str, Any], machine: Machine) -> BoardRow:
    figures: dict[str, Any] = {metric: _value(columns, metric) for metric in METRICS}
    figures["quality"] = _quality(columns)
    figures["served_on"] = served_on(machine, bool(columns["local"]), columns["server_url"])
    plain = {name: columns[name] for name in BoardRow.__struct_fields__ if name not in figures}
    plain["remote"] = bool(plain["remote"])
    if plain["client_bound"] is not None:
        plain["client_bound"] = bool(plain["client_bound"])
    return BoardRow(**plain, **figures)


def _quality(columns: Mapping[str, Any]) -> Quality | None:
    if columns["outcomes"] is None:
        return None
    return Quality(
        score=columns["score"],
        low=columns["score_low"],
        high=columns["score_high"],
        n=columns["score_n"] or 0,
        completed=columns["score_completed"],
        method=columns["ci_method"],
        cap_hit=columns["cap_hit"],
        outcomes=json.loads(columns["outcomes"]),
    )


def _value(columns: dict[str, Any], metric: str) -> Value | None:
    if not columns[f"{metric}_n"]:
        return None
    return Value(
        n=columns[f"{metric}_n"],
        mean=columns[f"{metric}_mean"],
        p50=columns[f"{metric}_p50"],
        low=columns[f"{metric}_ci95_low"],
        high=columns[f"{metric}_ci95_high"],
    )


class _Filed(NamedTuple):
    """Under which fingerprints a run counts, where that is not plainly its own."""

    fingerprint: str  # on the machine as it is known: its memory may have been seen in another size
    unstopped: str  # without the rule by which it may end early
    ended_early: bool


def _filed(run: Run, machine: Machine) -> _Filed:
    here = replace(run, machine=machine)
    stopping = (run.summary or {}).get("stopping") or {}
    return _Filed(refiled(run, here), refiled(run, unstopped(here)), bool(stopping.get("decided")))


def _newest(rows: list[BoardRow], newest_only: bool, filed: Mapping[str, _Filed]) -> list[BoardRow]:
    """The newest of each key, newest first in and out; those that measured something go before others.

    The newest settings of a model may be those of a run that ended early: one like it that answered more is
    shown in its place.
    """
    kept: dict[tuple[Any, ...], BoardRow] = {}
    whole: dict[tuple[Any, ...], BoardRow] = {}
    for row in sorted(rows, key=lambda row: (_mostly_well(row), row.age)):
        own = filed.get(row.run_id) or _Filed(row.fingerprint, row.fingerprint, False)
        what = (*_identity(row), row.suite, row.item_set)
        if not newest_only:
            kept[(*what, own.fingerprint)] = row
            continue
        alike = whole.get((*what, own.unstopped))
        keeps = alike is not None and own.ended_early and _mostly_well(alike) and _asked_more(alike, row)
        kept[what] = whole[(*what, own.unstopped)] = alike if alike is not None and keeps else row
    return sorted(kept.values(), key=lambda row: row.age, reverse=True)


def _asked_more(row: BoardRow, other: BoardRow) -> bool:
    return (row.quality.n if row.quality else 0) > (other.quality.n if other.quality else 0)


def _rank(row: BoardRow, sort: SortBy) -> tuple[bool, Any, str]:
    """What rows are sorted by; where a suite has no scores, the decode rate stands in, behind all scores."""
    if sort == "score" and row.quality is None:
        return (True, *_rank(row, "decode")[1:])
    value: Any
    if sort == "model":
        value = row.model.lower()
    elif sort == "when":
        value = _descending(row.age)
    elif sort in ("size", "load"):
        value = row.size_bytes if sort == "size" else row.load_ms
    elif sort == "ttft":
        value = row.ttft_ms.p50 if row.ttft_ms else None
    else:
        figure = {"decode": row.decode_tps, "prefill": row.prefill_tps}.get(sort)
        high = {"total": row.output_tps, "score": row.score}.get(sort) if figure is None else figure.mean
        value = None if high is None else -high
    return value is None, value if value is not None else 0, row.model


def _descending(age: tuple[str, int]) -> tuple[tuple[int, ...], int]:
    since, key = age
    return tuple(-ord(letter) for letter in since), -key
