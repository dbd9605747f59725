"""The leaderboard: one row per model and fingerprint, its newest finished run.

Reads what `Store.finish` laid down (a row per run, a row per figure) and never an attempt, so it is as quick
with a million attempts as with ten. Nothing is pooled: different fingerprints are different rows.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

from msgspec import to_builtins

from tiltyard.records import Json, Record

SortBy = Literal["decode", "ttft", "prefill", "load", "total", "size", "score", "model", "when"]


class Wanted(Record, frozen=True):
    """What the board shows. None: any. `newest_only` keeps the newest fingerprint of each model and suite."""

    suite: str | None = None
    model: str | None = None
    min_tps: float | None = None
    max_gb: float | None = None  # 10^9 bytes of weights
    sort: SortBy | None = None
    newest_only: bool = False
    limit: int | None = None


class Value(Record, frozen=True):
    """One figure on the board; the interval is the 95 % interval of the mean."""

    n: int
    mean: float | None = None
    p50: float | None = None
    low: float | None = None
    high: float | None = None


class BoardRow(Record, frozen=True):
    run_id: str
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
    score: float | None
    load_ms: float | None
    output_tps: float | None
    decode_tps: Value | None
    prefill_tps: Value | None
    ttft_ms: Value | None
    e2e_ms: Value | None


def as_mapping(row: BoardRow) -> dict[str, Json]:
    """A row as plain values, in the words of the summary object: what `board --json` prints."""
    values: dict[str, Json] = to_builtins(row)
    values["quant"] = row.quantization
    values["server"] = row.dialect
    for metric in METRICS:
        if (value := values[metric]) is not None:
            low, high = value.pop("low"), value.pop("high")
            value["ci95"] = None if low is None else [low, high]
    return values


METRICS = ("decode_tps", "prefill_tps", "ttft_ms", "e2e_ms")
_COLUMNS = (
    "runs.id AS run_id, suite, models.name AS model, digest, quantization, parameters, size_bytes, "
    "vram_bytes, dialect, servers.url AS server_url, models.engine_version, fingerprint, started_at, "
    "state, remote, client_bound, requests_ok, requests_failed, score, load_ms, output_tps"
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
# The newest finished run of each fingerprint; a fingerprint holds the model's identity already.
_SQL = (
    f"SELECT {_COLUMNS}, {_FIGURES} FROM runs JOIN models ON models.id = model_id "
    f"JOIN servers ON servers.id = server_id {_JOINS} "
    "WHERE runs.key IN (SELECT max(key) FROM runs WHERE state = 'finished' GROUP BY model_id, fingerprint)"
)


def board_rows(db: sqlite3.Connection, wanted: Wanted) -> list[BoardRow]:
    """The rows, best first; those without the figure they are sorted by come last."""
    where, values = _conditions(wanted)
    cursor = db.execute(_SQL + where + " ORDER BY runs.key DESC", values)
    names = [column[0] for column in cursor.description]
    rows = _newest([_row(dict(zip(names, row, strict=True))) for row in cursor], wanted.newest_only)
    sort = wanted.sort or "decode"
    rows.sort(key=lambda row: _rank(row, sort))
    return rows[: wanted.limit]


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    parts: list[tuple[str, Any]] = []
    if wanted.suite is not None:
        parts.append(("suite = ?", wanted.suite))
    if wanted.model is not None:
        parts.append(("instr(lower(models.name), lower(?))", wanted.model))
    if wanted.min_tps is not None:
        parts.append(("decode_tps.mean >= ?", wanted.min_tps))
    if wanted.max_gb is not None:
        parts.append(("size_bytes <= ?", wanted.max_gb * 1e9))
    return "".join(f" AND {part}" for part, _ in parts), [value for _, value in parts]


def _row(columns: dict[str, Any]) -> BoardRow:
    figures: dict[str, Any] = {metric: _value(columns, metric) for metric in METRICS}
    plain = {name: columns[name] for name in BoardRow.__struct_fields__ if name not in figures}
    plain["remote"] = bool(plain["remote"])
    if plain["client_bound"] is not None:
        plain["client_bound"] = bool(plain["client_bound"])
    return BoardRow(**plain, **figures)


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


def _newest(rows: list[BoardRow], newest_only: bool) -> list[BoardRow]:
    """Newest first in, so the first of each key stays."""
    kept: dict[tuple[Any, ...], BoardRow] = {}
    for row in rows:
        identity = (row.model, row.digest, row.quantization, row.dialect, row.server_url)
        key = (*identity, row.suite) if newest_only else (*identity, row.suite, row.fingerprint)
        kept.setdefault(key, row)
    return list(kept.values())


def _rank(row: BoardRow, sort: SortBy) -> tuple[bool, Any, str]:
    value: Any
    if sort == "model":
        value = row.model.lower()
    elif sort == "when":
        value = _descending(row.started_at)
    elif sort in ("size", "load"):
        value = row.size_bytes if sort == "size" else row.load_ms
    elif sort == "ttft":
        value = row.ttft_ms.p50 if row.ttft_ms else None
    else:
        figure = {"decode": row.decode_tps, "prefill": row.prefill_tps}.get(sort)
        high = {"total": row.output_tps, "score": row.score}.get(sort) if figure is None else figure.mean
        value = None if high is None else -high
    return value is None, value if value is not None else 0, row.model


def _descending(text: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in text)
