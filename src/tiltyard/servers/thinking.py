"""Reasoning that arrives as <think> tags inside the content: found, and told apart from the answer.

Only for servers that have no field of their own for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_OPEN = "<think>"
_CLOSE = "</think>"
_LINE_END = re.compile(r"</think>[ \t\r]*(?:\n|(?<=\n</think>)\Z)")  # at the very end: a line of its own
_FENCE = "```"


class Split(NamedTuple):
    """`kinds` and `texts` of the events stay as long as they were; content inside the tags became "r"."""

    text: str
    reasoning: str
    kinds: str


def split_tags(kinds: str, texts: Sequence[str]) -> Split | None:
    """Tell reasoning from answer by tags; None when there are none.

    An opening tag counts only at the very start (a model may write about tags later). A closing tag alone
    counts too where it ends a line: some templates put the opening one into the prompt.
    """
    content = "".join([t for k, t in zip(kinds, texts, strict=True) if k == "c"])
    lead = len(content) - len(content.lstrip())
    opened = content.startswith(_OPEN, lead)
    begin = lead + len(_OPEN) if opened else 0
    close = content.find(_CLOSE, begin) if opened else _lone_close(content)
    if close < 0 and not opened:
        return None
    end = close + len(_CLOSE) if close >= 0 else len(content)
    reasoning = content[begin : close if close >= 0 else len(content)]
    out: list[str] = []
    position = 0
    for kind, text in zip(kinds, texts, strict=True):
        if kind != "c":
            out.append(kind)
            continue
        start, position = position, position + len(text)
        after = start >= end or content[end:position].strip() != ""
        out.append("c" if after else "r")
    return Split(content[end:].lstrip(), reasoning.strip(), "".join(out))


def _lone_close(content: str) -> int:
    """Where thoughts end whose opening tag stood in the prompt; -1 where the tags are words of an answer.

    Such a tag is followed by a line break. Within backticks, or after an opening tag in the text, it is
    being written about.
    """
    for found in _LINE_END.finditer(content):
        before = content[: found.start()]
        if _OPEN in before:
            break
        if before.count(_FENCE) % 2 == 0:
            return found.start()
    return -1
