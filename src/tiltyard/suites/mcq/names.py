"""The options of an item in the forms by which a reply may name them: to the letter, or but for case.

Options that only differ in case, signs or markup are told apart to the letter; two that would be alike in a
form are named by neither in that form. Where in a reply to look is `extract.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.notation import notation
from tiltyard.suites.mcq.plain import plain

_EVERY = re.compile(r"(both|all|none|neither)(?: of (?:them|these|those|the above))?")
_SAYS_LITTLE = re.compile(
    r"(?:yes|no|not|true|false|right|wrong|correct|incorrect|only|some|any|it|is|an?|the|of|to|in|and|or)"
)
_TURNS = re.compile(  # "dogs" is not "cats and dogs", nor "permitted" "not permitted"
    r"\Aonly\b|\b(?:not?|never|nothing|neither|nor|none|cannot|without|except|unless|but|and|or|only if|both"
    r"|all|any|non|un|less|more)\b|n['’]t\b|[,;&/+*=^()-]"
)
_NUMBERED = re.compile(r"\W*(\d{1,2})[.):][ \t]+(.+)")


_FIGURE = re.compile(r"(?:([A-Za-z])\s*=\s*)?([-+−]?\d[\d.,]*)(?:\s*([^\s\d][^\d]{0,20}))?")
_UNIT = re.compile(
    r"°?[CFK]|[kcmdµnMG]?(?:m|g|s|l|L|J|W|V|A|N|Hz|Pa|eV|mol|cal)(?:[²³]|/(?:s|h)[²]?)?|km/h|mph|min|h|ft|lbs?"
    r"|(?:second|minute|hour|day|week|month|year|met(?:er|re)|degree|dollar|euro|mile|gram|people|time|point)s?"
)


class Names(NamedTuple):
    """The options in the forms by which a reply may name them."""

    options: tuple[str, ...]
    exact: tuple[str, ...]  # without blanks and thousands separators, everything else as it is
    folded: tuple[str, ...]
    unique: tuple[str, ...]  # the folded ones, empty where two options fold alike
    valued: tuple[str, ...]  # the same with each number as its value, empty where two are alike

    def exactly(self, said: str) -> int | None:
        """The one option that is said to the letter, in whatever wrapping; never a letter of the question."""
        said, letters = squeezed(said), LETTERS[: len(self.exact)]
        for form in (said, said.rstrip(".!,;:"), said.strip("*_`$\"'.!,;:")):
            if not (len(form) == 1 and form.upper() in letters) and self.exact.count(form) == 1:
                return self.exact.index(form)
        return None

    def loosely(self, said: str) -> int | None:
        """The one option that is said but for case, markup and closing marks, or with the same number."""
        said = folded(said)
        if said and said in self.unique:
            return self.unique.index(said)
        said = by_value(said)
        return self.valued.index(said) if said and said in self.valued else None

    def shortly(self, said: str) -> int | None:
        """The one option of which this is the beginning or the end, and of which it says enough: "Both"."""
        said = without_article(folded(said))
        every = _EVERY.fullmatch(said)
        if every is not None:
            what = "" if every[1] in ("both", "neither") else r"(?: (?:of|the|these|those|are)\b|$)"
            whole = re.compile(rf"{every[1]}\b{what}")
            found = [index for index, name in enumerate(self.unique) if whole.match(name)]
        elif len(re.findall(r"[^\W\d_]", said)) < 2 or _SAYS_LITTLE.fullmatch(said):
            return None
        else:
            whole = re.compile(rf"(?<![\w.]){re.escape(said)}(?!\w|\.\d)")
            found = [index for index, name in enumerate(self.folded) if whole.search(name)]
            name = without_article(self.folded[found[0]]) if found else said
            rest = name.removeprefix(said).removesuffix(said)
            if rest in (name, "") or len(rest.split()) > 2 or _TURNS.search(rest):
                return None
        return found[0] if len(found) == 1 else None

    def by_number(self, said: str) -> int | None:
        """The option that is said with its number before it: "3. Brazil"."""
        match = _NUMBERED.fullmatch(said)
        index = None if match is None else self.loosely(match[2])
        return index if match is not None and index == int(match[1]) - 1 else None

    def by_figure(self, said: str) -> int | None:
        """The option whose number is said alone, or with a unit where the options have none: "15", "37 C".

        None where it may count the options or be of another order of magnitude.
        """
        told = _FIGURE.fullmatch(said.strip(" \t\n.!"))
        every = [_FIGURE.fullmatch(name) for name in self.options]
        if told is None or any(each is None for each in every):
            return None
        found = [each.groups("") for each in every if each is not None]
        (of, number, unit), units = told.groups(""), {each[2] for each in found}
        numbers = [by_value(each[1]) for each in found]
        if len(units) > 1 or len({each[0] for each in found}) > 1 or numbers.count(by_value(number)) != 1:
            return None
        index = numbers.index(by_value(number))
        if unit:
            alike = [_digits(each) for each in numbers].count(_digits(number)) == 1
            mine = len(unit) > 1 or LETTERS[: len(numbers)].find(unit) in (-1, index)
            same = units <= {"", "°" + unit}
            return index if alike and mine and same and _UNIT.fullmatch(unit) else None
        counts = number.isdigit() and int(number) <= len(numbers)
        return None if counts or (found[0][0] and of not in ("", found[0][0])) else index

    def is_letter(self, index: int) -> bool:
        """Is an option itself a letter that may stand before an option?"""
        name = self.folded[index].upper()
        return len(name) == 1 and name in LETTERS[: len(self.folded)]


def forms_of(options: Sequence[str]) -> Names:
    words = tuple(map(folded, options))
    return Names(
        tuple(options), tuple(map(squeezed, options)), words, _unique(words), _unique([*map(by_value, words)])
    )


def _unique(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word if words.count(word) == 1 else "" for word in words)


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number).strip("0")


def by_value(name: str) -> str:
    """Without thousands separators and noughts behind the last decimal: "18.0" as "18", "1,000" as "1000"."""
    name = _THOUSANDS.sub("", name)
    return _NOUGHTS.sub(lambda match: (match[1] or "0") + (match[2] or ""), name)


_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NOUGHTS = re.compile(r"(?<![\w.])(\d*+)(?:(\.(?:0*[1-9])++)0*+|\.0++)(?![\w.]*+\d)")


def squeezed(text: str) -> str:
    """Without blanks and thousands separators, and with a nought before a decimal point."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", "".join(notation(text).split()))
    return re.sub(r"(?<![\d\w)])\.(?=\d)", "0.", text)


