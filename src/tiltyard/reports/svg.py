"""A small plotting kit that writes SVG: scales, ticks, axes, lines, points with interval whiskers, legends.

Looks come from the page's style sheet by class name, so a chart follows light, dark and print by itself, and
no style attribute breaks the page's content policy. Leaves out interaction; the figures stand in tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from tiltyard.reports.words import clean
from tiltyard.reports.words import tick as plain_tick

Kind = Literal["linear", "log", "sqrt"]


class Point(NamedTuple):
    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Axis(NamedTuple):
    """One axis: what it says and which values it spans. `ticks` None chooses round ones."""

    label: str
    low: float
    high: float
    kind: Kind = "linear"
    ticks: Sequence[float] | None = None
    show: Callable[[float], str] = plain_tick


class Scale:
    """Values to pixels."""

    def __init__(self, axis: Axis, start: float, end: float) -> None:
        self.bend = _BENDS[axis.kind]
        self.low, self.high = self.bend(axis.low), self.bend(axis.high)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = (self.bend(value) - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _sqrt(value: float) -> float:
    return math.sqrt(max(value, 0.0))


def _same(value: float) -> float:
    return value


_BENDS: Mapping[Kind, Callable[[float], float]] = {"linear": _same, "log": _log, "sqrt": _sqrt}


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values (1, 2, 2.5 or 5 times a power of ten) inside low..high, about `wanted` of them."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Ticks at 1, 2, 5 times powers of ten, thinned to powers alone on long axes; round ones on short."""
    decades = range(math.floor(_log(low)), math.ceil(_log(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**d for d in decades for m in steps if low * 0.999 <= m * 10.0**d <= high * 1.001]
        if len(ticks) <= wanted:
            break
    return ticks if len(ticks) >= 3 else nice_ticks(low, high, wanted)


def padded(values: Sequence[float], kind: Kind = "linear", zero: bool = True) -> tuple[float, float]:
    """Axis limits around values: from zero where that is honest and costs little, with air above."""
    low, high = min(values), max(values)
    if kind == "log":
        low, high = max(low, 1e-6), max(high, 1e-6)
        air = max((high / low) ** 0.06, 1.05)
        return low / air, high * air
    if zero or low < 0.4 * high:
        return 0.0, high * 1.08 or 1.0
    air = (high - low or abs(high) or 1.0) * 0.15
    return max(0.0, low - air), high + air


class Plot:
    """Collects marks in drawing order and writes one `<svg>`. Sizes are user units; the page scales them."""

    def __init__(
        self, x: Axis, y: Axis, size: tuple[int, int] = (520, 250), *, left: int = 46, top: int = 34
    ) -> None:
        self.width, self.height = size
        self.x_axis, self.y_axis = x, y
        self.left, self.right, self.top, self.bottom = left, 14, top, 38
        self.x = Scale(x, self.left, self.width - self.right)
        self.y = Scale(y, self.height - self.bottom, self.top)
        self.marks: list[str] = []
        self.legend: list[tuple[str, str]] = []

    def line(self, points: Sequence[Point], series: str, label: str = "") -> None:
        """A line with a marker and an interval whisker at each point; `series` is `s1` or `s2`."""
        if label:
            self.legend.append((series, label))
        if len(points) > 1:
            path = " ".join(f"{self.x(p.x):.1f},{self.y(p.y):.1f}" for p in points)
            self.marks.append(f'<polyline class="line {series}" points="{path}"/>')
        for p in points:
            self.point(p, series)

    def point(self, p: Point, series: str, radius: float = 3.6) -> None:
        """A marker with its whisker; circles for `s1`, squares for the rest, so colour is not alone."""
        x, y = self.x(p.x), self.y(p.y)
        if p.low is not None and p.high is not None:
            low, high = self.y(p.low), self.y(p.high)
            self.marks.append(
                f'<path class="whisker {series}" d="M{x:.1f} {low:.1f}V{high:.1f}'
                f'M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"/>'
            )
        self.marks.append(marker(x, y, series, radius))

    def steps(self, points: Sequence[tuple[float, float]], series: str, label: str = "") -> None:
        """A staircase through (x, y): a distribution function."""
        if label:
            self.legend.append((series, label))
        if not points:
            return
        path = [f"M{self.x(points[0][0]):.1f} {self.y(0):.1f}"]
        for x, y in points:
            path.append(f"H{self.x(x):.1f}V{self.y(y):.1f}")
        self.marks.append(f'<path class="line {series}" d="{"".join(path)}"/>')

    def band(self, low: float, high: float, series: str = "s1") -> None:
        """A vertical band over x = low..high."""
        x = self.x(low)
        width = max(1.0, self.x(high) - x)
        self.marks.append(
            f'<rect class="band {series}" x="{x:.1f}" y="{self.top}" width="{width:.1f}" '
            f'height="{self.height - self.bottom - self.top}"/>'
        )

    def rule(self, value: float, label: str, *, across: bool = False, anchor: str = "start") -> None:
        """A thin labelled line at x = value, or across at y = value."""
        if across:
            y = self.y(value)
            self.marks.append(f'<path class="rule" d="M{self.left} {y:.1f}H{self.width - self.right}"/>')
            self.marks.append(text_at(self.width - self.right, y - 5, label, "note", "end"))
            return
        x = self.x(value)
        shift = 4 if anchor == "start" else -4
        self.marks.append(f'<path class="rule" d="M{x:.1f} {self.top}V{self.height - self.bottom}"/>')
        self.marks.append(text_at(x + shift, self.top + 10, label, "note", anchor))

    def render(self, title: str, desc: str) -> str:
        parts = [
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" role="img" {labelled(title)}',
            f"<desc>{escape(clean(desc, 500))}</desc>",
            *self._grid(),
            *self.marks,
            *self._legend(),
            "</svg>",
        ]
        return "".join(parts)

    def _grid(self) -> list[str]:
        out: list[str] = []
        base = self.height - self.bottom
        y_ticks = self.y_axis.ticks
        if y_ticks is None:
            chosen = log_ticks if self.y_axis.kind == "log" else nice_ticks
            y_ticks = chosen(self.y_axis.low, self.y_axis.high, 4)
        for tick in y_ticks:
            y = self.y(tick)
            out.append(f'<path class="grid" d="M{self.left} {y:.1f}H{self.width - self.right}"/>')
            out.append(text_at(self.left - 7, y + 3.8, self.y_axis.show(tick), "tick", "end"))
        out.append(f'<path class="axis" d="M{self.left} {base}H{self.width - self.right}"/>')
        for tick in self._x_ticks():
            x = self.x(tick)
            out.append(f'<path class="axis" d="M{x:.1f} {base}v4"/>')
            out.append(text_at(x, base + 16, self.x_axis.show(tick), "tick", "middle"))
        out.append(text_at(self.width - self.right, self.height - 4, self.x_axis.label, "label", "end"))
        out.append(text_at(0, 12, self.y_axis.label, "label", "start"))
        return out

    def _x_ticks(self) -> list[float]:
        """The wanted ticks, less those whose words would touch."""
        ticks = self.x_axis.ticks
        if ticks is None:
            chosen = log_ticks if self.x_axis.kind == "log" else nice_ticks
            return chosen(self.x_axis.low, self.x_axis.high, 6)
        kept: list[float] = []
        edge = -math.inf
        for tick in ticks:
            half = 3.4 * len(self.x_axis.show(tick)) + 4
            if self.x(tick) - half >= edge:
                kept.append(tick)
                edge = self.x(tick) + half
        return kept

    def _legend(self) -> list[str]:
        out: list[str] = []
        x = float(self.width - self.right)
        for series, label in reversed(self.legend):
            x -= 6.3 * len(label)
            out.append(text_at(x, 12, label, "legend", "start"))
            x -= 12
            out.append(marker(x, 8, series, 3.6))
            x -= 16
        return out


def text_at(x: float, y: float, words: str, cls: str, anchor: str = "start") -> str:
    """Words at a place; hidden characters become visible, everything is escaped."""
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{cls}" {where}>{escape(clean(words, 80))}</text>'


def labelled(words: str) -> str:
    """The end of an `<svg ...` tag with its name for readers of the screen: label and title."""
    shown = clean(words, 200)
    return f"aria-label={quoteattr(shown)}><title>{escape(shown)}</title>"


def marker(x: float, y: float, series: str, radius: float) -> str:
    """A circle for the first series, a square for any other."""
    if series == "s1":
        return f'<circle class="dot {series}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
    side = radius * 1.8
    return (
        f'<rect class="dot {series}" x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" '
        f'width="{side:.1f}" height="{side:.1f}"/>'
    )
