"""Is an answer withdrawn behind its place: by a second one that differs, or by the model's own words?

A second answer is another letter or option that stands bare ("D.", "so Madrid it is"), that the words before
it turn to ("Changing to D"), or that is called right or better. What is told of other options under some
condition or heading, or as a thing of its own, withdraws nothing. `extract.py` asks last, with plain text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from tiltyard.suites.mcq.doubt import denies
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import denies_abroad
from tiltyard.suites.mcq.names import Names, mentioned
from tiltyard.suites.mcq.rival_words import (
    ARROWS,
    BUT,
    CASE,
    CHANGED_TO,
    CONCLUDED,
    CONDITION,
    CONTRAST,
    DISCOUNTS,
    ELSEWHERE,
    ENDS,
    EQUALLY,
    FAVOURED,
    FILL,
    GIVES,
    HEADING,
    IT_IS,
    ITEM,
    ITEM_GIVEN,
    ITEM_TURNS,
    LATIN,
    LETTER,
    LISTED,
    LISTED_ON,
    MARKS,
    MORE,
    NOT_THAT,
    OF_ALL,
    OF_ITSELF,
    OF_THE_PAST,
    ONE_ALONE,
    ONLY_IF,
    OPTION_MARK,
    OTHER_HEADING,
    OWN_WRONG,
    PARTLY,
    PRONOUN,
    REASON,
    SAID_FIRST,
    SENTENCE,
    SO,
    THING,
    TURNING,
    UNREAL,
    WRONG_ABROAD,
)

NEAR = 240  # characters on each side that are looked at, of one sentence


class _Sentence(NamedTuple):
    begin: int
    end: int
    asked: bool  # the one before it on its line is a question: "Duty? Yes."


def rivalled(flat: str, end: int, option: int, names: Names) -> bool:
    """Does what follows a claim that ends there put another option forward, or call the answer wrong?"""
    if end >= len(flat):
        return False
    if _items_give(flat, end, option, names):
        return True
    told = flat[end:].casefold()
    texts = any(name and name in told for place, name in enumerate(names.unique) if place != option)
    for sentence in _sentences(flat, end):
        if _is_item(flat, max(end, flat.rfind("\n", 0, sentence.begin) + 1), option, names):
            continue
        if any(
            _given(flat, match, sentence, option, names)
            for match in LETTER.finditer(flat, sentence.begin, sentence.end)
            if _index(match) != option and 0 <= _index(match) < len(names.folded)
        ):
            return True
        if texts and _text_given(flat[sentence.begin : sentence.end], sentence, option, names):
            return True
    return called_wrong(flat, end, names)


def _sentences(flat: str, end: int) -> Iterator[_Sentence]:
    begin, asked = end, False
    for match in SENTENCE.finditer(flat, end):
        yield _Sentence(begin, match.start(), asked)
        if match[0] == "\n" or flat[begin : match.start()].strip():
            asked = match[0] == "?" and not OF_ITSELF.search(flat, begin, match.start())
        begin = match.end()
    yield _Sentence(begin, len(flat), asked)


def _is_item(flat: str, line: int, option: int, names: Names) -> bool:
    """Does another option's mark begin that line, as in a list that explains them: "C. Rome is in Italy"?"""
    item = ITEM.match(flat, line, min(len(flat), line + NEAR)) if flat[line - 1] == "\n" else None
    if item is None or not option != LETTERS.find(item["letter"]) < len(names.folded):
        return False
    turned = ITEM_TURNS.search(flat[line : line + NEAR].partition("\n")[0])
    return turned is None or denies(flat[line : line + NEAR].partition("\n")[0])


def _items_give(flat: str, end: int, option: int, names: Names) -> bool:
    """Is one of the items below another answer: the only one, or the only other one that is called right?"""
    if of_all(names, option):
        return False
    items, bare, given, above = 0, 0, 0, ""
    for line in filter(str.strip, flat[end:].split("\n")[1:]):
        item = ITEM.match(line)
        index = -1 if item is None else LETTERS.find(item["letter"])
        heading, above = above, line.strip()
        if item is None or not 0 <= index < len(names.folded):
            continue
        words, own = line[item.end() :], names.options[index]
        behind = words[len(own) :] if own and words.casefold().startswith(own.casefold()) else words
        items += 1
        if items > 2 * len(names.folded):  # no list of the options
            return False
        if index != option:
            named = OPTION_MARK.match(line) or (heading.endswith(":") and not HEADING.search(heading))
            bare += names.loosely(words) == index and not named
            given += ITEM_GIVEN.match(behind[:NEAR]) is not None and not denies(behind) and "?" not in behind
    return (items == bare == 1 and len(names.folded) > 2) or given == 1