def folded(text: str) -> str:
    """Without case, markup, doubled blanks and closing dots, for comparing words."""
    said = plain(notation(text)).replace("·", " ")
    words = " ".join(said.casefold().split()).strip(" !,;:").rstrip(" .!,;:")
    return words if re.match(r"\.\d", words) else words.lstrip(" .")


def mentioned(flat: str, names: Names) -> set[int]:
    """The options whose text occurs, as whole words; one inside another that occurs does not count."""
    said = folded(flat)
    found: set[int] = set()
    for index in sorted(range(len(names.folded)), key=lambda i: -len(names.unique[i])):
        pattern = rf"(?<![\w.]){re.escape(names.unique[index])}(?![\w]|\.\d)"
        if names.unique[index] and not names.is_letter(index) and re.search(pattern, said):
            found.add(index)
            said = re.sub(pattern, " \0 ", said)
    return found


_WORDS = re.compile(r"[^\W_]+")
_SMALL = frozenset(
    ("and", "or", "the", "a", "an", "of", "in", "is", "are", "it", "to", "for", "by", "as", "that")
)


def longer_may_be_meant(near: str, index: int, names: Names) -> bool:
    """Are there words near an option's text that another option, in which it is contained, has besides it?

    "It increases, and then decreases": the option "It increases and then decreases" may be meant.
    """
    own = _WORDS.findall(names.folded[index])
    said = _WORDS.findall(near.casefold())
    rest = set(said) - set(own) if own else set()
    for other in range(len(names.folded)) if rest else ():
        words = _WORDS.findall(names.folded[other])
        if other == index or not _within(own, words):
            continue
        more = set(words) - set(own)
        if rest & (more - _SMALL or more):
            return True
    return False


