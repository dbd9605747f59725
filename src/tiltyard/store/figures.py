"""What the summary object says, as rows: found by shape, so that a new suite needs no change here.

A figure is an object with `n` and `mean`. Its metric is the key it stands under; its stage is the path above.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from tiltyard.records import Json
from tiltyard.store.verdicts import put_score, put_verdicts

FigureRow = tuple[Any, ...]  # stage, metric, n, mean, p50, p90, p95, p99, min, max, ci95_low, ci95_high
_VALUES = ("mean", "p50", "p90", "p95", "p99", "min", "max")
_DEEP = 6  # levels; summaries have three


def summary_figures(summary: Mapping[str, Json]) -> list[FigureRow]:
    """Every figure in a summary; the first of a stage and metric counts."""
    found: dict[tuple[str, str], FigureRow] = {}
    for whole, figure in _walk(summary, ()):
        path = whole[1:] if whole[0] == "speed" and len(whole) > 1 else whole  # of a graded suite's requests
        stage, metric = " / ".join(path[:-1]), path[-1]
        low, high = figure.get("ci95") or (None, None)
        found.setdefault(
            (stage, metric),
            (stage, metric, int(figure["n"]), *[figure.get(name) for name in _VALUES], low, high),
        )
    return list(found.values())


def _walk(value: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if len(path) > _DEEP:
        return
    if isinstance(value, Mapping):
        if path and isinstance(value.get("n"), int) and "mean" in value:
            yield path, value
            return
        for key, entry in value.items():
            yield from _walk(entry, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, entry in enumerate(value):
            name = entry.get("name") or entry.get("stage") if isinstance(entry, Mapping) else None
            yield from _walk(entry, (*path, str(name if name is not None else number)))


def headline(summary: Mapping[str, Json]) -> dict[str, Any]:
    """The columns of `runs` that the summary fills."""
    requests = _mapping(summary.get("requests"))
    load = _mapping(summary.get("load"))
    client = _mapping(summary.get("client"))
    return {
        "requests_ok": _number(requests.get("ok")),
        "requests_failed": _number(requests.get("failed")),
        "requests_truncated": _number(requests.get("truncated")),
        "output_tps": _number(summary.get("output_tps")),
        "load_ms": _number(load.get("load_ms", summary.get("load_ms"))),
        "client_bound": bool(client.get("bottleneck")) if client else None,
        "score": _number(summary.get("score")),
    }


def put_figures(db: sqlite3.Connection, run_key: int, summary: Mapping[str, Json]) -> None:
    """Replace a run's figures by those of its summary, inside the caller's transaction.

    Its attempts must be there: what each item scored is packed as well.
    """
    db.execute("DELETE FROM figures WHERE run_key = ?", (run_key,))
    db.executemany(
        "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(run_key, *figure) for figure in summary_figures(summary)],
    )
    values = headline(summary)
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE runs SET {names} WHERE key = ?", (*values.values(), run_key))
    (settings,) = db.execute("SELECT settings FROM runs WHERE key = ?", (run_key,)).fetchone()
    put_score(db, run_key, json.loads(settings), summary)
    if "outcomes" in summary:
        put_verdicts(db, run_key, summary)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Json) -> float | None:
    """A number, or the mean of a figure; None otherwise."""
    if isinstance(value, Mapping):
        value = value.get("mean")
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
