"""Which questions a run asks: the user's files or the shipped set, their examples, and the items in order.

How files are read is in `reading.py`; how options are ordered in `choices.py`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from tiltyard.errors import UsageError
from tiltyard.records import Item, Json, Message
from tiltyard.suites.graded import Asking
from tiltyard.suites.mcq.choices import arrangement, rotations_of
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.prompts import example
from tiltyard.suites.mcq.reading import QuestionSet, Row
from tiltyard.suites.regular import regular
from tiltyard.suites.stopping import order_of

SHIPPED = "questions.jsonl"
MOST_EXAMPLES = 1000  # rows of --examples that are looked at
EXAMPLES = 5  # of --examples where --few-shot does not say how many
_shipped = ExitStack()


class Choosing(Asking, frozen=True):
    """Settings of a multiple-choice run. `files`: where things lie; `items`, `examples`: what is in them."""

    files: Mapping[str, Json] = {}  # {"questions": [paths], "examples": path}
    items: str | None = None  # hash
    examples: str | None = None  # hash
    answers: str | None = None  # how the files' answers are read: letter, text, index0, index1
    prompt: str | None = None  # the template itself; None: a shipped one
    few_shot: int = 0
    cot: bool = False
    shuffle: bool = True
    rotations: bool = False
    logprobs: bool | None = None  # None: where the server can


class Shots(NamedTuple):
    """Rows that are shown as examples: of one file for all, or of each file its own first ones."""

    questions: QuestionSet
    of_file: Mapping[int, Sequence[int]]  # file of the asked row -> rows of `questions`
    left_out: int = 0  # rows that are asked themselves and so no examples

    def messages(self, owner: int, template: str, shuffle: bool) -> tuple[Message, ...]:
        found: list[Message] = []
        for number in self.of_file.get(owner, ()):
            row = self.questions.row(number)
            order = shown(row, 0, shuffle)
            options = [row.options[index] for index in order]
            found += example(template, row.question, options, LETTERS[order.index(row.answer)])
        return tuple(found)


def shipped_file() -> Path:
    """Where the sample set lies; a copy of it for a package that is no folder."""
    return _shipped.enter_context(as_file(files("tiltyard.suites.mcq").joinpath("data", SHIPPED)))


def question_set(paths: Sequence[str | Path], answers: str | None = None) -> QuestionSet:
    """The questions of some files, the sample set without any; read again only when a file has changed."""
    found = [Path(path) for path in paths] or [shipped_file()]
    seen = [(path, regular(path)) for path in found]
    return _read(tuple((path, file.st_size, file.st_mtime_ns) for path, file in seen), answers)


@lru_cache(maxsize=4)
def _read(states: tuple[tuple[Path, int, int], ...], answers: str | None) -> QuestionSet:
    return QuestionSet([path for path, _, _ in states], answers)


def shots_of(settings: Choosing, questions: QuestionSet) -> Shots | None:
    """The examples of a run; raises UsageError where there are too few."""
    path = settings.files.get("examples")
    wanted = settings.few_shot or (EXAMPLES if path else 0)
    if not wanted:
        return None
    if path:
        given = question_set([path], settings.answers)
        if not len(given):
            raise UsageError(f"{path} holds no examples", "docs/mcq.md has the formats of questions")
        left, left_out = not_asked(given, questions, wanted)
        if len(left) < (settings.few_shot or 1):
            also = f" that are not among the questions asked ({left_out} are)" if left_out else ""
            raise UsageError(
                f"{path} holds {len(left)} examples{also}",
                "give another file with --examples, or none: --few-shot alone takes rows out of the questions"
                if left_out
                else "lower --few-shot",
            )
        return Shots(given, dict.fromkeys(range(len(questions.files)), left), left_out)
    firsts: dict[int, list[int]] = {}
    sizes = [0] * len(questions.files)
    for number in range(len(questions)):
        owner = questions.owner(number)
        sizes[owner] += 1
        if sizes[owner] <= wanted:
            firsts.setdefault(owner, []).append(number)
    for owner, size in enumerate(sizes):
        if 0 < size <= wanted:
            raise UsageError(
                f"{questions.files[owner].path} has {size} questions: none is left beside {wanted} examples",
                "lower --few-shot, or give --examples FILE",
            )
    return Shots(questions, firsts)


@lru_cache(maxsize=4)
def not_asked(given: QuestionSet, questions: QuestionSet, wanted: int) -> tuple[Sequence[int], int]:
    """The first rows of a file of examples that are no questions of the run, and how many were left out."""
    kinds = [same_question(given.row(number)) for number in range(min(len(given), MOST_EXAMPLES))]
    asked = set(kinds) & {same_question(questions.row(number)) for number in range(len(questions))}
    left = [number for number, kind in enumerate(kinds) if kind not in asked][:wanted]
    return left, (left[-1] + 1 if len(left) == wanted else len(kinds)) - len(left)


def same_question(row: Row) -> int:
    """A number that is the same for two rows that ask the same, in whatever order of options."""
    return hash((" ".join(row.question.split()).casefold(), frozenset(row.options)))


def tested(questions: QuestionSet, shots: Shots | None, settings: Choosing) -> Sequence[int]:
    """The rows that are asked, in order."""
    taken = (
        {number for rows in shots.of_file.values() for number in rows}
        if shots is not None and shots.questions is questions
        else set()
    )
    numbers: Sequence[int] = range(len(questions))
    if taken:
        numbers = array("i", (number for number in numbers if number not in taken))
    if settings.limit is None and settings.stop_when is None:
        return numbers
    order = order_of(len(numbers), settings.limit, settings.seed, settings.stop_when is not None)
    return array("i", (numbers[place] for place in order))


def turns_of(row: Row, settings: Choosing) -> int:
    """In how many orders of its options a question is asked."""
    return rotations_of(row.options, row.drawn) if settings.rotations else 1


def items_of(questions: QuestionSet, order: Sequence[int], settings: Choosing) -> Iterator[Item]:
    """Every item in every repetition and rotation, those of one question together."""
    for number in order:
        row = questions.row(number)
        turns = turns_of(row, settings)
        for repetition in range(settings.repeats * turns):
            yield item_of(row, (number, questions.owner(number)), settings, (repetition, turns))


def item_of(row: Row, place: tuple[int, int], settings: Choosing, turn: tuple[int, int]) -> Item:
    """A question with its options in the order in which they are shown."""
    repetition, turns = turn
    order = shown(row, repetition % turns, settings.shuffle)
    return Item(
        id=row.id,
        content_hash=row.content_hash if row.unit is None else f"{row.content_hash}/{row.id}",
        repetition=repetition,
        spec={
            "question": row.question,
            "options": [row.options[index] for index in order],
            "order": order,
            "right": order.index(row.answer),
            "turns": turns,
            "asks": settings.repeats * turns,
            "number": place[0],
            "unit": place[0] if row.unit is None else row.unit,
            "file": place[1],
            "group": row.group,
        },
    )


def shown(row: Row, rotation: int, shuffle: bool) -> tuple[int, ...]:
    """For each shown place the index of its option. What a file gives without an order is always drawn."""
    return arrangement(row.options, row.content_hash, rotation, shuffle, row.drawn)