def _within(words: Sequence[str], others: Sequence[str]) -> bool:
    """Do all these words occur in the others, one behind the other?"""
    starts = range(len(others) - len(words) + 1) if len(words) < len(others) else ()
    return any(others[start : start + len(words)] == words for start in starts)


def without_article(name: str) -> str:
    return re.sub(r"^(?:the|a|an|der|die|das|le|la|el) ", "", name)


ARTICLE = re.compile(r"\A(?:the|an?)[ \t]+", re.IGNORECASE)


def text_at(raw: str, flat: str, start: int, names: Names) -> tuple[int | None, int]:
    """The option whose text stands there, up to the end of its line or sentence, and where it ends."""
    begin = start
    while begin < len(flat) and flat[begin] in " \t\n:,(" and raw[begin] in " \t\n:,(*`\"'":
        begin += 1
    stop = raw.find("\n", begin)
    longest = max(map(len, names.options)) + 80
    limit = stop if 0 <= stop < begin + longest else begin + longest
    line, said = flat[begin:limit], raw[begin:limit]
    for end in (len(line), *_ends(line)):
        index = names.exactly(said[:end])
        if index is None:
            index = names.loosely(line[:end])
        if index is None and (article := ARTICLE.match(line)):  # "a queue", where the option is "Queue"
            index = names.loosely(line[article.end() : end])
        index = names.by_number(line[:end]) if index is None else index
        if index is None and end == len(line) == len(flat[begin:].rstrip()):
            index = names.shortly(line) if line.casefold() != line or _EVERY.match(line) else None
        if index is not None:
            return (None, start) if _others_follow(line[end:], index, names) else (index, begin + end)
    return None, start


def _others_follow(rest: str, index: int, names: Names) -> bool:
    """Is it the first of several: "Paris, Rome, Madrid."?"""
    pieces = [piece for piece in re.split(r"[,;]|\b(?:and|or)\b", rest.strip(" .!*")) if piece.strip()]
    found = [names.loosely(piece) for piece in pieces[:26]]
    bare = all(re.fullmatch(r"\s*[^\W\d]+\s*", piece) for piece in pieces)
    bare = bare and (len(pieces) > 1 or (len(pieces) == 1 and any("," in option for option in names.options)))
    if bare or re.match(r"[,;]\s*(?:unless|except|some (?:would|might)|said)\b", rest):
        return True
    return bool(found) and None not in found and set(found) != {index}


def _ends(line: str) -> list[int]:
    """Where what is named may end before its line does, the longest first; never inside of a formula."""
    several = (  # "2, 3", "Paris, or possibly Rome", "Paris, Lyon and Nice."
        r"(?!\d|\s*(?:or|and)\b)(?!(?<=\d[,;])\s*[-+−]?\d+(?!\w|\s+(?:times|plus|minus|x)\b))"
        r"(?!(?<=[,;])\s*[A-Z]\w+(?:,\s[A-Z]\w+)*,?\s(?:and|or)\s[A-Z]\w+[.!]?\s*$)"
    )
    pattern = (
        rf"[.!](?=\s)|[,;(]{several}|\s[-–—(](?!\s*or\b)(?=[^\n]*[^\W\d_]{{2}})"
        r"|\s(?:because|since|as|which|for|it\s+is)\b"
    )
    return [match.start() for match in re.finditer(pattern, line)][::-1][:20]
