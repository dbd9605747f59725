"""What the report says about graded runs: a board per suite and set of items, and each run's own figures.

Pure: takes records, gives values for the template. Definitions are in docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiltyard.records import OUTCOMES, Json, Run
from tiltyard.reports import charts
from tiltyard.reports.traits import fig, identity, items_name, version_name, versions_used
from tiltyard.reports.words import clean, milliseconds, percent, with_interval
from tiltyard.stats.pairing import item_set
from tiltyard.stats.ranks import Rank


class QualityRow(NamedTuple):
    rank: str
    name: str
    anchor: str | None
    about: str
    plot: str  # SVG
    score: str
    interval: str
    n: str
    decode: str
    ttft: str
    left_out: str


class QualityBoard(NamedTuple):
    title: str
    axis: str  # SVG
    rows: Sequence[QualityRow]


class ShareRow(NamedTuple):
    """One share with its interval: a rate, or the score of a group."""

    name: str
    n: str
    value: str
    interval: str


class QualityView(NamedTuple):
    """The part of a model's section that only graded runs have."""

    score: str
    interval: str
    notes: Sequence[str]
    outcomes: str  # in words
    outcomes_bar: str  # SVG
    rates: Sequence[ShareRow]
    groups: Sequence[ShareRow]


def is_graded(run: Run) -> bool:
    return "outcomes" in (run.summary or {})


def score_of(run: Run) -> float:
    """For sorting: runs without a score come last."""
    score = (run.summary or {}).get("score")
    return -1.0 if score is None else float(score)


def quality_boards(
    runs: Sequence[Run], ranks: Mapping[str, Rank], anchors: Mapping[str, str]
) -> list[QualityBoard]:
    """One board per suite, version of it and set of items, the version last used first, then the larger set.
    `ranks` and `anchors` are by run id.
    """
    sets: dict[tuple[str, str, str], list[Run]] = {}
    for run in sorted(runs, key=score_of, reverse=True):
        sets.setdefault((run.suite, run.suite_version, item_set(run.settings) or ""), []).append(run)
    boards = []
    most = {key: max((run.summary or {}).get("n") or 0 for run in own) for key, own in sets.items()}
    used = versions_used(runs)
    for key in sorted(sets, key=lambda key: (key[0], used[key[:2]], -most[key], key[2])):
        own, (suite, version, items) = sets[key], key
        several = sum(name == suite for name, _, _ in sets) > 1
        named = version_name(version, {other for name, other, _ in sets if name == suite})
        rows = [_row(run, ranks.get(run.id), anchors.get(run.id)) for run in own]
        asked = items_name(own[0]) if several and items else ""
        words = ", ".join(filter(None, (asked, named)))
        title = f"{suite}: {words}" if words else suite
        boards.append(QualityBoard(title, charts.axis_of_points(), rows))
    return boards


def rank_words(rank: Rank | None) -> str:
    """`1-3` where a run cannot be told apart from others in these places; empty where that is unknown."""
    if rank is None:
        return ""
    return f"{rank.best}" if rank.best == rank.worst else f"{rank.best}-{rank.worst}"


def _row(run: Run, rank: Rank | None, anchor: str | None) -> QualityRow:
    summary = run.summary or {}
    score, ci95 = summary.get("score"), summary.get("ci95")
    scaled = (
        {"mean": 100 * score, "ci95": [100 * end for end in ci95] if ci95 else None}
        if score is not None
        else {}
    )
    return QualityRow(
        rank=rank_words(rank),
        name=run.model.name,
        anchor=anchor,
        about=identity(run),
        plot=charts.dot_in_row(scaled, 100.0, "points of 100") if scaled else "",
        score=points(score),
        interval=span_of(ci95),
        n=f"{summary.get('n', 0):,}",
        decode=with_interval(fig(run, "decode_tps")),
        ttft=milliseconds(fig(run, "ttft_ms").get("p50")),
        left_out=left_out(summary),
    )


def left_out(summary: Mapping[str, Json]) -> str:
    """What a score alone hides: `2 error, 8 % cut`."""
    outcomes = summary.get("outcomes") or {}
    words = [
        f"{outcomes[name]} {name}"
        for name in ("unsupported", "error", "refused", "unparsed")
        if outcomes.get(name)
    ]
    if cut := (summary.get("cap_hit") or {}).get("value"):
        words.append(f"{percent(cut)} cut")
    return ", ".join(words)


