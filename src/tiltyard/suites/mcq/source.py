"""A text file in whatever encoding, as rows that can be found again by their place in bytes.

UTF-8 and CP1252 files are read where they lie; UTF-16, UTF-32 and files with bare carriage returns are copied
into a temporary file first. What the rows mean is in `layouts.py`.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.files import NO_TEXT, SAVE_AS
from tiltyard.suites.mcq.western import Western

CELL_LIMIT = 1 << 20  # characters; more in one cell is a mistake
CHUNK = 1 << 20
FEW_NULS = 4  # as many are no sign of an encoding
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Record(NamedTuple):
    """One record of a file: its cells (CSV) or its line (JSON), and where it is."""

    cells: list[str]
    line: int  # of its first line, from 1
    offset: int  # in bytes of what is read
    problem: str | None = None  # why it cannot be read
    lines: Sequence[str] = ()  # as they stand in a CSV file


class Source:
    """A file, open while it is read. `kind` is "csv", "tsv" or "jsonl"; `note` says what was odd about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note: str | None = None
        self.encoding, self.start = "utf-8", 0
        self.copied = False  # into a temporary file, which stays open
        self._file: IO[bytes] | None = None
        self._state: tuple[int, int] | None = None
        self._again: tuple[int, int] | None = None  # offset and line to read on from
        if path.suffix.lower() in NO_TEXT:
            raise UsageError(f"{path} is no text", f"it is {SAVE_AS}")
        try:
            self._prepare()
            self.kind = self._kind()
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}", "check the file and its disk"
            ) from None

    @property
    def file(self) -> IO[bytes]:
        """The open file. Raises UsageError where it cannot be opened, or has changed since it was first."""
        if self._file is None:
            try:
                self._file = self.path.open("rb")
                found = os.fstat(self._file.fileno())
            except OSError as error:
                raise UsageError(f"{self.path} cannot be read: {error.strerror}", "check the path") from None
            state = found.st_size, found.st_mtime_ns
            if self._state not in (None, state):
                raise changed(self.path)
            self._state = state
        return self._file

    def close(self) -> None:
        """Until it is needed again."""
        if self._file is not None and not self.copied:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    # -------------------------------------------------------------- encoding

    def _prepare(self) -> None:
        head = self.file.read(CHUNK)
        unmarked = (b"", utf_16_of(head))
        mark, encoding = next(((m, e) for m, e in _BOMS if head.startswith(m)), unmarked)
        if encoding == "utf-8":
            self.start = len(mark)
        elif encoding:
            self.note = f"read as {encoding.upper()}"
            self._rewrite(encoding)
        self._look()

    def _look(self) -> None:
        """Is it UTF-8, and has it line feeds? Raises UsageError for text in an unknown encoding."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        returns = feeds = False
        self.file.seek(self.start)
        while chunk := self.file.read(CHUNK):
            returns, feeds = returns or b"\r" in chunk, feeds or b"\n" in chunk
            if self.encoding == "utf-8":
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    self.encoding = "cp1252"
        if self.encoding == "cp1252":
            self._look_for_words()
            self.note = "not UTF-8: read as CP1252 (Windows-1252)"
        if returns and not feeds:
            self._rewrite(self.encoding)

    def _look_for_words(self) -> None:
        """Raises UsageError for what is no CP1252 either."""
        western = Western()
        self.file.seek(self.start)
        try:
            while chunk := self.file.read(CHUNK):
                western.add(chunk.decode("cp1252"))
            known = western.holds
        except UnicodeDecodeError:
            known = False
        if not known:
            raise UsageError(f"{self.path} is neither UTF-8 nor Windows-1252", "save it as UTF-8")

    def _rewrite(self, encoding: str) -> None:
        """Copy into a temporary file in UTF-8 with line feeds."""
        self.file.seek(self.start)
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        with io.TextIOWrapper(self.file, encoding, errors="replace", newline=None) as text:
            while part := text.read(CHUNK):
                copy.write(part.encode("utf-8", "replace"))
        self._file, self.start, self.encoding, self.copied = copy, 0, "utf-8", True

    def _kind(self) -> str:
        suffix = self.path.suffix.lower()
        if suffix in (".csv", ".tsv"):
            return suffix[1:]
        self.file.seek(self.start)
        first = self.file.read(CHUNK).lstrip()[:1]
        if first == b"[":
            raise UsageError(
                f"{self.path} holds one JSON array",
                "write one object per line (JSONL), such as with jq -c .[]",
            )
        return "jsonl" if suffix in (".jsonl", ".ndjson", ".json") or first == b"{" else "csv"

    # -------------------------------------------------------------- records

    def records(self) -> Iterator[Record]:
        """Every record that is not blank, in order."""
        yield from self._lines() if self.kind == "jsonl" else self._rows()

    def at(self, offset: int) -> list[str]:
        """The cells of the record there."""
        self.file.seek(offset)
        lines = (data.decode(self.encoding, "replace") for data in self.file)
        if self.kind == "jsonl":
            return [next(lines)]
        with large_cells():
            return next(csv.reader(lines, delimiter=self.delimiter))

    @property
    def delimiter(self) -> str:
        return "\t" if self.kind == "tsv" else ","

    def _lines(self) -> Iterator[Record]:
        self.file.seek(self.start)
        offset = self.start
        for number, data in enumerate(self.file, 1):
            if data.strip():
                yield Record([data.decode(self.encoding, "replace")], number, offset)
            offset += len(data)

    def again_from_line_two(self, record: Record) -> None:
        """Read on behind the first line of a record, not behind its end: its quote was no quote."""
        self.file.seek(record.offset)
        self._again = record.offset + len(self.file.readline()), record.line + 1

    def _rows(self) -> Iterator[Record]:
        self._again = self.start, 1
        with large_cells():
            while self._again is not None:
                (offset, line), self._again = self._again, None
                yield from self._rows_from(offset, line)

    def _rows_from(self, position: int, first_line: int) -> Iterator[Record]:
        """The records from a place on, until somebody asks to read again from another."""
        self.file.seek(position)
        taken: list[str] = []  # by the record that is read

        def lines() -> Iterator[str]:
            nonlocal position
            for data in self.file:
                position += len(data)
                taken.append(data.decode(self.encoding, "replace"))
                yield taken[-1]

        reader = csv.reader(lines(), delimiter=self.delimiter)
        while self._again is None:
            offset, line, problem = position, reader.line_num + first_line, None
            cells: list[str] = []
            taken = []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                said = "a carriage return within a line" if "new-line" in str(error) else str(error)
                problem = f"not CSV: {said}"
            if problem is None and not any(cells):
                continue  # a blank line
            yield Record(cells, line, offset, problem or oversized(cells), taken)


def changed(what: object) -> UsageError:
    """A file is no longer what it was when it was checked."""
    then = "the same command asks what is there now; with all as it was, it carries on"
    return UsageError(f"{what} has changed while it was in use", then)


def utf_16_of(head: bytes) -> str:
    """Which UTF-16 a text without a mark is in; empty for none.

    Commas, quotes and line ends stand in every file, and in the other order of bytes they are rare letters.
    What is no UTF-16 has hardly any: each would be a mark with a NUL beside it.
    """
    marks = {each: sum(map(head.decode(each, "replace").count, ',"\n')) for each in ("utf-16le", "utf-16be")}
    found = max(marks, key=marks.__getitem__)
    return found if marks[found] > max(FEW_NULS, 4 * min(marks.values())) else ""


@contextmanager
def large_cells() -> Iterator[None]:
    """Let the csv module read cells that are too large for us as well: we say so in our own words."""
    before = csv.field_size_limit(64 * CELL_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def oversized(cells: list[str]) -> str | None:
    """What is wrong with the cells whatever they mean: their size, or NULs in them."""
    if any(len(cell) > CELL_LIMIT for cell in cells):
        size = max(map(len, cells))
        return f"a cell of {size:,} characters (is a quote missing?)"
    if any("\0" in cell for cell in cells):
        return "it holds NUL characters"
    return None
