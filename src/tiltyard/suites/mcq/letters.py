"""Is a letter that was found an answer: alone, not asked about, not part of a name, not called wrong?

All run on text from `plain.py`; each match has the letter as its first group.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.names import Names, folded, without_article
from tiltyard.suites.mcq.words import DENIED_AFTER, FUNCTION_WORD, GOES_ON, SEVERAL


def is_letter(flat: str, match: re.Match[str], names: Names) -> bool:
    """Is it a letter, or the word "a" (or "I"), or part of a name: "A.I.", "B vitamins", "C. elegans"?"""
    letter, rest = match[1], flat[match.end(1) : match.end(1) + 40]
    if re.match(r"[+#*^=]|-\w|\.[A-Za-z](?![A-Za-z])|/[A-Za-z]\s+[a-z]", rest):  # C++, C#, a*b, A.I.
        return False
    follows = re.match(r"[ \t]+([^\W\d_]+)", rest)
    aside = re.match(r"[ \t]*,[ \t]*([^\W\d_]+)", rest)
    if aside is not None and letter in "ai" and not FUNCTION_WORD.fullmatch(aside[1]):  # "a, well, hard one"
        return False
    if follows is not None and letter in "aAI":
        return letter != "a" and FUNCTION_WORD.fullmatch(follows[1]) is not None
    word = re.match(r"\.?[ \t]+([a-z]+)(?![^\W\d_])", rest)
    if word is None or GOES_ON.fullmatch(word[1]):
        return True
    index = LETTERS.index(letter.upper())
    return index < len(names.folded) and word[1] in re.findall(r"\w+", names.folded[index])


def asked(flat: str, end: int) -> bool:
    return re.match(r"[ \t)\]]*\?", flat[end : end + 10]) is not None


def several(flat: str, match: re.Match[str]) -> bool:
    """Does another letter follow at once, as in "A or B"?"""
    more = SEVERAL.match(flat, match.end())
    return more is not None and more[1].upper() != match[1].upper()


def lists(flat: str, match: re.Match[str]) -> bool:
    """Is it the first of a list of options that is only repeated?"""
    if match[1] in "Aa" and re.match(
        r"[).:]?\s[^\n]{1,200}?\s[(\[]?B[)\].:]\s", flat[match.end(1) : match.end(1) + 240]
    ):
        return True
    if "\n" not in flat[match.start() : match.start(1)] and "\n" not in flat[match.end() : match.end() + 400]:
        return False
    following = chr(ord(match[1].upper()) + 1)
    rest = flat[match.end() : match.end() + 1000].split("\n")
    lines = [line for line in rest[1:] if line.strip()]
    return bool(lines) and re.match(rf"\s*[(\[]?{following}[)\].:]", lines[0], re.IGNORECASE) is not None


def denied_at(flat: str, letter: str, at: int, names: Names) -> bool:
    """Does the line that begins with a letter say that it is wrong, but in its option's own words?"""
    line = flat[at + 1 : at + 200].partition("\n")[0].lstrip(" ).]:,(-–—")
    index = LETTERS.index(letter.upper())
    option = names.options[index] if index < len(names.options) else ""
    own = bool(option) and line.casefold().startswith(option.casefold())
    return DENIED_AFTER.search(line[len(option) :] if own else line) is not None


def begins_with(rest: str, letter: str, names: Names) -> bool:
    """Does the text after a letter begin as that letter's option does?"""
    index = LETTERS.index(letter.upper())
    if index >= len(names.folded):
        return False
    if not names.folded[index]:
        return names.exactly(rest.strip()) == index
    name = without_article(names.folded[index])[:24]
    return any(
        bool(said) and without_article(said).startswith(name)
        for said in (folded(rest), folded(rest.lstrip("( ")))
    )