def _index(match: re.Match[str]) -> int:
    return LETTERS.find(match[0].translate(LATIN))


# ------------------------------------------------------------------ a second answer


def _turns(before: str, sentence: _Sentence, names: Names, to: tuple[int, int, bool]) -> bool:
    """Do the words before a letter or text in its sentence lead to it as an answer?

    `to`: its option and the one that was given, and whether it may as well be one of the reasons: a text, or
    a letter that the sentence goes on behind.
    """
    index, option, strict = to
    bracket = max(before.rfind("("), before.rfind("["))
    if bracket > max(before.rfind(")"), before.rfind("]")) and before[bracket + 1 :].strip():
        return (HEADING.search(before) or TURNING.search(before, bracket)) is not None
    marks = list(MARKS.finditer(before))
    topic, fill = (before[: marks[-1].start()], before[marks[-1].end() :]) if marks else ("", before)
    if FILL.fullmatch(fill) is None:
        return False
    if TURNING.search(before):
        return True
    if (CONDITION.search(before) and (UNREAL.search(before) or not SO.match(fill))) or (
        denies(fill) and not topic
    ):
        return False
    if marks and marks[-1][0] in (":", *ARROWS):
        outcome = marks[-1][0] in ARROWS and re.search(r"\d", topic) is not None  # "2*4 = 8 → C"
        heading = HEADING.search(topic) is not None and OTHER_HEADING.search(topic) is None
        return (outcome or heading) and not CASE.match(topic)
    if not topic.strip():
        return not sentence.asked
    words, pronoun = len(re.findall(r"\w+", topic)), PRONOUN.search(fill) is not None
    against = {option} if pronoun and SO.match(fill) else set()  # "Melbourne no longer is, so it must be C."
    if CASE.match(topic) or _named(topic, names) - {index} - against:
        return False
    if not strict or words <= (4 if pronoun else 2):
        return True
    return pronoun and (REASON.match(topic) or SO.match(fill)) is not None


def _given(flat: str, match: re.Match[str], sentence: _Sentence, option: int, names: Names) -> bool:
    """Is this letter a second answer?"""
    start, end = match.span()
    before = flat[max(sentence.begin, start - NEAR) : start]
    behind = flat[end : end + NEAR]
    favoured = FAVOURED.match(behind) if match[0] != "I" else None  # "I could as well"
    if favoured is not None and of_all(names, option) and not alone_right(before, behind):
        return False
    if favoured is not None:
        return not THING.search(before) and _favours(before, behind, favoured)
    ended = ENDS.match(behind)
    if LISTED_ON.match(behind) or LISTED.search(before):
        return False
    if CHANGED_TO.search(before) and not denies(before):
        return True
    if ended is None or _own_line(flat, match):
        return False
    rest = re.split(r"[.!?\n]", behind)[0]
    told = ended["by"] == "," and NOT_THAT.match(behind) is None  # the sentence goes on behind it
    if told and (denies(rest) or denies_abroad(rest)):
        return False
    if GIVES.search(before):
        return _now_given(before)
    return not THING.search(before) and _turns(before, sentence, names, (_index(match), option, told))


def _now_given(before: str) -> bool:
    """Do the words before it give it now and in this case: not "I almost said", "for Italy, choose"?"""
    if denies(before) or CASE.match(before):
        return False
    past = OF_THE_PAST.search(before) or DISCOUNTS.search(before)
    return past is None or EQUALLY.search(before) is not None


def _favours(before: str, behind: str, favoured: re.Match[str]) -> bool:
    """Is it called right or better in this case, not in another, nor "is plausible, but ..."?"""
    said = MARKS.split(re.split(r"[.!?\n()]", behind[: favoured.end() + 40])[0])
    if PARTLY.search(said[0]) or denies_abroad(favoured[0]):
        return False
    clause = MARKS.split(before)[-1]
    if denies(clause) or DISCOUNTS.search(clause):
        return False
    turned = TURNING.search(before + favoured[0]) or EQUALLY.search(before + favoured[0])
    if not turned and (CASE.match(before) or CONDITION.search(before)):
        return False
    return MORE.search(favoured[0]) is not None or not BUT.search(re.split(r"[.!?\n]", behind)[0])


def of_all(names: Names, option: int) -> bool:
    """Is it "all of the above" or its like, for which "B is right" is a reason?"""
    return OF_ALL.match(names.folded[option]) is not None


