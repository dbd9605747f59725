"""The stages of a run as a table for the terminal: by depth, by streams, by rate.

Depths are in llama-bench's words. Reads the profile's findings and its stages; a run of a single stage has
no table. What was concluded is said in words by `stages.in_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tiltyard.records import Json
from tiltyard.reports.narrow import Column, Narrowing
from tiltyard.reports.stages import failed_words, findings_of, prefill_way, prefill_words
from tiltyard.reports.words import NOTHING, number, percent, with_interval

Row = Mapping[str, Json]


def stage_table(summary: Row) -> Narrowing | None:
    """The table that fits the profile; None where there is nothing to compare."""
    findings = findings_of(summary)
    if findings.get("depths"):
        return by_depth(findings["depths"])
    if findings.get("curve"):
        return by_streams(summary, findings)
    if findings.get("rates"):
        return by_rate(summary, findings)
    return None


def by_depth(rows: Sequence[Row]) -> Narrowing:
    """`pp512` and `tg128` behind each depth, with the change against the first where both were
    measured in one way.
    """
    first = rows[0]
    pp, tg = f"pp{first.get('prompt_tokens', '')} tok/s", f"tg{first.get('output_tokens', '')} tok/s"
    columns = [
        Column("depth"),
        Column(pp),
        Column("change", spare=3),
        Column("first token ms", spare=1),
        Column(tg),
        Column("change", spare=2),
    ]
    cells = [
        (
            f"d{row['depth']}",
            prefill_cell(row),
            change(row, first, "prefill_tps") if prefill_way(row) == prefill_way(first) else "",
            with_interval(row.get("ttft_ms")),
            with_interval(row.get("decode_tps")),
            change(row, first, "decode_tps"),
        )
        for row in rows
    ]
    return Narrowing(columns, cells)


def prefill_cell(row: Row) -> str:
    """The rate with how it was measured, or why there is none."""
    found = row.get("prefill_tps") or {}
    words = found.get("why") if found.get("mean") is None else None
    words = words or prefill_words(row)
    return with_interval(found) + (f" ({words})" if words else "")


def by_streams(summary: Row, findings: Row) -> Narrowing:
    """Total rate and what each user sees, with the knee marked, and where requests failed."""
    columns = [
        Column("streams"),
        Column("all tok/s"),
        Column("each tok/s", spare=1),
        Column("first token p50", spare=2),
        Column("ITL p50", spare=3),
        Column("", justify="left"),
    ]
    cells = []
    stages = keyed(summary, lambda stage: (stage.get("load") or {}).get("concurrency"))
    found = findings.get("knee") or {}
    bend = None if found.get("growing") else found.get("streams")  # the last level tried is no knee
    for row in findings["curve"]:
        stage = stages.get(row["streams"], {})
        cells.append(
            (
                f"{row['streams']}",
                with_interval(row.get("output_tps")),
                with_interval(stage.get("decode_tps")),
                median(stage, "ttft_ms", " ms"),
                median(stage, "itl_ms", " ms"),
                remarks("← knee" if row["streams"] == bend else "", failed_words(stage)),
            )
        )
    return Narrowing(columns, cells)


def by_rate(summary: Row, findings: Row) -> Narrowing:
    """Rate asked and answered, how much of it was within the limits, and where requests failed."""
    columns = [
        Column("asked/s"),
        Column("answered/s"),
        Column("within limits"),
        Column("first token p50", spare=1),
        Column("p95", spare=2),
        Column("", justify="left"),
    ]
    cells = []
    stages = keyed(summary, lambda stage: (stage.get("load") or {}).get("rate"))
    highest = (findings.get("highest_rate") or {}).get("rate")
    for row in findings["rates"]:
        stage = stages.get(row["rate"], {})
        behind = "" if row.get("keeps_up", True) else "falls behind"
        cells.append(
            (
                f"{row['rate']:g}",
                number(stage.get("request_rate")),
                percent(row.get("share")),
                median(stage, "ttft_ms", " ms"),
                median(stage, "ttft_ms", " ms", "p95"),
                remarks("← highest" if row["rate"] == highest else behind, failed_words(stage)),
            )
        )
    return Narrowing(columns, cells)


def remarks(*words: str) -> str:
    """What a row's last column says."""
    return ", ".join(filter(None, words))


def keyed(summary: Row, key: Callable[[Row], Json]) -> dict[Json, Row]:
    return {key(stage): stage for stage in summary.get("stages") or []}


def median(stage: Row, name: str, unit: str, which: str = "p50") -> str:
    """A percentile of one of a stage's figures."""
    value = (stage.get(name) or {}).get(which)
    return NOTHING if value is None else number(value) + unit


def change(row: Row, first: Row, name: str) -> str:
    """Against the first row, in percent; empty for the first itself."""
    now, then = ((each.get(name) or {}).get("mean") for each in (row, first))
    if row is first or now is None or not then:
        return ""
    percent_more = round(100 * (now / then - 1))
    return f"{percent_more:+d} %".replace("-", "−") if percent_more else "0 %"
