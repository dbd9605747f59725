"""What the records of a question file mean: a question, its options, and which of them is right.

Knows headerless six-column CSV, headed CSV, right and wrong answers apart (GPQA, SciQ) and JSONL; `fields.py`
has the names. An answer may be a letter, an index or the option's text: `readings` says which it can be, the
whole file decides (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from tiltyard.records import Json
from tiltyard.suites.mcq.answers import (
    ALL_READINGS,
    CONTRARY,
    READINGS,
    SETTLED,
    BadRowError,
    by_key,
    by_name,
    index_of,
    manner_of,
    place_in,
)
from tiltyard.suites.mcq.fields import (
    ANSWER,
    IDENTITY,
    LETTER,
    OPTION,
    OPTIONS,
    QUESTION,
    SUBJECT,
    TARGETS,
    WORDS,
    WOULD_DO,
    WRONG,
    Columns,
    columns_in,
    listing,
    option_places,
    passages_for,
    plain_name,
    unasked,
)
from tiltyard.suites.mcq.lists import listed
from tiltyard.suites.mcq.passages import behind, left_out

MOST = 26
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NAMES = ("label", "key", "letter", "id", "name", "option", "index", "number")  # of an option's object
TEXTS, LABELS = ("text", "choices", "texts", "options"), ("label", "labels", "key", "keys")


class About(NamedTuple):
    """What a record says beside the question."""

    id: str | None = None
    subject: str | None = None
    words: str | None = None  # the right option in full, where the file has it too
    others: tuple[tuple[str, str | int], ...] = ()  # further answer fields, and what they say
    left_out: tuple[str, ...] = ()  # fields with text that is not asked


class Draft(NamedTuple):
    """A question as read, its answer not yet understood where `settled` is None."""

    question: str
    options: tuple[str, ...]
    answer: str | int
    about: About
    settled: int | None = None  # index of the right option, where the layout says it
    label: int | None = None  # index of the option of that label, where the answer may be a text as well
    drawn: bool = False  # the layout names the right option first: its order means nothing
    unlabelled: bool = False  # its options had labels of their own, which were taken off
    keys: tuple[str, ...] = ()  # names that the options have in the file


class NoAnswerError(BadRowError):
    """What stands in an answer field can be none."""


class LackingError(BadRowError):
    """It has no field for a part of a question: "question", "options" or "answer"."""

    def __init__(self, part: str) -> None:
        super().__init__(f"no {part} in it")
        self.part = part

    def among(self, names: Iterable[str]) -> BadRowError:
        """The same with the fields that there are, and those that would do."""
        return BadRowError(f"{self}: its fields are {listing(names)}; {WOULD_DO[self.part]} would do")


# ------------------------------------------------------------------ CSV


def draft_of(cells: Sequence[str], columns: Columns) -> Draft:
    """A CSV row as a question. Raises BadRowError."""
    if columns.width is not None and len(cells) != columns.width:
        raise BadRowError(f"{columns_in(cells)} instead of {columns.width} (question, A, B, C, D, letter)")
    if len(cells) < columns.least:
        raise BadRowError(f"{columns_in(cells)} instead of {columns.least} or more")
    if columns.width is not None and (number := cells[0].strip().rstrip(".")).isdecimal():
        hint = "is that a column of numbers? Then name the columns in a first line"
        raise BadRowError(f"the question is the number {number}: {hint}")

    def cell(place: int | None) -> str | None:
        return None if place is None or place >= len(cells) else cells[place]

    others = tuple((columns.names[at], said) for at in columns.also if (said := (cell(at) or "").strip()))
    about = About(cell(columns.id), cell(columns.subject), cell(columns.words), others)
    question, answer = cells[columns.question], cell(columns.answer)
    if columns.passages:
        question = behind([(columns.names[place], cell(place)) for place in columns.passages], question)
    if columns.unasked:
        left = left_out([(columns.names[place], cell(place)) for place in columns.unasked], question)
        about = about._replace(left_out=left) if left else about
    if columns.wrong:
        wrong = without_tail([cell(place) or "" for place in columns.wrong])
        return right_first(question, answer or "", wrong, about)
    if columns.listed is not None:
        try:
            found = from_list(question, cell(columns.listed) or "", answer or None, about)
        except LackingError as error:
            raise error.among(columns.names) from None
        return found._replace(drawn=columns.names[columns.listed] in TARGETS and found.settled == 0)
    options = checked(without_tail([cell(place) or "" for place in columns.options]))
    if answer is None or not answer.strip():
        raise BadRowError("the answer is empty")
    names = [columns.names[place] for place in columns.options] if columns.names else []
    return Draft(checked_question(question), options, answer, about, by_name(names, answer, options))


def without_tail(cells: list[str]) -> list[str]:
    """Options up to the last that is not empty: rows may have fewer than the header."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


# ------------------------------------------------------------------ JSONL