def quality_view(run: Run) -> QualityView | None:
    """The figures of one graded run; None for others."""
    summary = run.summary or {}
    if not is_graded(run):
        return None
    score, completed, bounds = (summary.get(name) for name in ("score", "score_completed", "bounds"))
    notes = []
    if completed is not None and completed != score:
        notes.append(f"{points(completed)} of 100 over the answers that could be judged.")
    if bounds and bounds[0] != bounds[1]:
        notes.append(
            f"Between {points(bounds[0])} and {points(bounds[1])}, had all the rest been wrong, or right."
        )
    if (stopping := summary.get("stopping")) and stopping.get("decided"):
        notes.append(f"Ended early, by {stopping['rule']}; the interval is the one that holds at any moment.")
    if repeats := summary.get("repeats"):
        notes.append(f"{repeats['k']} tries an item: {percent(repeats['flips']['value'])} of the items flip.")
    notes += honesty_notes(summary.get("schema_honesty"))
    if (calls := summary.get("calls_per_answer") or {}).get("value") is not None:
        span = " ({:.2f} to {:.2f})".format(*calls["ci95"]) if calls.get("ci95") else ""
        notes.append(f"Calls per answer: {calls['value']:.2f}{span}.")
    counts = {name: int(summary["outcomes"].get(name, 0)) for name in OUTCOMES}
    shared = {"hit the token limit": summary.get("cap_hit"), "failed": summary.get("error_rate")}
    rates = {**(summary.get("rates") or {}), **shared}
    return QualityView(
        score=points(score),
        interval=span_of(summary.get("ci95")),
        notes=notes,
        outcomes=", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        or "Nothing was asked.",
        outcomes_bar=charts.endings_bar({name: n for name, n in counts.items() if n}, good="correct"),
        rates=[
            ShareRow(
                str(name).replace("_", " "),
                _count(entry),
                percent(entry["value"]),
                span_of(entry.get("ci95"), clean(str(entry.get("why") or ""), 120)),
            )
            for name, entry in rates.items()
            if isinstance(entry, Mapping) and entry.get("value") is not None
        ],
        groups=[
            ShareRow(
                str(group.get("name")), _count(group), points(group.get("score")), span_of(group.get("ci95"))
            )
            for group in summary.get("groups") or ()
        ],
    )


def honesty_notes(honesty: Json) -> list[str]:
    """Which keywords of JSON Schema the server keeps to (docs/json.md)."""
    found: dict[str, list[str]] = {}
    for name, entry in (honesty or {}).items():
        found.setdefault(str(entry.get("verdict")), []).append(str(name))
    return [
        f"Schema keywords {verdict} by the server: {', '.join(found[verdict])}."
        for verdict in ("enforced", "ignored", "refused")
        if verdict in found
    ]


def _count(entry: Mapping[str, Json]) -> str:
    return f"{entry['n']:,}" if entry.get("n") is not None else ""


def points(share: float | None) -> str:
    """A share as points of 100."""
    return "–" if share is None else f"{100 * share:.1f}"


def span_of(ci95: Json, why: str = "") -> str:
    return f"{100 * ci95[0]:.1f} to {100 * ci95[1]:.1f}" if ci95 else why or "no interval"


def quality_headline(boards: Sequence[QualityBoard]) -> str:
    """Who is best at what in a few words, and who cannot be told from whom."""
    said = []
    for board in boards:
        scored = [row for row in board.rows if row.score != "–"]
        if not scored:
            said.append(f"{board.title}: nothing could be scored.")
            continue
        first = scored[0]
        others = len([row for row in scored if row.rank.startswith("1-")]) - 1
        least = "" if all(row.rank for row in scored) else "at least "  # only so many are ranked
        tied = f", not to be told from {least}{others} other{'s' if others > 1 else ''}" if others > 0 else ""
        best = "best is " if len(scored) > 1 and first.rank == "1" else ""
        said.append(f"{board.title}: {best}{clean(first.name, 60)} with {first.score} of 100{tied}.")
    return " ".join(said)
