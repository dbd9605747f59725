"""What the words before a call make of it: one more, a correction of earlier ones, the final one, or none.

Decided by these words alone, however calls are written. Which calls are left is decided in `meant.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NamedTuple

Role = Literal["more", "missed", "instead", "anew", "aside"]

DOING = r"(?:let me|i(?:'ll| will| should| must| need to| have to)) (?:\w+ )?"
ANSWER = r"(?:answer|response|reply|output|json|version|format|list|array|(?:tool |function )?calls)\b"
ANEW = re.compile(  # all of it, once more; not "the final answer will be", of what is still to come
    r"(?<!for the )(?<!for a )(?<!give a )(?<!give the )(?<!give you the )(?<!give you a )"
    rf"\b(?:final|complete) {ANSWER}(?! (?:will|would|can|could|may|might|depends)\b)|\bstart over\b"
    r"|\bto summari[sz]e\b|\bhere are (?:both|all)\b"
    r"|\b(?:summary|recap|overview) of (?:the |all |my |these ){0,2}(?:tool |function )?calls\b",
    re.IGNORECASE,
)
SAID_BEFORE = re.compile(r"\b(?:this|that|these|those|it|above)\b[^:]*$", re.IGNORECASE)
CORRECTED = re.compile(  # not "the correct call for Rome", which may be one of several
    r"\b(?:corrected|correction|revised|oops|my mistake|my bad|on second thought|scratch that)\b"
    r"|\battempt\b(?! to)"
    rf"|\b{DOING}(?:correct|fix|revise|redo|rewrite|rethink|reconsider)\b"
    rf"|\b{DOING}try (?:(?:that|this|it) )?again\b"
    r"|\bi made (?:a|an) (?:\w+ )?(?:mistake|error)\b|\bthat(?:'s| is| was) (?:the )?wrong\b"
    rf"|\b(?:correct|proper|fixed|updated) {ANSWER}"
    r"|\b(?:wait\b|actually\b|no,)[^.!?\n]{0,200}(?<!\bi) should\b(?! also)"
    r"|\bshould have been(?: like this)?\s*:",
    re.IGNORECASE,
)
CORRECT = re.compile(  # a correction, too, but of "the correct call for Rome", "the other one should be:"
    r"\b(?:correct|right|proper|fixed|updated) (?:\w+ )?call(?: is\b|:)|\bshould be(?: like this)?\s*:",
    re.IGNORECASE,
)
TURNED = re.compile(  # a correction too, unless it goes on with one more
    r"(?<!please )(?<!for the )\bwait\b(?!,? (?:a |while|for|until|there))"
    r"|\b(?:hold on(?! while)|hmm+(?!,? (?:now|next) )|actually(?!,? i (?:also )?need )"
    r"|sorry(?! for the wait)|apologies|instead(?! of))\b",
    re.IGNORECASE,
)
MORE = re.compile(
    r"^\W*(?:and|or(?! rather| better)|then|next|now for|similarly|likewise|finally|secondly|after that)\b"
    r"|\b(?:also|too|as well|in addition|additionally|second|third|another|one more|the other)\b",
    re.IGNORECASE,
)
MISSED = re.compile(  # a call, or an argument of one: not "forgot to set the unit", which is a correction
    r"\b(?:forgot|forgotten|missed|overlooked|omitted|left out)\b"
    r"(?! (?:that|how|to (?:set|use|pass|specify|convert|quote|escape|close|give))\b)"
    r"|\b(?:one|two|three|some|more) (?:\w+ ){0,3}(?:left|remains?|remaining|missing)\b"
    r"|\b(?:is|are) (?:still )?(?:left|remaining|missing)\b"
    r"|\bthe (?:next|remaining|missing|following)(?: \w+)? (?:should|must) be\b",
    re.IGNORECASE,
)
EXCLAIMED = re.compile(
    r"\W*(?:oh|no|oops|wait|sorry|hmm+|actually|hold on|my mistake|my bad)\W*", re.IGNORECASE
)
ASIDE = re.compile(
    r"^\W*if (?:this|that|it|the user)\b|\b(?:example|for instance|if you)\b"
    r"|\be\.g\.|\bresults? (?:is|was|will|would|could|might|may|looks)\b"
    r"|\b(?:returns|returned|(?:would|will) return)\b",
    re.IGNORECASE,
)
DRAFT = re.compile(
    r"\b(?:example(?! of)|for instance|draft(?! the\b)|first (?:attempt|try|thought)|attempt 1)\b|\be\.g\.",
    re.IGNORECASE,
)
ORDINALS = ("first", "second", "third", "fourth")
ORDINAL = re.compile(
    rf"\bthe ({'|'.join(ORDINALS)})\b(?! (?:attempt|try|time|thought|look|version|answer)\b)", re.IGNORECASE
)
FINAL = re.compile(  # of what follows a draft
    r"\bfinal(?:ly|i[sz]ed)?\b|\b(?:the|my|your) (?:(?:actual|real) )?(?:answer|request|question|task)\b",
    re.IGNORECASE,
)
BLANK = re.compile(r"\n[ \t]*\n")
CONCLUSION = re.compile(r"(?:^\W{0,9}|, ?)(?:and )?(?:so|thus|therefore|hence)\b", re.IGNORECASE)
HERE = re.compile(r"\bhere(?:'s| is| are) the\b", re.IGNORECASE)
THE_CALL = re.compile(rf"\b(?:call|{ANSWER})\b", re.IGNORECASE)
ANOTHER = re.compile(  # "so for Rome the call is" may go on with one more
    r"\bnext\b|\bfor (?!you\b|your\b|this\b|that\b|it\b|the (?:request|task|query|question|user)\b)",
    re.IGNORECASE,
)
COULD = re.compile(
    r"\b(?:i|we|one|you) (?:could|might|may)\b|\b(?:perhaps|maybe|something like)\b", re.IGNORECASE
)
BULLET = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t`*]*$")
SENTENCE = re.compile(r"[.!?;]\s")
MARK = re.compile(r"^[ \t]*```[^\n]*$", re.MULTILINE)  # of a fence around what is no call, or around a tag
NUMBERED = re.compile(r"\b(?:calls?|steps?|requests?|functions?|tools?) ?#?\d|^\W*\d+[.):]", re.IGNORECASE)
MADE_AGAIN = re.compile(  # not "the call again", which is said again
    r"^\W*(?:(?:and|then|now) ){0,2}(?:again|once more|one more time)\W*$"
    r"|(?<!\bthe )(?<!\bmy )\b(?:call|run|do|make|send|repeat|use|invoke|execute|ask)\b[^.:;]{0,40}"
    r"\b(?:again|once more|one more time|twice|an?other time|a second time)\b"
    r"|\b(?:i|i'll|let me|now|then|and) repeat\b",
    re.IGNORECASE,
)
SAID_AGAIN = re.compile(r"\bhere\b|\bto (?:repeat|sum|say|state|write)\b|\bformat\b", re.IGNORECASE)
TWO_WORDS = re.compile(r"[^\W\d_]{2}[,:]?\s+[^\W\d_]{2}")
FORM = re.compile(r"\b(?:format|form|syntax|structure|template)\b", re.IGNORECASE)
ALIKE = 0.6  # of the words of two lines
LONGEST = 2_000  # characters of the words before a call
LONGEST_LEAD = 300  # characters of the sentence that announces one


class Earlier(NamedTuple):
    """What was said of the calls before."""

    draft: bool = False  # an example, or a form to be filled in
    loose: bool = False  # only mentioned within a sentence, or as what could be called
    line: str = ""  # that announced the last of them


def role_of(said: str, earlier: Earlier) -> Role:
    """What the words between two calls make of the later one.

    Only a line that ends with a colon announces what is no call; others speak of the call before.
    """
    words = plain_words(said)
    line = last_line(words)
    if is_alike(line, earlier.line):
        return "more"
    if any(map(begins_anew, words.strip().splitlines())):
        return "anew"
    if tells_missed(words):
        return "missed"
    another = ANOTHER.search(line) or MORE.search(line)
    if CORRECTED.search(words) or (CORRECT.search(words) and not another):
        return "instead"
    lead = last_line(BULLET.sub("", words))
    if lead.endswith((":", ":**")) and ASIDE.search(lead):
        return "aside"
    if earlier.draft and (FINAL.search(line) if line else BLANK.search(words)):
        return "anew"
    if MORE.search(line) or NUMBERED.search(line) or not line:
        return "more"
    if earlier.draft or (concludes(line, earlier.loose) and not any(map(MORE.search, words.splitlines()))):
        return "anew"
    return "instead" if TURNED.search(words) else "more"


def is_alike(line: str, before: str) -> bool:
    """Are two lines of one form, so that each announces a call of its own: "The call for Rome should be:"?"""
    mine, theirs = line.lower().split(), before.lower().split()
    shared = sum((Counter(mine) & Counter(theirs)).values())
    return line.endswith((":", ":**")) and len(mine) > 2 and shared >= ALIKE * max(len(mine), len(theirs))


def tells_missed(words: str) -> bool:
    """Do words tell of a call that was left out, and of nothing to be corrected?"""
    sentences = [each for line in words.splitlines() for each in SENTENCE.split(line)]
    rest = [each for each in sentences if not (MISSED.search(each) or EXCLAIMED.fullmatch(each))]
    return len(rest) < len(sentences) and MISSED.search(words) is not None and not any(map(corrects, rest))


def corrects(sentence: str) -> bool:
    return CORRECTED.search(sentence) is not None or TURNED.search(sentence) is not None


def begins_anew(line: str) -> bool:
    """Does a line announce all of the answer, and not say of the calls before that they were it?"""
    return ANEW.search(line) is not None and not SAID_BEFORE.search(line)


def concludes(line: str, loosely: bool) -> bool:
    """Does a line announce the one call that was arrived at: "So the call is:"? `loosely`: "so:", "here is
    the call:".
    """
    sentence = SENTENCE.split(line)[-1].rstrip("* `")[-LONGEST_LEAD:]
    if not sentence.endswith(":") or ANOTHER.search(sentence):
        return False
    so, the_call = CONCLUSION.search(sentence), THE_CALL.search(sentence)
    return bool((so and (the_call or loosely)) or (loosely and the_call and HERE.search(sentence)))


def said_of(said: str, names_a_tool: bool, before: Earlier, stands: bool) -> Earlier:
    """What the words before a call make of it: an example, a form to be filled in, or one that could be made.

    Where there are none, it is what the call before it is.
    """
    words = plain_words(said)
    line = last_line(words)
    if not any(map(str.isalnum, words)):
        return Earlier(before.draft, before.loose or not stands, before.line)
    draft = DRAFT.search(line) is not None or (not names_a_tool and FORM.search(line) is not None)
    return Earlier(draft, not stands or COULD.search(line) is not None, line)


def place_named(said: str) -> int | None:
    """The place of the call that the words before another name: "the second"."""
    named = ORDINAL.search(said[-LONGEST:])
    return None if named is None else ORDINALS.index(named[1].lower())


def says_again(said: str, in_fence: bool) -> bool:
    """May a call behind these words be an earlier one said again? Not the next of a numbered list; and one
    without a fence only behind words of another kind than "and" or "x =".
    """
    line = last_line(plain_words(said))
    if NUMBERED.search(line) or (MADE_AGAIN.search(line) and not SAID_AGAIN.search(line)):
        return False
    told = TWO_WORDS.search(line) is not None or line.endswith((":", ":**"))
    return in_fence or (told and "=" not in line and MORE.search(line) is None)


def plain_words(said: str) -> str:
    return MARK.sub("", said[-LONGEST:]).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def last_line(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1].strip() if lines else ""
