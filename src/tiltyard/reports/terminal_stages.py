"""The stages of a run as a table for the terminal: by depth, by streams, by rate.

Depths are in llama-bench's words. Reads the profile's findings and its stages; a run of a single stage has
no table. What was concluded is said in words by `stages.in_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tiltyard.records import Json
from tiltyard.reports.stages import findings_of
from tiltyard.reports.words import NOTHING, number, percent, with_interval

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Json]


def stage_table(summary: Row) -> Table | None:
    """The table that fits the profile; None where there is nothing to compare."""
    findings = findings_of(summary)
    if findings.get("depths"):
        return by_depth(findings["depths"])
    if findings.get("curve"):
        return by_streams(summary, findings)
    if findings.get("rates"):
        return by_rate(summary, findings)
    return None


def by_depth(rows: Sequence[Row]) -> Table:
    """`pp512` and `tg128` behind each depth, with the change against the first."""
    first = rows[0]
    pp, tg = f"pp{first.get('prompt_tokens', '')} tok/s", f"tg{first.get('output_tokens', '')} tok/s"
    table = new_table("depth", pp, "change", "first token ms", tg, "change")
    for row in rows:
        table.add_row(
            f"d{row['depth']}",
            with_interval(row.get("prefill_tps")) + METHODS.get(row.get("prefill_method") or "", ""),
            change(row, first, "prefill_tps"),
            with_interval(row.get("ttft_ms")),
            with_interval(row.get("decode_tps")),
            change(row, first, "decode_tps"),
        )
    return table


METHODS = {"difference": " (by difference)", "mixed": " (the cache answered now and then)"}


def by_streams(summary: Row, findings: Row) -> Table:
    """Total rate and what each user sees, with the knee marked."""
    table = new_table("streams", "all tok/s", "each tok/s", "first token p50", "ITL p50", "")
    stages = keyed(summary, lambda stage: (stage.get("load") or {}).get("concurrency"))
    bend = (findings.get("knee") or {}).get("streams")
    for row in findings["curve"]:
        stage = stages.get(row["streams"], {})
        table.add_row(
            f"{row['streams']}",
            with_interval(row.get("output_tps")),
            with_interval(stage.get("decode_tps")),
            median(stage, "ttft_ms", " ms"),
            median(stage, "itl_ms", " ms"),
            "← knee" if row["streams"] == bend else "",
        )
    return table


def by_rate(summary: Row, findings: Row) -> Table:
    """Rate asked and answered, and how much of it was within the limits."""
    table = new_table("asked/s", "answered/s", "within limits", "first token p50", "p95", "")
    stages = keyed(summary, lambda stage: (stage.get("load") or {}).get("rate"))
    highest = (findings.get("highest_rate") or {}).get("rate")
    for row in findings["rates"]:
        stage = stages.get(row["rate"], {})
        table.add_row(
            f"{row['rate']:g}",
            number(stage.get("request_rate")),
            percent(row.get("share")),
            median(stage, "ttft_ms", " ms"),
            median(stage, "ttft_ms", " ms", "p95"),
            "← highest" if row["rate"] == highest else "",
        )
    return table


def new_table(*names: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    return table


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
    return f"{100 * (now / then - 1):+.0f} %".replace("-", "−")
