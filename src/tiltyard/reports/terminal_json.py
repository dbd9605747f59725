"""What the json suite adds to the terminal's summary: the modes side by side, and the server's honesty.

Works on the shape that `suites/structured/figures.py` and `probe.py` make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tiltyard.records import Json
from tiltyard.reports.words import NOTHING, between, clean, number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from tiltyard.reports.narrow import Narrowing

RATES = ("strict_json", "extracted_json", "schema_and_formats_valid", "all_fields_exact", "field_accuracy")
VERDICTS = {
    "enforced": "[green]✓ enforced[/]",
    "ignored": "[red]✗ ignored[/]",
    "refused": "[yellow]– refused[/]",
    "unknown": "[dim]? unknown[/]",
}
UNKNOWN = 10  # an interval whose ends are this many times apart tells nothing worth a figure
TIE = 0.02  # times this near are alike: the margin that `compare` has unless told


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
            console.print(f"schema keywords {mark}: {', '.join(names)}", highlight=False)
    for reason, names in reasons(honesty).items():
        words = f"{', '.join(names)}: {reason}"
        console.print(f"[dim]  {escape(clean(words, 300))}[/]", highlight=False, emoji=False)


def reasons(honesty: Mapping[str, Json]) -> dict[str, list[str]]:
    """Why a verdict is what it is, and what the server said, with the keywords of which that is so."""
    found: dict[str, list[str]] = {}
    for name, each in honesty.items():
        for reason in (each.get("why"), each.get("said") and f"the server said: {each['said']}"):
            if reason:
                found.setdefault(str(reason), []).append(name)
    return found


def modes_table(modes: Mapping[str, Json]) -> Narrowing:
    """A row for each mode, a column for each rung."""
    from tiltyard.reports.narrow import Column, Narrowing

    spares = {"score": 0, "strict": 4, "extracted": 6, "valid": 1, "exact": 2, "fields": 5, "ms": 3}
    columns = [Column("mode", justify="left"), *(Column(name, spare) for name, spare in spares.items())]
    rows = []
    for name, found in modes.items():
        values = [found.get("score"), *((found["rates"].get(rate) or {}).get("value") for rate in RATES)]
        cells = [NOTHING if value is None else percent(value) for value in values]
        mean = found.get("mean_e2e_ms")
        rows.append((name, *cells, NOTHING if mean is None else number(mean)))
    return Narrowing(columns, rows, plain=True)


def changes(differences: Json) -> list[str]:
    """What `json_schema` changes against the plain prompt, in words."""
    found = []
    for key, name in (("schema_valid", "validity"), ("field_accuracy", "field accuracy")):
        entry = (differences or {}).get(key)
        if entry and entry.get("ci95"):
            words = signed(100 * entry["difference"], [100 * value for value in entry["ci95"]], "points")
            found.append(f"[cyan]→[/] a schema in the request changes {name} by {words}")
    ratio = (differences or {}).get("e2e_ratio")
    if ratio and ratio.get("low") is not None:
        found.append(f"[cyan]→[/] with it {pace(ratio['ratio'], ratio['low'], ratio['high'])}")
    return found


def signed(value: float, ends: Sequence[float], unit: str) -> str:
    """`+3 points (+1 to +5)`, with as many decimal places as keep the two ends apart."""
    for places in (0, 1, 2):
        low, high = (f"{end:+.{places}f}" for end in ends)
        if float(low) != float(high):
            return f"{value:+.{places}f} {unit} [dim]({low} to {high})[/]"
    return f"{value:+.2f} {unit}"


def pace(ratio: float, low: float, high: float) -> str:
    """From the ratio of two times: `answers take 12 % less time (10 to 14)`."""
    if low <= 1 <= high:
        if high > low * UNKNOWN:
            return "nobody can tell whether answers take longer"
        words = signed(100 * (ratio - 1), [100 * (end - 1) for end in (low, high)], "%")
        alike = low >= 1 - TIE and high <= 1 + TIE
        said = "answers take about as long" if alike else "nobody can tell whether answers take longer"
        return f"{said}: {words}"
    if low >= 2:
        return f"answers take {number(ratio)} times as long [dim]({between(low, high)})[/]"
    if high <= 0.5:
        return f"answers come {number(1 / ratio)} times as fast [dim]({between(1 / high, 1 / low)})[/]"
    near, far = sorted(abs(100 * (end - 1)) for end in (low, high))
    more = "more" if low > 1 else "less"
    return f"answers take {number(abs(100 * (ratio - 1)), 2)} % {more} time [dim]({between(near, far)})[/]"
