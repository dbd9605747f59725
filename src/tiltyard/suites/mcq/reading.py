"""Question files as a set of rows that may be of any length: checked and hashed first, read again when asked.

The first pass validates every record and keeps where it lies and a hash of it; the second one gives rows by
number, in any order. What a record means is in `layouts.py`.
"""

from __future__ import annotations

import csv
import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tiltyard.errors import UsageError
from tiltyard.records import content_hash
from tiltyard.suites.columns import Spill, Whole
from tiltyard.suites.mcq.agreement import agreeing, wrong_answer
from tiltyard.suites.mcq.answers import ALL_READINGS, CONTRARY, READINGS, SETTLED, BadRowError
from tiltyard.suites.mcq.fields import HEADERLESS, PLAIN, Columns, columns_of, listing
from tiltyard.suites.mcq.files import names_of
from tiltyard.suites.mcq.headers import refuse_header
from tiltyard.suites.mcq.labels import finished
from tiltyard.suites.mcq.layouts import LETTERS, Draft, draft_of, draft_of_json, index_by
from tiltyard.suites.mcq.source import Record, Source, changed
from tiltyard.suites.mcq.unclosed import Layout, closes_its_quotes, stands

MOST_BAD = 0.05  # share of bad rows above which a set is not used
BAD_KEPT = 200
MOST_OPEN = 16  # files
PARTS = 8  # of the hashes, of which one is sorted at a time
MOST_SUBJECTS = 1000  # more are no subjects


class Row(NamedTuple):
    """One question. `drawn`: the file gave the right option first, so its order means nothing. `unit`: the
    number of the first row that asks the same, where several do.
    """

    id: str
    question: str
    options: tuple[str, ...]
    answer: int  # index into options
    group: str
    content_hash: str
    drawn: bool = False
    unit: int | None = None


class Bad(NamedTuple):
    """A record that is no question."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


class File:
    """One file of a set: its layout and how its answers are to be read."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.source = Source(path)
        self.columns: Columns | None = None
        self.reading = "letter"

    def draft(self, cells: list[str]) -> Draft:
        """Raises BadRowError."""
        draft = draft_of_json(cells[0]) if self.columns is None else draft_of(cells, self.columns)
        return finished(draft)


class Places:
    """Where the records of a file lie that could be questions, and how their answers can be read."""

    def __init__(self) -> None:
        spill = Spill()
        self.offsets, self.lines = Whole(spill, "q"), Whole(spill, "q")
        self.readings, self.sizes = Whole(spill, "b"), Whole(spill, "b")  # options of each

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, record: Record, possible: int, size: int) -> None:
        self.offsets.append(record.offset)
        self.lines.append(record.line)
        self.readings.append(possible)
        self.sizes.append(size)


class Repeats:
    """Which rows say what an earlier one said? Their hashes lie in a column: a set would hold all of them in
    memory.
    """

    def __init__(self) -> None:
        spill = Spill()
        self.rows, self.hashes = Whole(spill), Whole(spill, "q")

    def add(self, row: int, value: int) -> None:
        self.rows.append(row)
        self.hashes.append(value)

    def found(self) -> dict[int, int]:
        """The later rows of each kind, in order, each with the first."""
        twice: set[int] = set()
        for part in range(PARTS):  # sorted a part at a time, since each list takes much
            ordered = sorted(value for value in self.hashes if value % PARTS == part)
            twice.update(one for one, other in pairwise(ordered) if one == other)
        firsts: dict[int, int] = {}
        later: dict[int, int] = {}
        for row, value in zip(self.rows, self.hashes, strict=True):
            if value in twice:
                if value in firsts:
                    later[row] = firsts[value]
                firsts.setdefault(value, row)
        return later


