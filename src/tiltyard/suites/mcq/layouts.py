"""What the records of a question file mean: a question, its options, and which of them is right.

Knows headerless six-column CSV, headed CSV, right and wrong answers apart (GPQA, SciQ) and JSONL; `fields.py`
has the names. An answer may be a letter, an index or the option's text: `readings` says which it can be, the
whole file decides (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tiltyard.records import Json
from tiltyard.suites.mcq.answers import (
    ALL_READINGS,
    READINGS,
    SETTLED,
    BadRowError,
    by_key,
    by_name,
    folded,
    index_of,
    manner_of,
    named_by,
    place_in,
)
from tiltyard.suites.mcq.choices import labelled, texts_behind
from tiltyard.suites.mcq.fields import (
    ANSWER,
    IDENTITY,
    OPTION,
    OPTIONS,
    QUESTION,
    SUBJECT,
    TARGETS,
    WORDS,
    WOULD_DO,
    WRONG,
    Columns,
    listing,
    option_places,
    passages_for,
    plain_name,
)
from tiltyard.suites.mcq.lists import listed

MOST = 26
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SOME_WORDS = 3  # fewer stand in a question by chance
TEXTS, LABELS = ("text", "choices", "texts", "options"), ("label", "labels", "key", "keys")


class About(NamedTuple):
    """What a record says beside the question."""

    id: str | None = None
    subject: str | None = None
    words: str | None = None  # the right option in full, where the file has it too


class Draft(NamedTuple):
    """A question as read, its answer not yet understood where `settled` is None."""

    question: str
    options: tuple[str, ...]
    answer: str | int
    about: About
    settled: int | None = None  # index of the right option, where the layout says it
    drawn: bool = False  # the layout names the right option first: its order means nothing
    unlabelled: bool = False  # its options had labels of their own, which were taken off


class LackingError(BadRowError):
    """It has no field for a part of a question: "question", "options" or "answer"."""

    def __init__(self, part: str) -> None:
        super().__init__(f"no {part} in it")
        self.part = part

    def among(self, names: Iterable[str]) -> BadRowError:
        """The same with the fields that there are, and those that would do."""
        return BadRowError(f"{self}: its fields are {listing(names)}; {WOULD_DO[self.part]} would do")


# ------------------------------------------------------------------ CSV


SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def columns_in(cells: Sequence[str]) -> str:
    """How many there are, with a hint where another separator is in use."""
    if len(cells) == 1:
        other = next((name for mark, name in SEPARATORS.items() if cells[0].count(mark) >= 2), None)
        return "1 column" + (f" (separated by {other}? commas, or tabs in a .tsv file)" if other else "")
    return f"{len(cells)} columns"


def draft_of(cells: Sequence[str], columns: Columns) -> Draft:
    """A CSV row as a question. Raises BadRowError."""
    if columns.width is not None and len(cells) != columns.width:
        raise BadRowError(f"{columns_in(cells)} instead of {columns.width} (question, A, B, C, D, letter)")
    if len(cells) < columns.least:
        raise BadRowError(f"{columns_in(cells)} instead of {columns.least} or more")

    def cell(place: int | None) -> str | None:
        return None if place is None or place >= len(cells) else cells[place]

    about = About(cell(columns.id), cell(columns.subject), cell(columns.words))
    question, answer = cells[columns.question], cell(columns.answer)
    if columns.passages:
        question = behind([cell(place) for place in columns.passages], question)
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


def behind(passages: Sequence[Json], question: str) -> str:
    """The question, and in front of it the first passage that is not blank, unless the question holds it.

    Raises BadRowError.
    """
    passage = next((each for each in passages if each and (not isinstance(each, str) or each.strip())), None)
    if passage is None:
        return question
    if isinstance(passage, dict | list):
        raise BadRowError("the passage is not text")
    before = (as_text(passage) or "").strip()
    known = len(before.split()) >= SOME_WORDS and folded(before) in folded(question)
    return question if known or not question.strip() else f"{before}\n\n{question}"


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


def draft_of_fields(fields: Mapping[str, Json]) -> Draft:
    """Raises BadRowError."""
    asked = named_in(fields, QUESTION)
    question, answer = fields.get(asked), pick(fields, ANSWER)
    about = About(
        as_text(pick(fields, IDENTITY)), as_text(pick(fields, SUBJECT)), as_text(pick(fields, WORDS))
    )
    if isinstance(question, dict):  # ARC: {"question": {"stem": ..., "choices": ...}}
        fields = {**question, **fields}
        question = question.get("stem")
    if not isinstance(question, str):
        raise LackingError("question")
    question = behind([fields.get(name) for name in passages_for(asked)], question)
    listed_in = named_in(fields, OPTIONS)
    if listed_in:
        found = from_list(question, fields[listed_in], answer, about)
        return found._replace(drawn=True) if listed_in in TARGETS and found.settled == 0 else found
    wrong = without_nulls([field for name, field in fields.items() if WRONG.match(name)])
    names = tuple(fields)
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
        keys = [each.get("label", each.get("key", "")) for each in options]
        options = [each.get("text", each.get("value")) for each in options]
    if not isinstance(options, list):
        raise BadRowError("no list of options in it")
    texts = checked(texts_of(options))
    if are_marks(keys) and (answer is None or len(set(keys)) < len(keys)):
        return marked(question, texts, keys, answer, about)
    answer = one_answer(answer)
    settled = by_key([str(key) for key in keys], answer, texts)
    return Draft(checked_question(question), texts, answer, about, settled)


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
    if isinstance(answer, float):
        answer = str(answer)
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        raise LackingError("answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int):
        raise BadRowError("the answer is neither text nor a whole number")
    return answer


def only(answer: Json) -> Json:
    """An answer without the list around it. Raises BadRowError where there are several."""
    if not isinstance(answer, list):
        return answer
    if len(answer) > 1:
        raise BadRowError(f"{len(answer)} answers in it instead of one")
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


def without_labels(draft: Draft) -> Draft:
    """Its options without labels of their own ("A) ...", "B) ..."), where these are in order.

    Where the file gives no order of the options, their labels may have any. Raises BadRowError.
    """
    labels = labelled(draft.options)
    texts = texts_behind(draft.options)
    wanted = sorted(labels) if draft.drawn else labels
    ordered = wanted in ([*LETTERS[: len(texts)]], [str(n + 1) for n in range(len(texts))])
    said = place_in(draft.answer) or str(draft.answer).strip()
    if not ordered and said in labels and draft.settled is None:
        raise BadRowError(f"the options have labels of their own in another order: what is {said!r}?")
    if not ordered or len(set(texts)) < len(texts):
        return draft
    named, words = named_by(draft.answer, draft.options), draft.about.words
    whole = None if words is None else named_by(words, draft.options)
    about = draft.about if whole is None else draft.about._replace(words=texts[whole])
    settled = named if draft.settled is None else draft.settled
    return draft._replace(options=tuple(texts), about=about, settled=settled, unlabelled=True)


def readings(draft: Draft) -> int:
    """The ways in which the answer can be understood, as a sum of READINGS, and whether it is SETTLED."""
    if draft.settled is not None:
        return SETTLED | (ALL_READINGS if draft.drawn or draft.unlabelled else manner_of(draft.answer))
    return sum(bit for name, bit in READINGS.items() if index_by(name, draft) is not None)


def index_by(reading: str, draft: Draft) -> int | None:
    """Index of the right option when the answer is read as `reading`; None: it cannot be."""
    return index_of(reading, draft.answer, draft.options) if draft.settled is None else draft.settled
