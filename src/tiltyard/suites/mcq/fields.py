"""Which field of a record is what, by its name: the question, its options, the right one and what is beside.

For the columns of a headed table and for the fields of JSON lines alike. What their values mean is in
`layouts.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from tiltyard.errors import UsageError

HEADERLESS = 6
NAMES_SHOWN = 12

QUESTION = (
    "question", "prompt", "query", "question stem", "stem", "input", "ctx", "goal", "sentence",
)  # fmt: skip
PASSAGE = (  # asked in front of the question
    "passage", "article", "context", "support", "premise", "narrative", "story", "paragraph", "background",
    "dialogue", "hint", "text",
)  # fmt: skip
ANSWER = (
    "answer", "correct answer", "answerkey", "answer key", "label", "target", "gold", "correct",
    "correct option", "correct index", "answer index", "answer idx", "cop",
)  # fmt: skip
WORDS = ("answer text", "correct text")  # the right option in full, beside a letter: both must agree
TARGETS = ("mc1 targets", "mc0 targets", "mc2 targets")  # with the right option first, whatever the question
OPTIONS = ("options", "choices", "endings", *TARGETS)
SUBJECT = ("subject", "category", "topic")
IDENTITY = ("id", "question id", "uuid")
REASONS = ("explanation", "explanations", "exp", "rationale", "reasoning", "solution", "cot", "cot content")
BESIDE = frozenset((*ANSWER, *WORDS, *OPTIONS, *SUBJECT, *IDENTITY, *REASONS))  # never asked
WRONG = re.compile(r"(?:(?:incorrect|wrong) answer|distractor) ?(\d+)?$")
USUAL = ("", "option", "choice", "opt", "op")  # words before an option's letter or number, in any mixture
OTHERS = ("answer", "ans", "solution", "sol", "ending", "alternative")  # where there are no usual ones
_ONE_LETTER = r"(?<![a-z])s|[a-rt-z]"  # "options" and "answers" are many
OPTION = re.compile(rf"({'|'.join((*USUAL[1:], *OTHERS))})? ?(?:({_ONE_LETTER})|(\d{{1,2}}))$")
LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:]?")
PLACE = re.compile(  # an answer that names its option: "Option B", "choice (b)", "option_2"
    rf"(?:option|choice|opt|answer|ans|solution|sol|ending|alternative)[\s_:-]*"
    rf"[(\[]?(?:({_ONE_LETTER})|(\d{{1,2}}))[)\].:]?",
    re.IGNORECASE | re.ASCII,
)

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
WOULD_DO = {
    "question": ", ".join(QUESTION),
    "options": ", ".join((*OPTIONS[:4], "A, B, ...", "option 1, option 2, ...", "distractor 1, ...")),
    "answer": ", ".join(ANSWER),
}


class Columns(NamedTuple):
    """Places of the cells in a row."""

    question: int
    options: tuple[int, ...]
    answer: int | None  # None: the options are marked as right or wrong
    wrong: tuple[int, ...] = ()
    listed: int | None = None  # one column with a list of options
    subject: int | None = None
    id: int | None = None
    words: int | None = None
    also: tuple[int, ...] = ()  # further answers, which must agree
    passages: tuple[int, ...] = ()
    unasked: tuple[int, ...] = ()  # what may be text that nobody asks
    width: int | None = None  # cells in each row, where it must be so many
    names: tuple[str, ...] = ()  # of all columns, as `plain_name` gives them

    @property
    def least(self) -> int:
        """The fewest cells that a row can have."""
        return max(self.question, self.answer or 0, *self.options[:2], *self.wrong[:1]) + 1


PLAIN = Columns(0, (1, 2, 3, 4), 5, width=HEADERLESS)


@lru_cache(maxsize=1024)
def plain_name(name: str) -> str:
    """A field's name without case, underscores and hyphens."""
    return " ".join(re.sub(r"[_\-\s]+", " ", name).casefold().split())