class QuestionSet:
    """All questions of some files. Raises UsageError for what cannot be used at all."""

    def __init__(self, paths: Sequence[Path], answers: str | None = None) -> None:
        self.files: list[File] = []
        self.firsts: list[int] = []  # of each file: the number of its first row
        spill = Spill()
        self.offsets, self.lines = Whole(spill, "q"), Whole(spill, "q")
        self.renamed: set[int] = set()  # rows whose id another row had before
        self.copies: dict[int, int] = {}  # rows whose question, options and answer another had: to the first
        self.copied: set[int] = set()  # those first ones
        self.unlabelled = 0  # rows whose options had labels of their own
        self.bad: list[Bad] = []
        self.bad_count = 0
        self.notes: list[str] = []
        self.subjects: Counter[str] = Counter()
        self._ids, self._questions = Repeats(), Repeats()
        self.hashes = self._questions.hashes  # of each row: to be known again
        self._open: list[File] = []
        self._digest = hashlib.sha256()
        for path, name in zip(paths, names_of(paths), strict=True):
            self._add(File(path, name), answers)
        self._settle_repeats()
        self.hash = self._digest.hexdigest()[:16]
        self.by_subject = 0 < len(self.subjects) <= MOST_SUBJECTS

    def __len__(self) -> int:
        return len(self.offsets)

    def owner(self, number: int) -> int:
        """The file of a row, by its place among the files."""
        return bisect_right(self.firsts, number) - 1

    @property
    def bad_share(self) -> float:
        total = len(self) + self.bad_count
        return self.bad_count / total if total else 0.0

    # -------------------------------------------------------------- first pass

    def _add(self, file: File, answers: str | None) -> None:
        self.files.append(file)
        self.firsts.append(len(self))
        if file.source.note:
            self.notes.append(f"{file.path}: {file.source.note}")
        found = self._checked(file)
        if not len(found):
            self.notes.append(f"{file.path}: not one question in it")
            file.source.close()
            return
        file.reading = answers or self._reading(file, found)
        bit = READINGS[file.reading]
        self._digest.update(file.reading.encode())
        most, fewer = max(found.sizes), 0
        left: dict[str, None] = {}  # fields that are not asked
        for offset, line, possible, size in zip(
            found.offsets, found.lines, found.readings, found.sizes, strict=True
        ):
            draft = file.draft(file.source.at(offset))
            if file.columns is PLAIN and size < most:
                self._reject(file, line, f"option {LETTERS[size]} is empty")
            elif possible & (bit | SETTLED):
                fewer += size < most
                left |= dict.fromkeys(draft.about.left_out)
                self._keep(file, draft, offset, line)
            else:
                self._reject(file, line, wrong_answer(file.reading, draft))
        if fewer and file.columns is not None and file.columns.listed is None:
            self.notes.append(f"{file.path}: questions with fewer than {most} options: {fewer:,}")
        if left:
            names = f"{listing(left)} (docs/mcq.md names those that are)"
            self.notes.append(f"{file.path}: fields with text that is not asked: {names}")
        file.source.close()

    def _checked(self, file: File) -> Places:
        """The records that could be questions; the others are reported."""
        places = Places()
        records = file.source.records()
        layout: Layout | None = None  # of CSV
        begun = False  # a question has been found
        usual, meant = ALL_READINGS, ALL_READINGS | SETTLED | CONTRARY
        for record in records:
            if layout is None and file.source.kind != "jsonl":
                named = columns_of(record.cells, str(file.path)) if record.problem is None else None
                file.columns = named or PLAIN
                width = len(record.cells) if named else HEADERLESS
                layout = Layout(file.columns, file.source.delimiter, width, file.columns.least)
                if named is not None:
                    continue
                usual = READINGS["letter"]
                meant = usual | SETTLED
            if layout is not None and len(record.lines) > 1 and not stands(record, layout, usual):
                why = f"{len(record.lines):,} lines" if record.problem is None else record.problem
                self._reject(file, record.line, f"a quote is opened and not closed in its place ({why})")
                file.source.again_from_line_two(record)
                continue
            if record.problem is not None:
                self._reject(file, record.line, record.problem)
                continue
            possible = 0
            try:
                draft = file.draft(record.cells)
                possible = agreeing(draft) & meant
                places.add(record, possible, len(draft.options))
            except BadRowError as error:
                self._reject(file, record.line, str(error))
            if file.columns is PLAIN and not (possible and begun):
                refuse_header(record.cells, str(file.path), record.line, first=not begun)
            if possible:
                usual, begun = possible & ALL_READINGS, True
            elif len(record.lines) > 1 and not closes_its_quotes(record, file.source.delimiter):
                file.source.again_from_line_two(record)
        return places

    def _reading(self, file: File, found: Places) -> str:
        """How this file's answers are meant: the reading that fits most rows. Raises UsageError if two do."""
        fits = {name: sum(bool(each & bit) for each in found.readings) for name, bit in READINGS.items()}
        most = max(fits.values())
        best = [name for name, count in fits.items() if count == most]
        contrary = "text" in best and any(each & CONTRARY for each in found.readings)
        if file.columns is PLAIN or ("letter" in best and not contrary):
            return "letter"
        if "letter" in best:
            raise UsageError(
                f"{file.path}: its answers are letters that are options too (by letter or as text)",
                "say which with --answers letter|text",
            )
        if len(best) > 1:
            way = " or ".join(
                {"text": "as text", "index0": "from 0", "index1": "from 1"}[name] for name in best
            )
            raise UsageError(
                f"{file.path}: its answers are numbers that can be read in several ways ({way})",
                f"say which with --answers {'|'.join(best)}",
            )
        return best[0]

    def _reject(self, file: File, line: int, reason: str) -> None:
        self.bad_count += 1
        if len(self.bad) < BAD_KEPT:
            self.bad.append(Bad(str(file.path), line, reason))

    def _keep(self, file: File, draft: Draft, offset: int, line: int) -> None:
        number = len(self)
        self.offsets.append(offset)
        self.lines.append(line)
        if draft.about.subject and len(self.subjects) <= MOST_SUBJECTS:
            self.subjects[draft.about.subject.strip()] += 1
        self.unlabelled += draft.unlabelled
        name, index = self._name(file, draft, line), index_by(file.reading, draft)
        if draft.about.id:  # a name made of a line is the only one of its kind
            self._ids.add(number, hash(name))
        self._questions.add(number, hash_of(draft, index))
        self._digest.update(
            repr((name, draft.question, draft.options, index, draft.about.subject)).encode("utf-8", "replace")
        )

    def _settle_repeats(self) -> None:
        """Find and say what is there more than once, and say what was taken off."""
        if self.unlabelled:
            self.notes.append(f"labels in the options were taken off (questions: {self.unlabelled:,})")
        ids, questions = self._ids.found(), self._questions.found()
        self.renamed, self.copies, self.copied = set(ids), questions, set(questions.values())
        self._ids, self._questions = Repeats(), Repeats()
        for rows, what, then in (
            (ids, "id", "told apart by their lines"),
            (questions, "question", "each is asked; in intervals and verdicts they are one"),
        ):
            if rows:
                row = next(iter(rows))
                file = self.files[self.owner(row)]
                first = f"in {file.path}, line {self.lines[row]}"
                if rows is ids:
                    first = f"{str(self._draft(row).about.id)[:60]!r} {first}"
                note = f"rows with an earlier row's {what}: {len(rows):,} ({then}), the first {first}"
                self.notes.append(note)

    # -------------------------------------------------------------- second pass

    def row(self, number: int) -> Row:
        """The question of that number. Raises UsageError where it no longer stands there."""
        file, draft = self.files[self.owner(number)], self._draft(number)
        answer = index_by(file.reading, draft)
        if answer is None or hash_of(draft, answer) != self.hashes[number]:
            raise changed(file.path)
        name = self._name(file, draft, line := self.lines[number])
        first = self.copies.get(number, number)
        return Row(
            id=f"{name}@{line}" if number in self.renamed else name,
            unit=first if first in self.copied else None,
            question=draft.question,
            options=draft.options,
            answer=answer,
            group=draft.about.subject.strip() if self.by_subject and draft.about.subject else file.name,
            content_hash=content_hash([draft.question, draft.options, answer]),
            drawn=draft.drawn,
        )

    def _draft(self, number: int) -> Draft:
        file = self.files[self.owner(number)]
        self._use(file)
        try:
            return file.draft(file.source.at(self.offsets[number]))
        except (BadRowError, StopIteration, csv.Error):
            raise changed(file.path) from None

    @staticmethod
    def _name(file: File, draft: Draft, line: int) -> str:
        """A row's id, the same wherever the folder lies."""
        return (
            f"{file.name}/{draft.about.id.strip()}"
            if draft.about.id and draft.about.id.strip()
            else f"{file.name}:{line}"
        )

    def _use(self, file: File) -> None:
        """Keep it open, and not many others."""
        if file in self._open:
            return
        self._open.append(file)
        if len(self._open) > MOST_OPEN:
            self._open.pop(0).source.close()


def hash_of(draft: Draft, answer: int | None) -> int:
    """The same for rows that say the same, whatever their ids."""
    return hash((draft.question, draft.options, answer))
