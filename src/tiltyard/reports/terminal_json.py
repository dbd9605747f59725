"""What the json suite adds to the terminal's summary: the modes side by side, and the server's honesty.

Works on the shape that `suites/structured/figures.py` and `probe.py` make.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tiltyard.records import Json
from tiltyard.reports.words import NOTHING, clean, number, percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RATES = ("strict_json", "extracted_json", "schema_and_formats_valid", "all_fields_exact", "field_accuracy")
VERDICTS = {
    "enforced": "[green]✓ enforced[/]",
    "ignored": "[red]✗ ignored[/]",
    "refused": "[yellow]– refused[/]",
    "unknown": "[dim]? unknown[/]",
}


def render_shapes(summary: Mapping[str, Json], console: Console) -> None:
    """The modes, what a schema changes, and which keywords the server keeps to."""
    from rich.markup import escape

    modes = summary.get("modes") or {}
    if len(modes) > 1:
        console.print(modes_table(modes))
    missing = [name for name, found in modes.items() if found.get("expressible") is False]
    if missing:
        listed = escape(clean(", ".join(missing), 100))
        console.print(f"[yellow]–[/] this server has no {listed}: unsupported, not asked", highlight=False)
    levels = [entry for entry in summary.get("levels") or () if entry.get("score") is not None]
    if levels:
        said = "   ".join(f"{entry['level']}: {percent(entry['score'])}" for entry in levels)
        console.print(f"by difficulty   {said}", highlight=False)
    for line in changes(summary.get("differences")):
        console.print(line, highlight=False, emoji=False)
    honesty = summary.get("schema_honesty") or {}
    for verdict, mark in VERDICTS.items():
        names = [name for name, found in honesty.items() if found.get("verdict") == verdict]
        if names:
            why = dict.fromkeys(str(honesty[name]["why"]) for name in names if honesty[name].get("why"))
            listed = ", ".join(names) + (f" ({'; '.join(why)})" if why else "")
            console.print(f"schema keywords {mark}: {escape(clean(listed, 400))}", highlight=False)
    for words in dict.fromkeys(str(f["said"]) for f in honesty.values() if f.get("said")):
        console.print(f"[dim]  the server said: {escape(clean(words, 200))}[/]", highlight=False, emoji=False)


def modes_table(modes: Mapping[str, Json]) -> Table:
    """A row for each mode, a column for each rung."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("mode")
    for head in ("score", "strict", "extracted", "valid", "exact", "fields", "ms"):
        table.add_column(head, justify="right")
    for name, found in modes.items():
        values = [found.get("score"), *((found["rates"].get(rate) or {}).get("value") for rate in RATES)]
        cells = [NOTHING if value is None else percent(value) for value in values]
        mean = found.get("mean_e2e_ms")
        table.add_row(name, *cells, NOTHING if mean is None else number(mean))
    return table


def changes(differences: Json) -> list[str]:
    """What `json_schema` changes against the plain prompt, in words."""
    found = []
    for key, name in (("schema_valid", "validity"), ("field_accuracy", "field accuracy")):
        entry = (differences or {}).get(key)
        if entry and entry.get("ci95"):
            low, high = (100 * value for value in entry["ci95"])
            words = f"{100 * entry['difference']:+.0f} points [dim]({low:+.0f} to {high:+.0f})[/]"
            found.append(f"[cyan]→[/] a schema in the request changes {name} by {words}")
    ratio = (differences or {}).get("e2e_ratio")
    if ratio and ratio.get("low") is not None:
        change, low, high = (100 * (ratio[key] - 1) for key in ("ratio", "low", "high"))
        words = f"{change:+.0f} % [dim]({low:+.0f} to {high:+.0f})[/]"
        found.append(f"[cyan]→[/] and the time of an answer by {words}")
    return found