def columns_of(cells: Sequence[str], where: str) -> Columns | None:
    """The columns that a first row names; None where it is a question itself. Raises UsageError."""
    names = tuple(plain_name(cell) for cell in cells)
    question, answer = first_of(names, QUESTION), first_of(names, ANSWER)
    listed = first_of(names, OPTIONS)
    options = option_places(names, frozenset((question, answer)), listed is None)
    wrong = tuple(place for place, name in enumerate(names) if WRONG.match(name))
    choice = len(options) > 1 or listed is not None or bool(wrong)
    if question is None:
        a_row = len(cells) == HEADERLESS and LETTER.fullmatch(cells[-1].strip())
        if answer is None or not choice or a_row:
            return None
        raise lacking(where, "question", names)
    if answer is None and not options and not choice:
        return None  # a question that reads "question"
    if answer is None and (options or listed is None):
        raise lacking(where, "answer", names)
    if not choice:
        raise lacking(where, "options", names)
    return Columns(
        question=question,
        options=options if len(options) > 1 else (),
        answer=answer,
        wrong=() if len(options) > 1 or listed is not None else wrong,
        listed=None if len(options) > 1 else listed,
        subject=first_of(names, SUBJECT),
        id=first_of(names, IDENTITY),
        words=first_of(names, WORDS),
        also=tuple(names.index(name) for name in ANSWER if name in names and name != names[answer or 0]),
        passages=tuple(names.index(name) for name in passages_for(names[question]) if name in names),
        unasked=tuple(place for place, name in enumerate(names) if name in unasked(names, names[question])),
        names=names,
    )


def columns_in(cells: Sequence[str]) -> str:
    """How many there are, with a hint where another separator is in use."""
    if len(cells) == 1:
        other = next((name for mark, name in SEPARATORS.items() if cells[0].count(mark) >= 2), None)
        return "1 column" + (f" (separated by {other}? commas, or tabs in a .tsv file)" if other else "")
    return f"{len(cells)} columns"


def lacking(where: str, what: str, names: Sequence[str]) -> UsageError:
    """A header that does not name all that a question needs."""
    named = f"no columns with {what}" if what == "options" else f"no column with the {what}"
    remedy = f"these would do: {WOULD_DO[what]}"
    return UsageError(f"{where}: the header names {named}: it has {listing(names)}", remedy)


def listing(names: Iterable[str]) -> str:
    """Some names of fields, for people."""
    short = [told(name[:30]) for name in names if name]
    return ", ".join(short[:NAMES_SHOWN]) + (", ..." if len(short) > NAMES_SHOWN else "") or "none"


def told(name: str) -> str:
    """A name, and which letter it is where it may look like another."""
    return f"{name} ({letter})" if (letter := foreign_letter(name)) else name


def foreign_letter(text: str) -> str:
    """Which letter it is, of an alphabet with capitals but none from A to Z; empty for all else."""
    alone = len(text) == 1 and not text.isascii() and text.lower() != text.upper()
    return unicodedata.name(text, "") if alone else ""


def first_of(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Place of the first wanted name that is there."""
    return next((names.index(name) for name in wanted if name in names), None)


def passages_for(question: str) -> Sequence[str]:
    """The fields that may hold the passage of a question, by the question's own field: "ctx" is a context."""
    return [name for name in PASSAGE if name != "context"] if question == "ctx" else PASSAGE


@lru_cache(maxsize=256)
def unasked(names: tuple[str, ...], question: str) -> tuple[str, ...]:
    """The fields that may hold text which belongs to the question and is not asked."""
    return tuple(
        name
        for name in names
        if name
        and name != question
        and name not in BESIDE
        and not OPTION.match(name)
        and not WRONG.match(name)
    )


@lru_cache(maxsize=256)
def option_places(names: tuple[str, ...], taken: frozenset[int | None], any_word: bool) -> tuple[int, ...]:
    """Fields A, B, ... or option 1, option 2, ..., in order of their letter or number, without a gap.

    `any_word`: also "answer 1", "sol 1" and their like, if there are no others and these of one word only.
    None where a further field is a letter of another alphabet: it may be meant as one of these.
    """
    if any(map(foreign_letter, names)):
        return ()
    usual = places_behind(names, taken, USUAL)
    if len(usual) > 1 or not any_word:
        return usual
    others = [found for word in OTHERS if len(found := places_behind(names, taken, (word,))) > 1]
    return others[0] if len(others) == 1 else usual


def places_behind(
    names: Sequence[str], taken: Collection[int | None], words: Collection[str]
) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for place, name in enumerate(names):
        match = OPTION.match(name)
        if match and (match[1] or "") in words and place not in taken:
            order = ord(match[2]) - ord("a") if match[2] else int(match[3])
            found.setdefault(order, place)
    ordered = sorted(found)
    gapless = bool(ordered) and ordered == list(range(ordered[0], ordered[0] + len(ordered)))
    return tuple(found[order] for order in ordered) if gapless and ordered[0] in (0, 1) else ()
