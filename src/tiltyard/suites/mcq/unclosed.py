"""Is a CSV record over several lines one row, or the work of a quote that nobody closed?

Such a quote swallows rows until another one, an inch mark say, ends its cell; the record may then look
sound. What gives it away are lines that are rows of their own. What a row is, `layouts.py` says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.answers import READINGS, BadRowError
from tiltyard.suites.mcq.fields import Columns
from tiltyard.suites.mcq.layouts import draft_of, readings
from tiltyard.suites.mcq.source import Record

NONE, PERHAPS, SURELY = 0, 1, 2  # is a line a row?
LETTER_LENGTH = 3  # with its brackets
TABLE_LINES = 200  # no question has a longer table
SURE = READINGS["letter"] | READINGS["text"]  # an answer that chance rarely gives; a number it may


class Layout(NamedTuple):
    """How the rows of a file look."""

    columns: Columns
    delimiter: str
    width: int  # cells of a row that leaves none out
    least: int  # cells of a row that leaves out what it may


def stands(record: Record, layout: Layout, usual: int) -> bool:
    """Is the record what it seems? `usual`: READINGS of the row before, or all that there can be.

    One with fewer cells than the header may be: what is left out at the end of a row need not be written.
    """
    if len(record.lines) > TABLE_LINES and are_most(rows_among(record.lines, layout, usual), record.lines):
        return False
    if record.problem is not None:
        return closes_its_quotes(record, layout.delimiter) and not swallows(record.lines, layout, usual)
    if len(record.cells) > layout.width:
        return False
    if len(record.cells) < layout.width and not closes_its_quotes(record, layout.delimiter):
        return False
    *others, last = record.lines
    if last.count('"') % 2 and not any(may_be_row(line, layout, usual) for line in others):
        return True  # told at once, as nearly all are
    return is_question(record, layout, usual) or not swallows(record.lines, layout, usual)


def is_question(record: Record, layout: Layout, usual: int) -> bool:
    """Is it one by the strict rules, its first and its last line not both rows of their own? Then whatever
    looks like rows between them is a table in its text.
    """
    first, *_, last = record.lines
    ends = [opened(first, layout), cells_of(last, layout)] if may_be_row(first, layout, usual) else [[]]
    return (
        not all(kind_of(each, layout, usual) for each in ends)
        and closes_its_quotes(record, layout.delimiter)
        and kind_of(record.cells, layout, usual) > NONE
    )


def may_be_row(line: str, layout: Layout, usual: int) -> bool:
    """Cheap, since most lines are text: are there delimiters enough, and a letter where one is due?"""
    if line.count(layout.delimiter) < layout.least - 1:
        return False
    cells = line.split(layout.delimiter) if usual == READINGS["letter"] else [""]
    return any(len(cell.strip(' "\r\n')) <= LETTER_LENGTH for cell in cells)


def closes_its_quotes(record: Record, delimiter: str) -> bool:
    """Is it one by the strict rules too: nothing between a closing quote and the next cell?"""
    try:
        return next(csv.reader(record.lines, delimiter=delimiter, strict=True)) == record.cells
    except csv.Error:
        return False


def swallows(lines: Sequence[str], layout: Layout, usual: int) -> bool:
    """Are rows among the lines? The last one is a row of its own only if its quotes begin and end in it.

    Where most are, either the first line must be one without its quote, or the last one and their answers be
    clear, since tables and prose can look like rows. Where few or none are, it takes all of these.
    """
    rows = rows_among(lines, layout, usual)
    first = opened(lines[0], layout) if may_be_row(lines[0], layout, usual) else []
    if are_most(rows, lines):
        clear = SURELY in rows and kind_of(cells_of(lines[-1], layout), layout, usual) > NONE
        return clear or kind_of(first, layout, usual) > NONE
    if kind_of(first, layout, usual) < SURELY:
        return False
    return bool(rows) or kind_of(cells_of(lines[-1], layout), layout, usual) == SURELY


def rows_among(lines: Sequence[str], layout: Layout, usual: int) -> list[int]:
    """How surely the lines behind the first are rows, of those that may be."""
    whole = [line for line in lines[1:] if may_be_row(line, layout, usual) and is_closed(line, layout)]
    return [each for line in whole if (each := kind_of(cells_of(line, layout), layout, usual))]


def are_most(rows: Sequence[int], lines: Sequence[str]) -> bool:
    """Of the lines between the first and the last?"""
    return 2 * len(rows) > sum(1 for line in lines[1:-1] if line.strip())


def is_closed(line: str, layout: Layout) -> bool:
    """Has a line no quote but those around whole cells of its own?"""
    if '"' not in line:
        return True
    mark = re.escape(layout.delimiter)
    return '"' not in re.sub(rf'(?<![^{mark}])"(?:[^"]|"")*"(?![^{mark}\r\n])', "", line)


def opened(line: str, layout: Layout) -> list[str]:
    """A line's cells without the quote that it leaves open; delimiters too many are of the quoted cell."""
    *before, text = cells_of(line, layout) or [""]
    rest = cells_of(text, layout)
    more = max(0, len(before) + len(rest) - layout.width)
    return [*before, layout.delimiter.join(rest[: more + 1]), *rest[more + 1 :]]


def cells_of(line: str, layout: Layout) -> list[str]:
    """Of one line alone; none where it cannot be one, as with a carriage return in it."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=layout.delimiter), [])
    except csv.Error:
        return []


def kind_of(cells: list[str], layout: Layout, usual: int) -> int:
    """Do the cells make a row, and is it hardly one by chance?"""
    if not layout.least <= len(cells) <= layout.width:
        return NONE
    try:
        draft = draft_of(cells, layout.columns)
    except BadRowError:
        return NONE
    kinds = readings(draft) & usual
    found = PERHAPS if kinds and len(cells) == layout.width else NONE
    found = SURELY if kinds & SURE and not draft.drawn else found
    spaced = any(cell.startswith(" ") for cell in cells[1:])  # as behind the commas of prose
    return max(NONE, found - spaced)
