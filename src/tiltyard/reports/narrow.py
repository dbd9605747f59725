"""Tables of figures for terminals of any width: a number is never cut.

What does not fit in one line a cell is broken between words; what does not fit even then is left out, column
by column, and named below the table. What is in the cells is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

GAP, PLAIN_GAP, HEADLESS_GAP = 3, 2, 4  # between two columns


class Column(NamedTuple):
    """A column; among those that may be left out, the one with the largest `spare` goes first."""

    name: str
    spare: int = 0  # 0: never left out
    justify: Literal["left", "right"] = "right"
    style: str = ""
    fold: int = 0  # words may be broken, down to this width; 0: they may not


class Narrowing:
    """A table that rich draws as wide as there is room."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        *,
        header: bool = True,
        plain: bool = False,
    ) -> None:
        self.columns, self.rows, self.header, self.plain = columns, rows, header, plain

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Whole where it fits; else wrapped, then with fewer columns."""
        room = options.max_width
        shown = list(range(len(self.columns)))
        while self.width(shown, whole=False) > room:
            spare = max(shown, key=lambda at: (self.columns[at].spare, at))
            if not self.columns[spare].spare:
                break
            shown.remove(spare)
        if self.width(shown, whole=False) > room:
            yield from self.stacked()
            return
        yield self.table(shown, room)
        left_out = [column.name for at, column in enumerate(self.columns) if at not in shown and column.name]
        if left_out:
            yield f"[dim]too narrow for: {', '.join(dict.fromkeys(left_out))}[/]"

    def width(self, shown: Sequence[int], *, whole: bool) -> int:
        """Characters that the table needs; `whole` without breaking a cell."""
        return sum(self.least(at, whole=whole) for at in shown) + self.gap * len(shown)

    @property
    def gap(self) -> int:
        return PLAIN_GAP if self.plain else GAP if self.header else HEADLESS_GAP

    def least(self, at: int, *, whole: bool) -> int:
        """The width of the longest cell of a column, or of its longest word."""
        from rich.cells import cell_len
        from rich.text import Text

        cells = [row[at] if whole else squeezed(row[at]) for row in self.rows]
        texts = [Text.from_markup(cell).plain for cell in cells]
        if self.header:
            texts.append(self.columns[at].name)
        parts = [part for text in texts for part in (text.split("\n") if whole else text.split())]
        longest = max((cell_len(part) for part in parts), default=0)
        fold = self.columns[at].fold
        return longest if whole or not fold else min(longest, fold)

    def table(self, shown: Sequence[int], room: int) -> Table:
        """Widths are settled here: rich would take them from columns that have none to give."""
        from rich import box
        from rich.table import Table

        widths = self.widths(shown, room)
        form = box.SIMPLE_HEAD if self.header and not self.plain else None
        padding = (0, PLAIN_GAP, 0, 0) if self.plain else (0, 1 if self.header else HEADLESS_GAP // 2)
        table = Table(
            box=form,
            padding=padding,
            pad_edge=False,
            show_header=self.header,
            header_style="dim" if self.plain else None,
        )
        for at in shown:
            column = self.columns[at]
            table.add_column(
                column.name, justify=column.justify, style=column.style, width=widths[at], overflow="fold"
            )
        tight = {at for at in shown if widths[at] < self.least(at, whole=True)}
        for row in self.rows:
            table.add_row(*(squeezed(row[at]) if at in tight else row[at] for at in shown))
        return table

    def widths(self, shown: Sequence[int], room: int) -> dict[int, int]:
        """The least for each, and what is left to those that need least to be whole."""
        widths = {at: self.least(at, whole=False) for at in shown}
        spare = room - self.width(shown, whole=False)
        for at in sorted(shown, key=lambda at: self.least(at, whole=True) - widths[at]):
            more = max(min(self.least(at, whole=True) - widths[at], spare), 0)
            widths[at] += more
            spare -= more
        return widths

    def stacked(self) -> Iterator[RenderableType]:
        """No table fits: every cell on a line of its own, or every row where there are no names."""
        for row in self.rows:
            if not self.header:
                yield squeezed("  ".join(filter(None, row)))
                continue
            for column, cell in zip(self.columns, row, strict=True):
                if cell:
                    yield squeezed(f"{column.name}: {cell}" if column.name else cell)


def narrowed(table: Table, *, spare: Sequence[str] = ()) -> Narrowing:
    """A plain table of strings that was made with rich, so that no number in it is cut. Columns are left out
    in the order of `spare`; those that rich may fold keep their least width.
    """
    columns = [
        Column(
            name=str(column.header),
            spare=len(spare) - spare.index(str(column.header)) if str(column.header) in spare else 0,
            justify="right" if column.justify == "right" else "left",
            fold=column.min_width or 0 if column.overflow == "fold" else 0,
        )
        for column in table.columns
    ]
    rows = list(zip(*(map(str, column.cells) for column in table.columns), strict=True))
    return Narrowing(columns, rows, header=table.show_header, plain=True)


def squeezed(cell: str) -> str:
    """A cell whose numbers stay together with their signs when it is broken between words."""
    return cell.replace("± ", "±").replace(" %", "%").replace("≈ ", "≈").replace("← ", "←")
