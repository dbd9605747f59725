"""Do the words around a call say that it is not made: "I will not call", "is not needed", "if I could"?

A denial stands right before the call, with nothing between that begins something new ("I will not guess; I
call" denies no call), or right behind it. Offers, conditions and calls made before are none either.
"""

from __future__ import annotations

import re

from tiltyard.suites.tools.leads import LONGEST_LEAD, SENTENCE, last_line, plain_words

CALLING = r"(?:call(?:ing)?|us(?:e|ing)|invok(?:e|ing)|run(?:ning)?|execut(?:e|ing))"
TOOL = r"(?:the|a|an|to|functions?|tools?)"
FILL = (  # between "not" and the call
    r"(?:able|allowed|going|need(?:ed)?|necessary|required|possible|useful|helpful|appropriate|have|want|plan|be"
    rf"|actually|even|really|called|used|mak(?:e|ing)|send(?:ing)?|for|of|like|{CALLING}|{TOOL}"
    r"|ability|calls?|such|as)"
)
NO = (
    r"(?<![\w'])(?:not|never|cannot|\w{2,6}n't|no (?:need|reason|point|use)|unnecessary|instead of"
    r"|in place of|rather than|without|avoid|refrain from)"
)
DENIED = re.compile(rf"{NO} (?:{FILL} ){{0,10}}$", re.IGNORECASE)
# above a call, or before a colon, only "not call" does: "not needed:" tells of something else
DENIED_ABOVE = re.compile(
    rf"{NO} (?:{FILL} ){{0,8}}{CALLING} (?:{TOOL} ){{0,4}}(?<!functions )(?<!tools )$", re.IGNORECASE
)
IF_ONLY = re.compile(  # said of a call that would be made, in the sentence before it or around it
    r"\bif i (?:could|had|were|was able)\b|\bif you (?:say|said|tell|told|give|gave|share|provide)\b"
    r"|\b(?:once|as soon as) (?:i (?:have|know)|you)\b|\bbefore i (?:can )?call\b"
    r"|\bi (?:could|can)\b.*\bif you(?:'d| would)? like\b"
    r"|\b(?:theoretically|hypothetically)\b|\b(?:could|would) have (?:called|used)\b"
    r"|\bfor (?:example|instance)\b.*\bwould\b",
    re.IGNORECASE,
)
MENTIONED = re.compile(  # only where the call is a word of the sentence
    r"(?:\bsuch as|\be\.g\.,?|\bfor (?:example|instance),?|[\"'] ?(?:→|->|=>)) ?$", re.IGNORECASE
)
OFFER = re.compile(
    r"\b(?:would you like|do you want|(?:shall|should|may|can|could) i"
    r" (?:call|use|run|do|check|get|look|make|send|execute|go ahead|proceed))\b[^?]*\?? $",
    re.IGNORECASE,
)
CITED = re.compile(
    r"\b(?:according to|based on|(?:result|output)s? of|came from|previous|earlier|already"
    r"|(?:i|we) (?:\w+ )?(?:used|called|made|ran|invoked)|calls? (?:used|made|was|were))\b",
    re.IGNORECASE,
)
CITED_BEHIND = re.compile(
    r"[`\"'*)\]]{0,4},? (?:which |call )?(?:returned|failed|gave|told|sa(?:id|ys)|show(?:s|ed))\b"
)
TWICE = re.compile(  # no denial: "why not call", "I cannot know without"
    r"\bwhy\b|(?:\b(?:no|not|cannot|never|impossible)\b|n't\b).*\bwithout\b", re.IGNORECASE
)
ACCEPTED = re.compile(r"\? (?:now i do\b|yes[.!])", re.IGNORECASE)  # behind an offer that is taken at once
DENIED_BEHIND = re.compile(
    r"[`\"'*)\]]{0,4}(?:\? no\b(?! (?:problem|doubt|worries))| makes no sense\b"
    r"| would(?: have|'ve) been\b| (?:is|was|would|will|does|do|can|could|should)"
    r"(?:(?:n't|not| not| never)(?: be)? (?:needed|necessary|required|helpful|help|useful|apply|appropriate"
    r"|possible|called|used|make sense|work|suitable|relevant|available)|(?: be)? unnecessary)\b)"
    r"(?! (?:twice|again|any ?more))",
    re.IGNORECASE,
)
WRONG = re.compile(  # a label of what is not meant
    r"\W*(?:wrong|incorrect|invalid|bad|not|don't|do not|avoid)"
    r"(?: (?:call|answer|way|format|form|example|one|output|response|like this|this))?",
    re.IGNORECASE,
)
TAKEN_BACK = re.compile(  # behind the last call
    r"\b(?:ignore|disregard|scratch|cancel|skip) (?:the |that |this |my )?"
    r"(?:(?P<which>first|second|third|fourth|last|latter|previous) )?(?:tool |function )?call(?P<all>s)?\b"
    r"|\bno (?:tool |function )?(?P<none>call) (?:is |was )?(?:needed|necessary|required)\b",
    re.IGNORECASE,
)
JOINED = re.compile(
    r"[ \t`*)\]\"'}]*(?:,?[ \t]*(?:and|n?or) |,?\n[ \t]*[-*•] )?[ \t`*([\"'{]*", re.IGNORECASE
)
LISTED = re.compile(r"[`*,.]{0,4}[ \t]*(?:#[^\n]*|//[^\n]*)?\n[ \t]*(?:[-*•]|\d{1,3}[.)])?[ \t`*]*")
OPENING = " `\"'([{*•:>-\n\t"  # between the words and a call


def is_denied(before: str, behind: str) -> bool:
    """Do the words around a call say that it is not made: "I will not call", "no need for", "wrong:"?"""
    words = plain_words(before)
    head = words.rstrip(OPENING)
    between, line = words[len(head) :], last_line(head)
    if ":" in between and WRONG.fullmatch(line):
        return True
    sentence = last_sentence(line)
    denied = DENIED_ABOVE if ":" in between or "\n" in between else DENIED
    if denied.search(sentence) is not None and not TWICE.search(sentence):
        return True
    asked = behind.lstrip("`\"'*)]} \n")
    asks = head.endswith("?") or (asked.startswith("?") and not ACCEPTED.match(asked))
    if IF_ONLY.search(sentence) is not None or (asks and OFFER.search(sentence) is not None):
        return True
    if ":" not in between and "\n" not in between and MENTIONED.search(f"{head} ") is not None:
        return True
    return DENIED_BEHIND.match(behind.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None


def is_cited(before: str, behind: str) -> bool:
    """Do the words around an earlier call speak of it: "I used", "according to", "f() failed"?"""
    sentence = last_sentence(last_line(plain_words(before).rstrip(OPENING)))
    return CITED.search(sentence) is not None or CITED_BEHIND.match(behind) is not None


def last_sentence(line: str) -> str:
    """The words right before a call, as the patterns take them: with a space behind."""
    return SENTENCE.split(line)[-1][-LONGEST_LEAD:] + " "


def goes_on(between: str) -> bool:
    """Is there nothing but an "and" between a call that is not made and the next one?"""
    return JOINED.fullmatch(between) is not None
