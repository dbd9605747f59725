"""Do the words around a call say that it is not made: "I will not call", "is not needed", "wrong:"?

A denial stands right before the call, with nothing between that begins something new ("I will not guess; I
call" denies no call), or right behind it.
"""

from __future__ import annotations

import re

from tiltyard.suites.tools.leads import LONGEST_LEAD, SENTENCE, last_line, plain_words

CALLING = r"(?:call(?:ing)?|us(?:e|ing)|invok(?:e|ing)|run(?:ning)?|execut(?:e|ing))"
TOOL = r"(?:the|a|an|to|functions?|tools?)"
FILL = (  # between "not" and the call
    r"(?:able|allowed|going|need(?:ed)?|necessary|required|possible|useful|helpful|appropriate|have|want|plan|be"
    rf"|actually|even|really|called|used|mak(?:e|ing)|send(?:ing)?|for|of|like|{CALLING}|{TOOL})"
)
NO = (
    r"(?<![\w'])(?:not|never|cannot|\w{2,6}n't|no (?:need|reason|point|use)|unnecessary|instead of"
    r"|in place of|rather than|without|avoid|refrain from)"
)
DENIED = re.compile(rf"{NO} (?:{FILL} ){{0,8}}$", re.IGNORECASE)
# above a call, or before a colon, only "not call" does: "not needed:" tells of something else
DENIED_ABOVE = re.compile(rf"{NO} (?:{FILL} ){{0,8}}{CALLING} (?:{TOOL} ){{0,4}}$", re.IGNORECASE)
TWICE = re.compile(  # no denial: "why not call", "I cannot know without"
    r"\bwhy\b|(?:\b(?:no|not|cannot|never|impossible)\b|n't\b).*\bwithout\b", re.IGNORECASE
)
DENIED_BEHIND = re.compile(
    r"[`\"'*)\]]{0,4}(?:\? no\b(?! (?:problem|doubt|worries))| (?:is|was|would|will|does|do|can|could|should)"
    r"(?:(?:n't|not| not| never)(?: be)? (?:needed|necessary|required|helpful|help|useful|apply|appropriate"
    r"|possible|called|used|make sense|work|suitable|relevant|available)|(?: be)? unnecessary)\b)",
    re.IGNORECASE,
)
WRONG = re.compile(  # a label of what is not meant
    r"\W*(?:wrong|incorrect|invalid|bad|not|don't|do not|avoid)"
    r"(?: (?:call|answer|way|format|form|example|one|output|response|like this|this))?",
    re.IGNORECASE,
)
JOINED = re.compile(r"[ \t`*,)\]\"'}]*(?:(?:and|n?or) |\n[ \t]*[-*•] )?[ \t`*([\"'{]*", re.IGNORECASE)
OPENING = " `\"'([{*•:>-\n\t"  # between the words and a call


def is_denied(before: str, behind: str) -> bool:
    """Do the words around a call say that it is not made: "I will not call", "no need for", "wrong:"?"""
    words = plain_words(before)
    head = words.rstrip(OPENING)
    between, line = words[len(head) :], last_line(head)
    if ":" in between and WRONG.fullmatch(line):
        return True
    sentence = SENTENCE.split(line)[-1][-LONGEST_LEAD:] + " "
    denied = DENIED_ABOVE if ":" in between or "\n" in between else DENIED
    if denied.search(sentence) is not None and not TWICE.search(sentence):
        return True
    return DENIED_BEHIND.match(behind.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None


def goes_on(between: str) -> bool:
    """Is there nothing but an "and" between a call that is not made and the next one?"""
    return JOINED.fullmatch(between) is not None
