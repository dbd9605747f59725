"""Numbers as people read them: three significant digits, units that fit, and text made safe to show.

Every screen and report takes its words from here, so that the same figure looks the same everywhere.
Leaves out layout.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from tiltyard.records import Json

NOTHING = "–"
LOPSIDED = 0.1  # of half an interval: a mean further from its middle is not written with ±
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format (direction overrides), surrogates, ...


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands grouped: 1,234 / 41.2 / 0.123."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{decimals(value, digits)}f}"


def not_well(requests: Mapping[str, Json]) -> int:
    """How many requests of a summary did not end well: those that failed, and answers that were cut."""
    return int(requests.get("failed") or 0) + int(requests.get("truncated") or 0)


def between(low: float, high: float) -> str:
    """`6 to 9`, with decimal places only where whole numbers would hide the difference; else `2.48`."""
    for places in (0, 1, 2) if high >= 5 else (1, 2):
        ends = f"{low:.{places}f}", f"{high:.{places}f}"
        if ends[0] != ends[1]:
            return " to ".join(ends)
    return ends[0]


def decimals(value: float, digits: int = 3) -> int:
    """Decimal places that show `digits` significant digits of `value` (none for large ones)."""
    if value == 0:
        return 0
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 9.999 counts as 10.0
    return max(0, digits - 1 - exponent)


def tick(value: float) -> str:
    """An axis value without needless zeros: `10`, `0.5`, `1,000`."""
    return f"{value:,.6g}"


def unbroken(text: str) -> str:
    """Keep `± 0.6`, `95 %`, `n = 14` and units with their numbers where lines wrap."""
    return re.sub(
        r"(?<=\d) (?=(?:%|±|ms|s|tok/s|tokens)(?:\W|$))|(?<=±) |(?<=n) (?==)|(?<==) ", "\u00a0", text
    )


def with_interval(fig: Mapping[str, Json] | None) -> str:
    """`41.2 ± 0.6`: the mean and half its 95 % interval, rounded alike; without an interval `≈ 41.2`.

    An interval whose middle is clearly elsewhere, or which ends at zero, has both its ends: `41 (35 to 95)`.
    """
    mean = (fig or {}).get("mean")
    if fig is None or mean is None:
        return NOTHING
    ci95 = fig.get("ci95")
    if not ci95:
        return f"≈ {number(mean)}"
    half = (ci95[1] - ci95[0]) / 2
    places = max(decimals(mean, 3), min(decimals(half, 1), 2)) if half > 0 else decimals(mean, 3)
    lopsided = abs((ci95[0] + ci95[1]) / 2 - mean) > LOPSIDED * half
    if round(half, places) and (lopsided or ci95[0] <= 0 < mean):
        return f"{number(mean)} ({span(fig)})"
    return (
        f"{mean:,.{places}f} ± {half:,.{places}f}"
        if round(half, places)
        else f"{mean:,.{places}f} ± <{10**-places:g}"
    )


def span(fig: Mapping[str, Json] | None) -> str:
    """`40.6 to 41.8`: the 95 % interval; the reason where there is none."""
    ci95 = (fig or {}).get("ci95")
    if not ci95:
        return str((fig or {}).get("why") or "no interval")
    low, high = ci95
    places = decimals(max(abs(low), abs(high)), 3)
    while low != high and round(low, places) == round(high, places) and places < 9:
        places += 1  # a narrow interval still has two ends
    return f"{low:,.{places}f} to {high:,.{places}f}"


def milliseconds(value: float | None) -> str:
    """`0.21 ms`, `85.3 ms`, `1.24 s`, `2 min 3 s`."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 999.5:
        return f"{number(value)} ms"
    if value < 99_950:
        return f"{number(value / 1000)} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    return f"{minutes} min {seconds} s"


def size(value: float | None) -> str:
    """Bytes with decimal units: `4.92 GB`, `3.1 MB`."""
    if value is None:
        return NOTHING
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{value:.0f} B"


def count(value: float | None) -> str:
    """Large counts shortened: `7.62B`, `494M`, `12.3k`, `512`."""
    if value is None:
        return NOTHING
    for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e4)):
        if value >= scale:
            return f"{number(value / (1e3 if unit == 'k' else scale))}{unit}"
    return f"{value:,.0f}"


def counted(number: int, name: str) -> str:
    """So many of something: `1 run`, `2 runs`."""
    return f"{number} {name}" + ("" if number == 1 else "s")


def tokens(value: float) -> str:
    """Token depths the way people say them: `512`, `4k`, `32k`."""
    if value >= 1024 and value % 1024 == 0:
        return f"{value / 1024:.0f}k"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def percent(share: float | None, digits: int = 2) -> str:
    return NOTHING if share is None else f"{number(100 * share, digits)} %"


def broken_calls(summary: Mapping[str, Json]) -> int:
    """Answers to requests with tools that the server could not read, which it says by an error."""
    return int((summary.get("rules") or {}).get("broken_call") or 0)


def rate_doubt(summary: Mapping[str, Json]) -> str | None:
    """The caution where a guess makes up most of the decode rate's interval, or there is none."""
    bias, speed = summary.get("rate_bias"), summary.get("speed") or summary
    fig = speed.get("decode_tps")
    if not bias or not fig or summary.get("rate_source") == "client":
        return None
    low, high = fig.get("ci95") or (0.0, 0.0)
    if bias * fig["mean"] < (high - low) / 4:  # half of half the interval, which holds it
        return None
    off = f"decode rates of single answers may be wrong {factor_in_words(bias)}"
    return f"{off}: nobody tells how their tokens lie in the chunks"


def factor_in_words(bias: float) -> str:
    """`by a factor of up to 1.11`: upwards as well as downwards."""
    return f"by a factor of up to {1 + bias:.3g}"


def answered_in_words(total: int, ok: int, broken: int) -> str:
    """How requests ended, `broken` of them with such an answer."""
    failed = total - ok - broken
    answered = f"all {total}" if not failed else f"{ok + broken} of {total}"
    of_them = "all" if ok == failed == 0 else str(broken)
    form = "in a form that the server could not read as a call"
    said = f"{answered} requests were answered, {of_them} of them {form}"
    return said + (f"; {failed} failed" if failed else "")


def clean(text: str, limit: int = 2_000) -> str:
    """Text from outside made harmless to look at: hidden characters become visible, long text is cut.

    A cut says so. Newlines and tabs stay. Escaping for HTML or for terminals is the caller's, on top of this.
    """
    cut = text[:limit]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(_visible(c) for c in cut)
    if len(text) > limit:
        cut += f" … [cut here: {len(text):,} characters in all]"
    return cut


def _visible(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"‹U+{code:04X}›"
