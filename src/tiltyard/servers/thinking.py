"""Reasoning that arrives inside the content, in the marks of its model's family: told apart from the answer.

The one place that knows the marks. In streams they count only for servers that have no field of their own for
reasoning; the suites use them for thoughts further on in a reply.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

_THINK = ("think", "thinking", "seed:think")
_SOFT = ("thought", "reasoning", "analysis", "scratchpad")  # tags that an answer may wear, or speak of
_NAMES = (*_THINK, *_SOFT)
# gpt-oss: thoughts go to a channel of their own and end where the answer's, or a call, begins
_CHANNEL = r"(?:<\|start\|>assistant\s*)?<\|channel\|>\s*"
_HARMONY = (
    _CHANNEL + r"(?:analysis|commentary)(?! to=)[^<\n]{0,40}<\|message\|>",
    rf"(?:<\|end\|>\s*)?{_CHANNEL}final\b[^<\n]{{0,40}}(?:<\|constrain\|>[^<\n]{{0,40}})?<\|message\|>"
    r"|<\|end\|>(?=\s*<\|start\|>assistant(?:<\|channel\|>)?[^<\n]{0,40}\bto=)",
)
_FAMILIES = (  # what opens thoughts, and what closes them, up to the answer
    *((f"(?i:<{name}>)", f"(?i:</{name}>)") for name in _THINK),
    *((f"(?i:<{name}>)(?! [a-z])", f"(?i:</{name}>)") for name in _SOFT),
    (r"\[THINK\]", r"\[/THINK\]"),  # Mistral
    ("◁think▷", "◁/think▷"),  # Kimi
    (  # Cohere
        r"<\|START_THINKING\|>",
        r"<\|END_THINKING\|>(?:\s*<\|START_RESPONSE\|>)?|<\|START_RESPONSE\|>",
    ),
    (
        r"<\|begin_of_thought\|>",
        r"<\|end_of_thought\|>(?:\s*<\|begin_of_solution\|>)?|<\|begin_of_solution\|>",
    ),
    _HARMONY,
    (r"<\|channel>thought\b", r"<channel\|>"),  # Gemma 4
    ("<unused94>thought", "<unused95>"),  # MedGemma
    # gpt-oss behind a server that leaves its marks out: "analysisLet us see.assistantfinalB"
    (
        r"\A(?:analysis|commentary)(?=(?:We|The|User|Let|Need|Hm|I|Okay|OK|So|This|Question|It)\b"
        r"|[A-Z(\"'](?s:.*)(?<! )assistantfinal(?! ))",
        "(?<! )assistantfinal(?! )",
    ),
)
_ANSWER_END = re.compile(r"(?:<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|end\|>|<\|return\|>)\s*\Z")
_LINE_END = re.compile(r"[ \t\r]*\n")
_HINTS = (
    *("</", "<|", "think", "THINK", "<unused9", "<channel|>", "assistantfinal"),
    *(f"<{name}>" for name in _NAMES),
)
_FENCE = re.compile("```")
_MOST_MARKS = 10_000  # that are looked at: a reply of more is no reply
_LOOKED_AT = 2_000  # characters of a line, before a mark and after it, in which quotes are counted


class _Marks(NamedTuple):
    opening: re.Pattern[str]  # a group for each family
    closing: re.Pattern[str]
    any: re.Pattern[str]
    closings: list[re.Pattern[str]]  # family by family


@cache
def _marks() -> _Marks:
    """Compiled for the first text that may hold one: most runs see none."""
    opening = "|".join(f"({opening})" for opening, _ in _FAMILIES)
    closing = "|".join(closing for _, closing in _FAMILIES)
    return _Marks(
        opening=re.compile(opening),
        closing=re.compile(closing),
        any=re.compile(f"{opening}|{closing}"),
        closings=[re.compile(closing) for _, closing in _FAMILIES],
    )


class Split(NamedTuple):
    """`kinds` and `texts` of the events stay as long as they were; content inside the marks became "r"."""

    text: str
    reasoning: str
    kinds: str


def split_tags(content: str, kinds: str, texts: Sequence[str]) -> Split | None:
    """Tell reasoning from answer by marks in the content that the events hold; None when there are none.

    An opening mark counts only at the very start (a model may write about marks later). A closing mark alone
    counts too where it is no word of an answer: some templates put the opening one into the prompt.
    """
    lead = len(content) - len(content.lstrip())
    content = content[lead:]
    if not _may_hold(content):
        return None
    opened = _marks().opening.match(content)
    begin = opened.end() if opened else 0
    closed = _closing_of(opened).search(content, begin) if opened else _lone_closing(content)
    if closed is None and opened is None:
        return None
    if opened and closed and _is_soft(opened) and not content[closed.end() :].strip():
        return None  # the answer itself stands in the tag
    end = closed.end() if closed else len(content)
    reasoning = content[begin : closed.start() if closed else len(content)]
    out: list[str] = []
    position = -lead
    for kind, text in zip(kinds, texts, strict=True):
        if kind != "c":
            out.append(kind)
            continue
        start, position = position, position + len(text)
        after = start >= end or content[end : max(position, 0)].strip() != ""
        out.append("c" if after else "r")
    answer = content[end:].lstrip()
    wrapped = _ANSWER_END.search(answer)
    answer = answer[: wrapped.start()].rstrip() if wrapped else answer
    return Split(answer, reasoning.strip(), "".join(out))


def thoughts_in(text: str) -> list[tuple[int, int]]:
    """Where a reply's thoughts are, marks included, also where one of a pair is missing.

    What stands before a closing mark that nothing opened is thought too. Marks that are quoted are words.
    """
    if not _may_hold(text):
        return []
    is_quoted = quotes_of(text)
    begins, ends = len(text) - len(text.lstrip()), len(text.rstrip())
    found: list[tuple[int, int]] = []
    unclosed = set[int | None]()  # families of which no closing mark follows
    lone = place = 0
    for _ in range(_MOST_MARKS):
        if (mark := _marks().any.search(text, place)) is None:
            break
        place = mark.end()
        if is_quoted(mark.start(), place):
            continue
        if mark.lastindex is None:  # of two final channels the second is another turn's
            said = place < ends or mark[0].lower() == "</think>"
            lone = place if said and (mark[0].startswith("</") or not (lone or found)) else lone
            continue
        closed = None if mark.lastindex in unclosed else _closing_of(mark).search(text, place)
        if closed is None:
            unclosed.add(mark.lastindex)
            if mark[0][1:-1].lower() in _NAMES and _line_before(text, mark.start()).strip():
                continue  # somebody speaks of a tag
        elif _is_soft(mark) and mark.start() <= begins and closed.end() >= ends:
            continue  # the answer itself stands in it
        place = closed.end() if closed else len(text)
        found.append((mark.start(), place))
    return [(0, lone), *(span for span in found if span[0] >= lone)] if lone else found


def without_thoughts(text: str) -> str:
    """A reply without what `thoughts_in` finds."""
    thoughts = thoughts_in(text)
    starts, ends = [start for start, _ in thoughts], [end for _, end in thoughts]
    return "".join(text[a:b] for a, b in zip([0, *ends], [*starts, len(text)], strict=True))


def quotes_of(text: str) -> Callable[[int, int], bool]:
    """Tells of a part of a text whether it stands in a code block, or on its line in backticks or quotes."""
    fences = [found.start() for found in _FENCE.finditer(text)]

    def is_quoted(start: int, end: int) -> bool:
        if bisect(fences, start) % 2:
            return True
        before = _line_before(text, start)
        after = text[end : end + _LOOKED_AT].partition("\n")[0]
        return any(_quotes(before, sign) % 2 and _quotes(after, sign) % 2 for sign in '"`')

    return is_quoted


def _line_before(text: str, place: int) -> str:
    return text[max(place - _LOOKED_AT, 0) : place].rpartition("\n")[2]


def _quotes(text: str, sign: str) -> int:
    return text.count(sign) - text.count("\\" + sign)


def _may_hold(text: str) -> bool:
    """A quick look, so that plain answers cost next to nothing."""
    return any(hint in text for hint in _HINTS) or text.startswith(("analysis", "commentary"))


def _is_soft(opened: re.Match[str]) -> bool:
    return opened[0][1:-1].lower() in _SOFT


def _closing_of(opened: re.Match[str]) -> re.Pattern[str]:
    assert opened.lastindex is not None
    return _marks().closings[opened.lastindex - 1]


def _lone_closing(content: str) -> re.Match[str] | None:
    """Where thoughts end whose opening mark stood in the prompt; None where the marks are words of an answer.

    A tag is followed by a line break, or is a line of its own at the very end; marks that no text uses but
    models' templates need not be. Quoted, or after an opening mark in the text, they are being written about.
    """
    opened = _marks().opening.search(content)
    is_quoted, ends = quotes_of(content), len(content.rstrip())
    closings = _marks().closing.finditer(content, 0, opened.start() if opened else len(content))
    for found in islice(closings, _MOST_MARKS):
        last = found.end() >= ends
        is_word = found[0].startswith("</") and not _ends_line(content, found, last)
        is_word = is_word or (found[0][2:-1].lower() in _SOFT and last)
        if not is_word and not is_quoted(*found.span()):
            return found
    return None


def _ends_line(content: str, found: re.Match[str], last: bool) -> bool:
    begins = content[found.start() - 1] == "\n"
    return bool(_LINE_END.match(content, found.end()) or (begins and last))
