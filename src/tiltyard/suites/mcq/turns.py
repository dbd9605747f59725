"""Where a reply runs on into another turn or question: its answer is in what stands before.

Markers of chat templates, role labels at the beginning of a line, headings of a further question, and a new
list of options. Runs on text from `without_thought`, which leaves the markers in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from tiltyard.suites.mcq.names import Names, folded, without_article
from tiltyard.suites.mcq.plain import plain

MOST = 8  # boundaries that are tried


class Kind(IntEnum):
    """How much a boundary proves."""

    OTHER = 0  # somebody else speaks: nothing behind it is an answer
    TURN = 1  # an end or the model's own turn: what was decided before it stands
    QUESTION = 2  # a heading: a letter that was found before it stands
    PERHAPS = 3  # also in reasons for one answer: only a clear claim before it stands


class Boundary(NamedTuple):
    at: int
    kind: Kind


_LINE = r"^[ \t>#*_]{0,12}"
_MARKED = r"^[ \t>]{0,9}(?:#{1,6}|\*\*|__)[ \t*_]{0,9}"  # a heading needs no colon
_OTHER = re.compile(
    r"<[|｜](?:im_start|start|turn)[|｜]?>\s{0,3}(?:user|human|system)\b|<[|｜](?:user|human|prompter"
    r"|system)[|｜]>"
    r"|<start_of_turn>\s{0,3}user\b|<\|start_header_id\|>\s{0,3}(?:user|system)\b|<\|USER_TOKEN\|>|\[INST\]"
    rf"|{_LINE}(?:user|human|instructions?)[ \t]{{0,3}}(?:\d{{1,3}}[ \t]{{0,3}})?[*_]{{0,2}}[ \t]{{0,3}}:"
    rf"|^(?:user|human)[ \t]*\n\s{{0,9}}(?=\S)|{_MARKED}(?:user|human|instructions?)[ \t#*_]{{0,9}}$"
    r"|\b(?:another|new|similar)[ \t](?:example|question|problem)\b[^\n]{0,40}:[*_ \t]*"
    r"\n\s{0,9}[*_#]{0,4}(?:question|problem|q)[*_ \t]{0,4}:",
    re.IGNORECASE | re.MULTILINE,
)
_TURN = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</s>|<eos>|<end_of_turn>|<start_of_turn>|\[/INST\]"
    rf"|{_LINE}(?:assistant|ai|bot|chatbot|model|response|(?:chat)?gpt)[ \t]{{0,3}}[*_]{{0,2}}[ \t]{{0,3}}:"
    r"|^(?:assistant|model)[ \t]*\n\s{0,9}(?=\S)|(?-i:assistant(?:analysis|final|commentary))",
    re.IGNORECASE | re.MULTILINE,
)
_NEW = (
    r"(?:(?:next|new|another|follow[- ]?up|further|bonus|similar|second|third|practice|additional|extra|last)"
    r"[ \t]{1,3})"
)
_HEADING = r"(?:question|exercise|problem|quiz|task|prompt|pregunta|pergunta|frage|aufgabe|domanda|вопрос)"
_QUESTION = re.compile(
    rf"{_LINE}(?:{_NEW}?(?:multiple[- ]choice[ \t])?{_HEADING}|Q)[ \t]{{0,4}}"
    r"(?:no\.?[ \t]?|number[ \t]|\#)?\d{0,6}[ \t]{0,4}[*_]{0,2}[ \t]{0,3}[:.](?!\w)"
    rf"|^\[{_HEADING}\]|(?:{_MARKED}|^(?!task|prompt)){_NEW}?{_HEADING}[ \t#*_]{{0,9}}$"
    r"|^[ \t#*]{0,8}(?:问题|問題|质问|質問|题目|題目)[ \t]?\d{0,6}[ \t]?[:：.]"
    r"|^[ \t#*]{0,8}(?:test[ \t]|Q[ \t]?)\d{1,4}[ \t]?[:.)]"
    rf"|{_LINE}{_HEADING}[ \t]{{1,4}}\d{{1,4}}[^\w\n]{{0,6}}$"
    r"|^[ \t*#]{0,8}\(?\d{1,3}[.)][^\S\n]{1,4}[^\n]{3,400}\?[^\w\n]{0,6}\n\s{0,9}[(\[]?[Aa][.):\]]\s",
    re.IGNORECASE | re.MULTILINE,
)
_PERHAPS = re.compile(
    rf"{_LINE}(?:{_NEW}?(?:examples?|sample|case|context|passage|input|scenario))[ \t]{{0,4}}\d{{0,6}}"
    r"[ \t]{0,4}[*_]{0,2}[ \t]{0,3}:"
    rf"|^[^\n]{{0,40}}\b{_NEW}(?:multiple[- ]choice[ \t])?{_HEADING}\b[^\n]{{0,60}}[:.?][^\w\n]{{0,6}}$"
    r"|^[ \t]{0,4}(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*\n\s{0,9}[^\n]{3,400}\?[^\w\n]{0,6}$"
    r"|^[ \t*#]{0,8}\(?\d{1,3}[.)][^\S\n]{1,4}[^\n]{3,400}\?[^\w\n]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)
_LIST = re.compile(
    r"^[ \t*\-•]{0,8}[(\[]?A[).:\]][ \t*]{1,6}(?P<a>[^\n]{1,400})\n\s{0,9}"
    r"[ \t*\-•]{0,8}[(\[]?B[).:\]][ \t*]{1,6}(?P<b>[^\n]{1,400})$",
    re.MULTILINE,
)


def boundaries(text: str, names: Names) -> list[Boundary]:
    """The first places where another turn or question may begin, in order."""
    found: dict[int, Kind] = {}
    patterns = (
        (_OTHER, Kind.OTHER),
        (_TURN, Kind.TURN),
        (_QUESTION, Kind.QUESTION),
        (_PERHAPS, Kind.PERHAPS),
    )
    for pattern, kind in patterns:
        for count, match in enumerate(pattern.finditer(text)):
            if count == MOST:
                break
            found.setdefault(match.start(), kind)
    for place in _new_lists(text, names):
        found.setdefault(place, Kind.PERHAPS)
    return [Boundary(at, found[at]) for at in sorted(found)][:MOST]


def _new_lists(text: str, names: Names) -> Iterator[int]:
    """Lists of options that are not this question's."""
    for count, match in enumerate(_LIST.finditer(text)):
        if count == MOST:
            return
        said = [without_article(folded(match[name])) for name in ("a", "b")]
        own = [without_article(name)[:24] for name in names.folded[:2]]
        if not any(word and line.startswith(word) for line, word in zip(said, own, strict=True)):
            yield match.start()


def is_empty(text: str) -> bool:
    """Is there nothing but markers?"""
    rest = _OTHER.sub(" ", _TURN.sub(" ", text))
    return not re.search(r"\w", plain(rest))
