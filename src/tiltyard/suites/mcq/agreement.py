"""Does all that a record says of its right option agree: its answer, further answers and its text in full?

What can be read in several ways is read in those in which they agree; where there is none, the row is bad.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.answers import CONTRARY, READINGS, SETTLED, BadRowError, by_key, folded, place_in
from tiltyard.suites.mcq.fields import foreign_letter
from tiltyard.suites.mcq.labels import with_its_text
from tiltyard.suites.mcq.layouts import LETTERS, Draft, index_by, readings
from tiltyard.suites.mcq.names import forms_of

_NEGATIVE = re.compile(r"-\d+(?:\.0+)?", re.ASCII)


def agreeing(draft: Draft) -> int:
    """The READINGS of a row's answer; where the row names the right option elsewhere too, those that agree.

    Raises BadRowError where none does.
    """
    if shown := next((each for each in draft.options if draft.question.startswith(f"{each}\n\n")), None):
        raise BadRowError(f"the text in front of the question is one of its options: {shown[:60]!r}")
    found = readings(draft)
    words = draft.about.words if draft.about.words and draft.about.words.strip() else None
    if words is None and not draft.about.others:
        return found
    fits = {name: index_by(name, draft) for name in READINGS}
    if words is not None:
        names = forms_of(draft.options)
        index = names.exactly(words)
        index = names.loosely(words) if index is None else index
        fits = {name: each for name, each in fits.items() if each == index is not None}
        if not fits:
            raise BadRowError(disagreeing(draft, "text", words))
    for field, other in draft.about.others:
        if draft.drawn:
            agree = bool(place_in(other)) or folded(str(other)) == folded(str(draft.answer))
            fits = fits if agree else {}
        elif (seen := named_somehow(draft, other)) or place_in(other):
            fits = {name: each for name, each in fits.items() if each in seen}
        if not fits:
            raise BadRowError(disagreeing(draft, field, other))
    unclear = CONTRARY if "letter" in fits and "text" in fits else 0
    return found & (sum(READINGS[name] for name in fits) | SETTLED | unclear)


def named_somehow(draft: Draft, answer: str | int) -> set[int]:
    """The options that an answer names, in whatever reading; none where it is something else: "hard".

    Raises BadRowError for a label of none of them.
    """
    settled, label = by_key(draft.keys, answer, draft.options)
    other = draft._replace(answer=answer, settled=settled, label=label)
    other = other if settled is not None else with_its_text(other)
    return {index for name in READINGS if (index := index_by(name, other)) is not None}


def disagreeing(draft: Draft, field: str, other: str | int) -> str:
    return f"the answer {str(draft.answer)[:60]!r} and its {field} {str(other)[:60]!r} disagree"


def wrong_answer(reading: str, draft: Draft) -> str:
    """What is wrong with an answer that cannot be read as those of the other rows."""
    said = str(draft.answer).strip()
    if index_by(reading, draft) is not None:
        words = (draft.about.words or "").strip()
        return disagreeing(draft, *(("text", words) if words else draft.about.others[0]))
    if _NEGATIVE.fullmatch(said):
        return f"there is no answer: it is {said}, as where a set keeps its answers back"
    last, letter = LETTERS[len(draft.options) - 1], foreign_letter(said)
    meant = {"letter": f"no letter from A to {last}", "text": "none of the options"}
    but = f" but {letter}" if letter else ""
    return f"the answer {said[:40]!r} is {meant.get(reading, 'no place in the options')}{but}"
