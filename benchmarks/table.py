"""Figures as a Markdown page, with the peers beside them where they have been measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS, PEERS, PAGE = HERE / "results.json", HERE / "peers.json", HERE / "results.md"
GRADED_PEERS = HERE / "graded_peers.json"

PARTS = {
    "timed": "256 streams, 128 tokens each, TTFT 200 ms, a token every 20 ms; client on one core",
    "timed_both": "the same, client on both cores",
    "flat_out": "64 streams without any delay, every token a write of its own",
    "flat_out_joined": "64 streams without any delay, tokens joined into larger writes",
    "flat_out_bare": "the first of these two from a client in C that only reads: the limit of this machine",
    "open_streams": "1,024 open streams that wait for their first token",
    "smallest": "the smallest run: one request of eight tokens",
    "help": "`tiltyard --help`",
    "waiting": "waiting on one slow stream (two tokens a second)",
    "install": "base install, without extras",
    "store": "the store",
}
PEER_COLUMNS = (
    ("tool", "tool"),
    ("TTFT error p50 / p99 (ms)", "ttft"),
    ("CPU per token, whole run (us)", "cpu_us_per_token"),
    ("tokens/s, no delay", "tokens_per_s"),
    ("smallest run: CPU s / peak MB", "smallest"),
)


def number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4
    return f"{value:,.{digits}f}"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(" --- " for _ in head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


BESIDE = "tiltyard in turns with it"


def peer_rows(own: Mapping[str, Any], peers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tiltyard first, then each peer and what Tiltyard needed in the same minutes: a machine's speed changes
    by the hour. A figure that is missing is a dash.
    """
    timed, flat, least = own.get("timed", {}), own.get("flat_out", {}), own.get("smallest", {})
    smallest = {f"smallest_{key}": least.get(key) for key in ("cpu_s", "peak_mb")}
    rows = [compared("**tiltyard**", {**timed, "tokens_per_s": flat.get("tokens_per_s"), **smallest})]
    for name, row in peers.items():
        if "failed" in row:
            rows.append({"tool": f"{name} ({row['failed']})"})
            continue
        rows.append(compared(f"{name} {row.get('version') or ''}".strip(), row))
        rows.append(compared(BESIDE, ours_beside(row)))
    return rows


def compared(tool: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of one row of the peers' table."""
    errors = [row.get(f"ttft_error_ms_{which}") for which in ("p50", "p99")]
    least = [row.get(f"smallest_{key}") for key in ("cpu_s", "peak_mb")]
    return {
        "tool": tool,
        "ttft": "-" if errors == [None, None] else " / ".join(map(number, errors)),
        "cpu_us_per_token": row.get("cpu_us_per_token"),
        "tokens_per_s": row.get("tokens_per_s"),
        "smallest": " / ".join(map(number, least)),
    }


def ours_beside(row: Mapping[str, Any]) -> dict[str, Any]:
    """Our own figures of the same minutes, by their plain names."""
    return {key.removeprefix("ours_"): value for key, value in row.items() if key.startswith("ours_")}


RATIOS = {  # the heading, the key, and whether ours by theirs: what is better is then above 1
    "CPU per token": ("cpu_us_per_token", False),
    "tokens/s (ours by theirs)": ("tokens_per_s", True),
    "smallest CPU": ("smallest_cpu_s", False),
    "smallest memory": ("smallest_peak_mb", False),
}
GRADED_RATIOS = {
    "time": ("wall_s", False),
    "CPU per item": ("cpu_ms_per_item", False),
    "memory": ("peak_mb", False),
}


def ratios(peers: Mapping[str, Any], wanted: Mapping[str, tuple[str, bool]]) -> str:
    """How many times a peer's figures are ours of the same minutes; empty where no peer was measured so."""
    rows = []
    for name, row in peers.items():
        times = [(row.get(f"times_ours_{key}"), turned) for key, turned in wanted.values()]
        if any(value for value, _ in times):
            rows.append([name, *(f"{1 / n if turned else n:.1f}" if n else "-" for n, turned in times)])
    return grid(["times ours of the same minutes", *wanted], rows) + "\n" if rows else ""


def page(own: Mapping[str, Any], peers: Mapping[str, Any], graded: Mapping[str, Any] | None = None) -> str:
    """The whole page."""
    cores, words = (
        os.cpu_count(),
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )
    lines = ["# Measured", "", "`make bench` writes this page; `make bench-peers` adds the other tools.", ""]
    lines += [
        f"Last run: {own.get('at', '?')}, {words}, {cores} cores. Medians of the repetitions named.",
        "",
    ]
    if (busy := own.get("load_before")) is not None:
        lines += [f"Load of the machine by other things when it began: {busy:.1f} (0 is quiet).", ""]
    rows = [[number(row.get(key)) for _, key in PEER_COLUMNS] for row in peer_rows(own, peers)]
    lines += [grid([title for title, _ in PEER_COLUMNS], rows), ""]
    lines += [found] if (found := ratios(peers, RATIOS)) else []
    for key, title in PARTS.items():
        if key in own:
            table = grid(["figure", "value"], [[f"`{k}`", number(v)] for k, v in own[key].items()])
            lines += [f"## {title[0].upper()}{title[1:]}", "", table, ""]
    if own.get("growth"):
        keys = ["streams", "cpu_s", "marginal_cpu_us_per_token", "peak_mb", "ttft_error_ms_p99"]
        keys += ["token_error_ms_p99", "lost_tokens"]
        rows = [[number(row.get(key)) for key in keys] for row in own["growth"]]
        lines += ["## Growth: two waves of 128 tokens at 20 ms", "", grid(keys, rows), ""]
    if own.get("graded"):
        lines.append(graded_page(own["graded"], graded or {}))
    return "\n".join(lines)


GRADED_KEYS = ("items", "wall_s", "cpu_s", "cpu_ms_per_item", "peak_mb")


def graded_page(own: Mapping[str, Any], peers: Mapping[str, Any]) -> str:
    """What grading costs, the peers on the same items beside it."""
    rows = [["**tiltyard**", *(number(own["mcq"].get(key)) for key in GRADED_KEYS)]]
    for name, row in peers.items():
        words = [name, row.get("version") or ""] if "failed" not in row else [name, f"({row['failed']})"]
        rows.append([" ".join(words).strip(), *(number(row.get(key)) for key in GRADED_KEYS)])
        if beside := ours_beside(row):
            rows.append([BESIDE, *(number({**row, **beside}.get(key)) for key in GRADED_KEYS)])
    lines = ["## Grading: four-option questions, 16 at a time, a server that answers at once", ""]
    lines += [grid(["tool", *GRADED_KEYS], rows), ""]
    lines += [found] if (found := ratios(peers, GRADED_RATIOS)) else []
    rows = [[f"`{name}`", *(number(own[name].get(key)) for key in GRADED_KEYS)] for name in ("json", "tools")]
    lines += ["The other suites on their own items:", "", grid(["suite", *GRADED_KEYS], rows), ""]
    memory = [[f"`{key}`", number(value)] for key, value in own["memory"].items()]
    return "\n".join([*lines, "Memory and the number of items:", "", grid(["figure", "value"], memory), ""])


def write() -> None:
    """Make the page anew from what has been measured."""
    PAGE.write_text(page(read(RESULTS), read(PEERS), read(GRADED_PEERS)), encoding="utf-8")
