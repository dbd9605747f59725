"""What the records of a question file mean: which cell is the question, which are options, which the answer.

Knows headerless six-column CSV, headed CSV, GPQA's columns and JSONL. An answer may be a letter, an index or
the option's text: `readings` says which it can be, the whole file decides (`reading.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Json
from tiltyard.suites.mcq.choices import labelled, texts_behind

MOST = 26
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEADERLESS = 6

QUESTION = ("question", "prompt", "query", "question stem", "stem", "input", "ctx")
PASSAGE = ("passage", "article", "context")  # what the question is about: it is asked in front of it
ANSWER = (
    "answer", "correct answer", "answerkey", "answer key", "label", "target", "gold", "correct",
    "correct option", "correct index", "answer index", "answer idx", "cop",
)  # fmt: skip
WORDS = ("answer text", "correct text")  # the right option in full, beside a letter: both must agree
OPTIONS = ("options", "choices", "endings")
SUBJECT = ("subject", "category", "topic")
IDENTITY = ("id", "question id", "uuid")
WRONG = re.compile(r"(?:incorrect|wrong) answer ?(\d+)?$")
OPTION = re.compile(r"(?:option|choice|op)? ?(?:([a-z])|(\d{1,2}))$")
NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?", re.ASCII)
LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:]?")

READINGS = {"letter": 1, "text": 2, "index0": 4, "index1": 8}
ALL_READINGS = 15


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


class BadRowError(ValueError):
    """Why a record is no question; one line."""


# ------------------------------------------------------------------ CSV


class Columns(NamedTuple):
    """Places of the cells in a row."""

    question: int
    options: tuple[int, ...]
    answer: int
    wrong: tuple[int, ...] = ()
    listed: int | None = None  # one column with a JSON list of options
    subject: int | None = None
    id: int | None = None
    words: int | None = None
    passage: int | None = None
    width: int | None = None  # cells in each row, where it must be so many

    @property
    def least(self) -> int:
        """The fewest cells that a row can have."""
        return max(self.question, self.answer, *self.options[:2], *self.wrong[:1]) + 1


SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
PLAIN = Columns(0, (1, 2, 3, 4), 5, width=HEADERLESS)


def plain_name(name: str) -> str:
    """A column's name without case, underscores and hyphens."""
    return " ".join(re.sub(r"[_\-\s]+", " ", name).casefold().split())


def columns_of(cells: Sequence[str], where: str) -> Columns | None:
    """The columns that a first row names; None where it is a question itself. Raises UsageError."""
    names = [plain_name(cell) for cell in cells]
    question = first_of(names, QUESTION)
    if question is None:
        return None
    wrong = tuple(place for place, name in enumerate(names) if WRONG.match(name))
    answer = first_of(names, ANSWER)
    options = option_places(names, {question, answer})
    listed = first_of(names, OPTIONS)
    if answer is None and not options and listed is None and not wrong:
        return None  # a question that reads "question"
    remedy = (
        "columns: question, A, B, ... (or options), answer; "
        "or question, correct answer, incorrect answer 1, ..."
    )
    if answer is None:
        raise UsageError(f"{where}: the header names no column with the answer", remedy)
    if not wrong and listed is None and len(options) < 2:
        raise UsageError(f"{where}: the header names no columns with options", remedy)
    return Columns(
        question=question,
        options=options,
        answer=answer,
        wrong=wrong,
        listed=listed if not options else None,
        subject=first_of(names, SUBJECT),
        id=first_of(names, IDENTITY),
        words=first_of(names, WORDS),
        passage=first_of(names, PASSAGE),
    )