def draft_of_json(line: str) -> Draft:
    """A line of JSON as a question. Raises BadRowError."""
    try:
        value = msgspec.json.decode(line)
    except RecursionError:
        raise BadRowError("not JSON: it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadRowError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRowError("not a JSON object")
    fields = {plain_name(name): field for name, field in value.items()}
    try:
        return draft_of_fields(fields)
    except LackingError as error:
        raise error.among(fields) from None


def further(fields: Mapping[str, Json]) -> tuple[tuple[str, str | int], ...]:
    """The answers that a record has beside the one that counts."""
    found: list[tuple[str, str | int]] = []
    for name in [name for name in ANSWER if name in fields and fields[name] is not None][1:]:
        with suppress(LackingError, NoAnswerError):
            found.append((name, one_answer(fields[name])))
    return tuple(found)


def draft_of_fields(fields: Mapping[str, Json]) -> Draft:
    """Raises BadRowError."""
    asked = named_in(fields, QUESTION)
    question, answer = fields.get(asked), pick(fields, ANSWER)
    about = About(
        as_text(pick(fields, IDENTITY)),
        as_text(pick(fields, SUBJECT)),
        as_text(pick(fields, WORDS)),
        further(fields),
    )
    if isinstance(question, dict):  # ARC: {"question": {"stem": ..., "choices": ...}}
        fields = {**question, **fields}
        question = question.get("stem")
    if not isinstance(question, str):
        raise LackingError("question")
    names = tuple(fields)
    question = behind([(name, fields.get(name)) for name in passages_for(asked) if name in fields], question)
    if left := left_out([(name, fields[name]) for name in unasked(names, asked)], question):
        about = about._replace(left_out=left)
    listed_in = named_in(fields, OPTIONS)
    if listed_in:
        found = from_list(question, fields[listed_in], answer, about)
        return found._replace(drawn=True) if listed_in in TARGETS and found.settled == 0 else found
    wrong = without_nulls([field for name, field in fields.items() if WRONG.match(name)])
    places = option_places(names, frozenset(), any_word=not wrong)
    if wrong and len(places) < 2:
        right = as_text(only(answer))
        if right is None:
            raise LackingError("answer")
        return right_first(question, right, texts_of(wrong), about)
    options = texts_of(without_nulls([fields[names[place]] for place in places]))
    if not options:
        raise LackingError("options")
    texts, given = checked(options), one_answer(answer)
    named = by_name([names[place] for place in places], given, texts)
    return Draft(checked_question(question), texts, given, about, named)


def right_first(question: str, right: str, wrong: Sequence[str], about: About) -> Draft:
    """A question whose right option is told from the wrong ones by its field."""
    given = checked([right, *wrong])
    return Draft(checked_question(question), given, right, about, settled=0, drawn=True)


def from_list(question: str, options: Json, answer: Json, about: About) -> Draft:
    """A question whose options are a list, an object of letters, {"text": [...], "label": [...]}, or a text
    that is one of these. Raises BadRowError.
    """
    keys: list[Json] = []
    if isinstance(options, str):
        try:
            options = listed(options)
        except ValueError:
            raise BadRowError("the options are no list, as JSON or Python writes one") from None
    if isinstance(options, dict) and isinstance(within := pick(options, TEXTS), list):
        labels, options = pick(options, LABELS), within
        keys = labels if isinstance(labels, list) else []
    elif isinstance(options, dict):
        keys, options = list(options), list(options.values())
        if answer is None and are_marks(options) and not any(OPTION.match(plain_name(str(x))) for x in keys):
            keys, options = options, keys
    elif isinstance(options, list) and options and all(isinstance(each, dict) for each in options):
        keys, options = named_options(options, answer)
    if not isinstance(options, list):
        raise BadRowError("no list of options in it")
    texts = checked(texts_of(options))
    if are_marks(keys) and (answer is None or len(set(keys)) < len(keys)):
        return marked(question, texts, keys, answer, about)
    answer = one_answer(answer)
    names = tuple(map(str, keys))
    settled, label = by_key(names, answer, texts)
    return Draft(checked_question(question), texts, answer, about, settled, label, keys=names)


def named_options(options: Sequence[Mapping[str, Json]], answer: Json) -> tuple[list[Json], list[Json]]:
    """The names and the texts of options that are objects. Raises BadRowError where the answer is the name of
    two, by two fields.
    """
    own = {plain_name(name): name for name in options[0]}
    texts = [each.get(own.get("text", ""), each.get(own.get("value", ""))) for each in options]
    fields = {name: [each.get(own[name]) for each in options] for name in NAMES if name in own}
    for name in own.keys() - fields.keys() - {"text", "value"}:
        letters = [each.get(own[name]) for each in options]
        if all(isinstance(letter, str) and LETTER.fullmatch(letter) for letter in letters):
            fields[name] = letters
    said = str(answer).strip()
    having = {
        name: keys.index(said) for name, found in fields.items() if said in (keys := [*map(str, found)])
    }
    if len(set(having.values())) > 1:
        one, other, *_ = having
        raise BadRowError(f"the answer {said[:60]!r} names one option by its {one}, another by its {other}")
    name = next(iter((*having, *fields)), "")
    if name in ("label", "key"):  # may say of each option whether it is right
        return fields[name], texts
    return [*map(str, fields.get(name, ()))], texts


def are_marks(keys: Sequence[Json]) -> bool:
    """Do they say of each option whether it is right?"""
    return bool(keys) and all(isinstance(key, int) and key in (0, 1) for key in keys)


def marked(
    question: str, options: tuple[str, ...], marks: Sequence[int], answer: Json, about: About
) -> Draft:
    """A question with each option marked as right or wrong; an answer beside it must be the same."""
    if len(marks) != len(options):
        raise BadRowError(f"{len(marks)} labels for {len(options)} options")
    if sum(marks) != 1:
        are = f"{sum(marks)} of its options are" if sum(marks) else "none of its options is"
        raise BadRowError(f"{are} marked as right instead of one")
    place = marks.index(1)
    if answer is None:
        return Draft(checked_question(question), options, options[place], about, place)
    draft = Draft(checked_question(question), options, one_answer(answer), about)
    if not any(index_by(name, draft) == place for name in READINGS):
        marked_so = f"{options[place][:60]!r}, which is marked as right, disagree"
        raise BadRowError(f"the answer {str(draft.answer)[:60]!r} and {marked_so}")
    return draft._replace(settled=place)


def one_answer(answer: Json) -> str | int:
    """Raises BadRowError."""
    answer = only(answer)
    if isinstance(answer, bool):
        answer = as_text(answer)
    if isinstance(answer, float):
        answer = int(answer) if answer.is_integer() else str(answer)
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        raise LackingError("answer")
    if not isinstance(answer, str | int):
        raise NoAnswerError("the answer is neither text nor a number")
    return answer


def only(answer: Json) -> Json:
    """An answer without the list around it. Raises BadRowError where there are several."""
    if not isinstance(answer, list):
        return answer
    if len(answer) > 1:
        raise NoAnswerError(f"{len(answer)} answers in it instead of one")
    return answer[0] if answer else None


def without_nulls(values: list[Json]) -> list[Json]:
    """Options up to the last that is there, as empty cells of a row."""
    while values and values[-1] is None:
        values.pop()
    return values


def texts_of(values: Sequence[Json]) -> list[str]:
    if not all(isinstance(each, str | int | float) for each in values):
        raise BadRowError("the options are not all text")
    return [as_text(each) or "" for each in values]


def pick(fields: Mapping[str, Json], names: Sequence[str]) -> Json:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def named_in(fields: Mapping[str, Json], names: Sequence[str]) -> str:
    """The first of the names that has a value; empty for none."""
    return next((name for name in names if fields.get(name) is not None), "")


def as_text(value: Json) -> str | None:
    """JSON scalars as the file wrote them; None stays None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or isinstance(value, dict | list) else str(value)


# ------------------------------------------------------------------ what every layout must keep


def checked_question(question: str) -> str:
    if not question.strip():
        raise BadRowError("the question is empty")
    return question.strip()


def checked(given: Sequence[str]) -> tuple[str, ...]:
    """Options that can be told apart; raises BadRowError."""
    options = [option.strip() for option in given]
    if not 2 <= len(options) <= MOST:
        raise BadRowError(f"{len(options)} options instead of 2 to {MOST}")
    for letter, option in zip(LETTERS, options, strict=False):
        if not option:
            raise BadRowError(f"option {letter} is empty")
    if len(set(options)) < len(options):
        twice = next(option for option in options if options.count(option) > 1)
        raise BadRowError(f"two options are the same: {twice[:60]!r}")
    return tuple(options)


def readings(draft: Draft) -> int:
    """The ways in which the answer can be understood, as a sum of READINGS, and whether it is SETTLED, or a
    letter that is CONTRARY.
    """
    if draft.settled is not None:
        return SETTLED | (ALL_READINGS if draft.drawn or draft.unlabelled else manner_of(draft.answer))
    found = [index_by(name, draft) for name in READINGS]
    bits = sum(bit for bit, index in zip(READINGS.values(), found, strict=True) if index is not None)
    letter, text, *_ = found
    if letter == text or letter is None or text is None:
        return bits
    return bits + (CONTRARY if place_in(draft.answer).isalpha() else 0)


def index_by(reading: str, draft: Draft) -> int | None:
    """Index of the right option when the answer is read as `reading`; None: it cannot be."""
    if draft.settled is None and (draft.label is None or reading == "text"):
        return index_of(reading, draft.answer, draft.options)
    return draft.label if draft.settled is None else draft.settled