def alone_right(before: str, behind: str) -> bool:
    """Is an option called the only or the best one, or others wrong beside it? Then not all are right."""
    rest = re.split(r"[.!?\n]", behind)[0]
    favoured = FAVOURED.match(rest)
    if ONE_ALONE.search(before) or ONE_ALONE.match(rest) or (favoured and MORE.search(favoured[0])):
        return True
    return denies(rest) and LETTER.search(rest) is not None


def in_another_case(flat: str, start: int, end: int) -> bool:
    """Is a claim at that place about another case: "For Italy, C is correct", "C is right for Italy"?"""
    before = SENTENCE.split(flat[max(0, start - NEAR) : start])[-1]
    if CONDITION.search(before) or CASE.match(before):
        said = before + flat[start:end]
        return not TURNING.search(said) and not CONCLUDED.search(said)
    return ELSEWHERE.match(flat, end) is not None


def _own_line(flat: str, match: re.Match[str]) -> bool:
    """Is it alone on a line below others? `_standing` has looked at those."""
    line = flat[max(flat.rfind("\n", 0, match.start()) + 1, match.start() - NEAR) : match.start()]
    return (
        re.search(r"\w", line) is None
        and re.match(r"[^\w\n]*(?:\n|\Z)", flat[match.end() :][:NEAR]) is not None
    )


def _text_given(said: str, sentence: _Sentence, option: int, names: Names) -> bool:
    """Is another option's text a second answer: "Upon review, it is Madrid.", "Madrid is better"?"""
    index = _only_one_in(said, names)
    if index is None or index == option:
        return False
    said = CONTRAST.sub("", said)
    marks = list(MARKS.finditer(said))
    at = marks[-1].end() if marks else 0
    clause = IT_IS.sub("", said[at:])
    for begin in _beginnings(clause):
        if names.loosely(clause[begin:]) == index:
            before = said[: at + begin]
            if CHANGED_TO.search(before) or GIVES.search(before):
                return _now_given(before)
            return _turns(before, sentence, names, (index, option, clause == said[at:]))
        if names.loosely(_favoured_end(clause[begin:])) == index:
            return bool(TURNING.search(said)) or not (CASE.match(said) or CONDITION.search(said))
    turned = marks and TURNING.search(said[: marks[0].start()])
    return (
        bool(turned) and not denies(said) and not CONDITION.search(said) and index in mentioned(said, names)
    )


def _beginnings(clause: str) -> Iterator[int]:
    """Where in a clause an option's text may begin: at once, or behind words that lead to it."""
    for word in itertools.islice(re.finditer(r"(?<!\S)\S", clause), 12):
        before = clause[: word.start()]
        if len(before) > NEAR:  # no words that only lead to it are as long
            return
        if FILL.fullmatch(before) or CHANGED_TO.search(before) or GIVES.search(before):
            yield word.start()


def _only_one_in(sentence: str, names: Names) -> int | None:
    """The one option whose text occurs; one inside another that occurs does not count."""
    low = sentence.casefold()
    told = {name: place for place, name in enumerate(names.unique) if name and name in low}
    longest = [name for name in told if not any(name in other for other in told if other != name)]
    return told[longest[0]] if len(longest) == 1 else None


def _favoured_end(clause: str) -> str:
    """What is said to be right or better in a clause, up to there."""
    for match in re.finditer(r"(?=[ \t])", clause):
        favoured = FAVOURED.match(clause, match.start())
        if favoured is not None:
            rest = clause[match.start() :]
            return "" if PARTLY.search(rest) or denies_abroad(rest) else clause[: match.start()]
    return ""


# ------------------------------------------------------------------ its own words


def called_wrong(flat: str, end: int, names: Names) -> bool:
    """Is the answer itself called wrong: not an option in its line, nor somebody else's, nor perhaps?"""
    for match in OWN_WRONG.finditer(flat, end):
        before = SENTENCE.split(flat[max(end, match.start() - NEAR) : match.start()])[-1]
        if ONLY_IF.search(before):
            continue
        if match["mine"] or match["i"]:
            return True
        if match["the"] and not SAID_FIRST.fullmatch(before):
            continue
        line = flat[max(end, flat.rfind("\n", 0, match.start()) + 1) : match.end()]
        if not _named(line, names):
            return True
    return WRONG_ABROAD.search(flat, end) is not None


def _named(text: str, names: Names) -> set[int]:
    """The options whose letter or text occurs."""
    letters = {_index(found) for found in LETTER.finditer(text)}
    said = text.casefold()
    texts = {place for place, name in enumerate(names.unique) if name and name in said}
    return (letters & set(range(len(names.folded)))) | texts