def first_of(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Place of the first wanted name that is there."""
    return next((names.index(name) for name in wanted if name in names), None)


def option_places(names: Sequence[str], taken: set[int | None]) -> tuple[int, ...]:
    """Columns A, B, ... or option 1, option 2, ..., in order of their letter or number, without a gap."""
    found: dict[int, int] = {}
    for place, name in enumerate(names):
        match = OPTION.match(name)
        if match and place not in taken:
            order = ord(match[1]) - ord("a") if match[1] else int(match[2])
            found.setdefault(order, place)
    ordered = sorted(found)
    gapless = bool(ordered) and ordered == list(range(ordered[0], ordered[0] + len(ordered)))
    return tuple(found[order] for order in ordered) if gapless and ordered[0] in (0, 1) else ()


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
    question, answer = behind(cell(columns.passage), cells[columns.question]), cells[columns.answer]
    if columns.wrong:
        options = checked([answer, *without_tail([cell(place) or "" for place in columns.wrong])])
        return Draft(checked_question(question), options, answer, about, settled=0, drawn=True)
    if columns.listed is not None:
        return from_list(question, listed(cell(columns.listed) or ""), answer, about)
    options = checked(without_tail([cell(place) or "" for place in columns.options]))
    if not answer.strip():
        raise BadRowError("the answer is empty")
    return Draft(checked_question(question), options, answer, about)


def behind(passage: Json, question: str) -> str:
    """The question, and in front of it the passage that it is about. Raises BadRowError."""
    if isinstance(passage, dict | list) and passage:
        raise BadRowError("the passage is not text")
    before = (as_text(passage) or "").strip()
    return f"{before}\n\n{question}" if before and question.strip() else question


def listed(text: str) -> Json:
    """A cell with a JSON list or object of options."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRowError("the options are no JSON list") from None


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
    question, answer = pick(fields, QUESTION), pick(fields, ANSWER)
    about = About(
        as_text(pick(fields, IDENTITY)), as_text(pick(fields, SUBJECT)), as_text(pick(fields, WORDS))
    )
    if isinstance(question, dict):  # ARC: {"question": {"stem": ..., "choices": ...}}
        fields = {**question, **fields}
        question = question.get("stem")
    if not isinstance(question, str):
        raise BadRowError(f"no question in it: its fields are {', '.join(fields)}"[:200])
    question = behind(pick(fields, PASSAGE), question)
    wrong = [field for name, field in fields.items() if WRONG.match(name)]
    if wrong and isinstance(answer, str | int | float):
        right = as_text(answer) or ""
        given = checked([right, *texts_of(without_nulls(wrong))])
        return Draft(checked_question(question), given, right, about, settled=0, drawn=True)
    options = pick(fields, OPTIONS)
    if options is None:
        places = option_places(list(fields), set())
        options = without_nulls([list(fields.values())[place] for place in places])
    return from_list(question, options, answer, about)


def from_list(question: str, options: Json, answer: Json, about: About) -> Draft:
    """A question whose options are a list, an object of letters, or {"text": [...], "label": [...]}."""
    keys: list[str] = []
    if isinstance(options, dict) and isinstance(options.get("text"), list):
        keys, options = [str(key) for key in options.get("label") or ()], options["text"]
    elif isinstance(options, dict):
        keys, options = [str(key) for key in options], list(options.values())
    elif isinstance(options, list) and options and all(isinstance(each, dict) for each in options):
        keys = [str(each.get("label", each.get("key", ""))) for each in options]
        options = [each.get("text", each.get("value")) for each in options]
    if not isinstance(options, list):
        raise BadRowError("no list of options in it")
    texts = checked(texts_of(options))
    if isinstance(answer, float):
        answer = as_text(answer)
    if isinstance(answer, bool) or not isinstance(answer, str | int) or answer == "":
        raise BadRowError(
            "no answer in it" if answer in (None, "") else "the answer is neither text nor a whole number"
        )
    if len(keys) == len(texts) and len(set(keys)) == len(keys) and str(answer).strip() in keys:
        return Draft(checked_question(question), texts, answer, about, keys.index(str(answer).strip()))
    return Draft(checked_question(question), texts, answer, about)


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
    letter = LETTER.fullmatch(str(draft.answer).strip())
    said = letter[1].upper() if letter else str(draft.answer).strip()
    if not ordered and said in labels and draft.settled is None:
        raise BadRowError(f"the options have labels of their own in another order: what is {said!r}?")
    if not ordered or len(set(texts)) < len(texts):
        return draft
    named, words = named_by(draft.answer, draft.options), draft.about.words
    whole = None if words is None else named_by(words, draft.options)
    about = draft.about if whole is None else draft.about._replace(words=texts[whole])
    settled = named if draft.settled is None else draft.settled
    return draft._replace(options=tuple(texts), about=about, settled=settled, unlabelled=True)


def folded(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def readings(draft: Draft) -> int:
    """The ways in which the answer can be understood, as a sum of READINGS."""
    if draft.settled is not None:
        return ALL_READINGS
    return sum(bit for name, bit in READINGS.items() if index_by(name, draft) is not None)


def named_by(answer: str | int, options: Sequence[str]) -> int | None:
    """Index of the one option that an answer is, as text or as a number of the same value."""
    wanted, names = folded(str(answer)), [folded(option) for option in options]
    if names.count(wanted) == 1:
        return names.index(wanted)
    if not NUMBER.fullmatch(wanted):
        return None
    equal = [
        place for place, name in enumerate(names) if NUMBER.fullmatch(name) and float(name) == float(wanted)
    ]
    return equal[0] if len(equal) == 1 else None


def index_by(reading: str, draft: Draft) -> int | None:
    """Index of the right option when the answer is read as `reading`; None: it cannot be."""
    if draft.settled is not None:
        return draft.settled
    raw, count = draft.answer, len(draft.options)
    found: int | None = None
    if reading == "letter":
        match = LETTER.fullmatch(raw.strip()) if isinstance(raw, str) else None
        found = ord(match[1].upper()) - ord("A") if match else None
    elif reading == "text":
        found = named_by(raw, draft.options)
    else:
        short = isinstance(raw, str) and len(raw) < 10 and raw.strip().isdecimal()
        number = raw if isinstance(raw, int) else int(raw) if short else -1
        found = number - (reading == "index1") if number >= 0 else None
    return found if found is not None and 0 <= found < count else None
