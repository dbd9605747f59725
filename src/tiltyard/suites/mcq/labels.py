"""Labels that stand before an option's text, in the options ("A) red") or in the answer ("B) green").

Those of the options are taken off where they are in order; the answer's must name the option that its text
names.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.answers import BadRowError, named_by, place_in
from tiltyard.suites.mcq.choices import labelled, texts_behind
from tiltyard.suites.mcq.fields import foreign_letter
from tiltyard.suites.mcq.layouts import LETTERS, Draft

SHORTEST = 3  # characters of a label with a text
_OTHER_LABEL = re.compile(r"[(\[]?([^\W\d_])[)\].:]")


def finished(draft: Draft) -> Draft:
    """With what its options and its answers say of each other. Raises BadRowError."""
    return with_its_text(without_labels(draft))


def without_labels(draft: Draft) -> Draft:
    """Its options without labels of their own ("A) ...", "B) ..."), where these are in order.

    Where the file gives no order of the options, their labels may have any. Raises BadRowError.
    """
    said, unsettled = place_in(draft.answer) or str(draft.answer).strip(), draft.settled is None
    if not (labels := labelled(draft.options)):
        if unsettled and said.isalpha() and len(said) == 1 and have_other_labels(draft.options):
            raise BadRowError(f"the options have labels of their own in another alphabet: what is {said!r}?")
        return draft
    wanted, count = sorted(labels) if draft.drawn else labels, len(labels)
    ordered = wanted in ([*LETTERS[:count]], [str(n + 1) for n in range(count)])
    if not ordered and said in labels and unsettled:
        raise BadRowError(f"the options have labels of their own in another order: what is {said!r}?")
    texts = texts_behind(draft.options)
    if not ordered or len(set(texts)) < count:
        return draft
    named, words = named_by(draft.answer, draft.options), draft.about.words
    whole = None if words is None else named_by(words, draft.options)
    about = draft.about if whole is None else draft.about._replace(words=texts[whole])
    settled = named if draft.settled is None else draft.settled
    return draft._replace(options=tuple(texts), about=about, settled=settled, unlabelled=True)


def have_other_labels(options: tuple[str, ...]) -> bool:
    """Has each a letter before it that is no Latin one?"""
    if options[0][:2].isascii():
        return False
    return all((match := _OTHER_LABEL.match(each)) and foreign_letter(match[1]) for each in options)


def with_its_text(draft: Draft) -> Draft:
    """ "B) Paris" settled as the option that both name. Raises BadRowError where they name two."""
    answer = draft.answer
    if draft.settled is not None or isinstance(answer, int) or len(answer) < SHORTEST:
        return draft
    if not (label := labelled([answer])):
        return draft
    named = named_by(texts_behind([answer])[0], draft.options)
    if named is None or named_by(answer, draft.options) is not None:
        return draft
    place = int(label[0]) - 1 if label[0].isdecimal() else LETTERS.find(label[0])
    if named != (draft.keys.index(label[0]) if label[0] in draft.keys else place):
        raise BadRowError(f"the answer {answer[:60]!r} names one option by its label, another by its text")
    return draft._replace(settled=named)
