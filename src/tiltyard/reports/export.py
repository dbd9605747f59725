"""Results for other programs: JSON (runs and attempts), CSV (a row per attempt), Markdown (a row per run).

Text from models and servers is made harmless for where it goes: no formula in a spreadsheet, no markup in a
table. Everything, exchanges included, is in the bundle (`bundle.py`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tiltyard.records import UNJUDGED, Attempt, Grade, Json, Measures, Run
from tiltyard.reports.quality import left_out, points, span_of
from tiltyard.reports.traits import fig, items_name
from tiltyard.reports.words import NOTHING, clean, milliseconds, size, with_interval

SCHEMA = "tiltyard.export/1"
Ended = tuple[Attempt, str | None]  # an attempt without its exchanges, and how the last of them ended
Attempts = Callable[[str], Iterable[Ended]]  # of a run id

# What a spreadsheet would take for a formula: its sign, wide ones too, behind signs that are not shown.
_FORMULA = re.compile(
    r"[\s\x01-\x1f\u200b-\u200f\u2060\ufeff]*[=+@\uff1d\uff0b\uff0d\uff20-]|[ \n\ufeff]*[\t\r]"
)
_OF_RUN = (
    "run_id",
    "suite",
    "model",
    "digest",
    "quantization",
    "dialect",
    "server",
    "engine_version",
    "fingerprint",
    "suite_version",
)
_OF_ATTEMPT = (
    "stage",
    "item_id",
    "item_hash",
    "repetition",
    "try_no",
    "session",
    "started_at",
    "client_bound",
    "ending",
    "outcome",
    "score",
    "points",
    "reasons",
    "rule",
    "details",
)
CSV_COLUMNS = (*_OF_RUN, *_OF_ATTEMPT, *Measures.__struct_fields__)
_HEADS = (
    "model",
    "quant",
    "size",
    "suite",
    "score",
    "95 %",
    "n",
    "no verdict, cut",
    "decode tok/s",
    "TTFT p50",
    "prefill tok/s",
    "ok",
    "when",
    "run",
)


def as_json(runs: Iterable[Run], attempts: Attempts) -> Iterator[str]:
    """One JSON document, a run at a time; exchanges are left out."""
    encode = msgspec.json.Encoder().encode
    yield f'{{"schema":"{SCHEMA}","runs":['
    for number, run in enumerate(runs):
        found = [without_exchanges(attempt, ending) for attempt, ending in attempts(run.id)]
        yield ("," if number else "") + "\n" + encode({"run": run, "attempts": found}).decode()
    yield "\n]}\n"


def without_exchanges(attempt: Attempt, ending: str | None) -> dict[str, Json]:
    values = as_mapping(attempt)
    values["ending"] = ending
    del values["exchanges"]
    return values


def as_mapping(attempt: Attempt) -> dict[str, Json]:
    """An attempt as plain values, to be read by other programs: a bundle has the record as it is."""
    values: dict[str, Json] = msgspec.to_builtins(attempt)
    if attempt.grade is not None:
        values["grade"]["score"] = score_of(attempt.grade)
    return values


def score_of(grade: Grade) -> float | None:
    """None where nothing could be judged, for which a record has 0."""
    return None if grade.outcome in UNJUDGED else grade.score


def as_csv(runs: Iterable[Run], attempts: Attempts) -> Iterator[str]:
    """A header and a row per attempt (RFC 4180); unknown values are empty."""
    yield _csv_line(CSV_COLUMNS)
    for run in runs:
        model, server = run.model, run.server
        of_run: tuple[Any, ...] = (
            run.id,
            run.suite,
            model.name,
            model.digest,
            model.quantization,
            server.dialect,
            server.url,
        )
        of_run += (model.engine_version, run.fingerprint, run.suite_version)
        for attempt, ending in attempts(run.id):
            yield _csv_line((*of_run, *_attempt_cells(attempt, ending)))


def _attempt_cells(attempt: Attempt, ending: str | None) -> tuple[Any, ...]:
    grade = attempt.grade
    judged: tuple[Any, ...] = (None,) * 6
    if grade is not None:
        details = msgspec.json.encode(grade.details).decode() if grade.details else None
        judged = grade.outcome, score_of(grade), grade.points, "; ".join(grade.reasons), grade.rule, details
    of_attempt = tuple(getattr(attempt, name) for name in _OF_ATTEMPT[:8])
    return (*of_attempt, ending, *judged, *msgspec.structs.astuple(attempt.measures))


def _csv_line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([guarded(cell) for cell in cells])
    return out.getvalue()


def guarded(cell: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe; NUL becomes visible."""
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\0", "␀")
    return "'" + cell if _FORMULA.match(cell) else cell


def as_markdown(runs: Iterable[Run], attempts: Attempts) -> Iterator[str]:
    """A table, one row per run."""
    yield "| " + " | ".join(_HEADS) + " |\n"
    yield "|" + " --- |" * len(_HEADS) + "\n"
    for run in runs:
        yield "| " + " | ".join(cell(text) for text in _run_cells(run)) + " |\n"


def _run_cells(run: Run) -> tuple[str, ...]:
    summary = run.summary or {}
    requests = _mapping(summary.get("requests"))
    return (
        run.model.name,
        run.model.quantization or NOTHING,
        size(run.model.size_bytes),
        f"{run.suite} {run.suite_version}" + (f", {items_name(run)}" if "outcomes" in summary else ""),
        *_score_cells(summary),
        with_interval(fig(run, "decode_tps")),
        milliseconds(fig(run, "ttft_ms").get("p50")),
        with_interval(fig(run, "prefill_tps")),
        f"{requests['ok']}/{requests['total']}" if "ok" in requests and "total" in requests else run.state,
        run.started_at[:10],
        run.id,
    )


def _score_cells(summary: Mapping[str, Json]) -> tuple[str, ...]:
    if "outcomes" not in summary:
        return (NOTHING,) * 4
    score, ci95, n = summary.get("score"), summary.get("ci95"), summary.get("n")
    return points(score), span_of(ci95) if ci95 else NOTHING, f"{n:,}", left_out(summary) or NOTHING


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def cell(text: str) -> str:
    """Text that stays inside its cell of a Markdown table and means nothing but itself."""
    text = clean(text, 300).replace("\n", " ").replace("\t", " ")
    return "".join(_CELL.get(sign, sign) for sign in text)


_CELL = {sign: f"&#{ord(sign)};" for sign in "<>|&`"} | {sign: f"\\{sign}" for sign in "\\*_[]~"}
