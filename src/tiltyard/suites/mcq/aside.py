"""What is said of an option that is not chosen: put aside, held back, under a condition, a word to the user.

Runs on the text behind an option's own; `texts.py` asks where a reply begins with one.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.names import ARTICLE, Names, mentioned
from tiltyard.suites.mcq.rungs import HEDGES, OVER

VERB = re.compile(r"\s+(?:is|are|was|were)\b")
_VERDICT = re.compile(r"yes|no|maybe|true|false|correct|incorrect|always|never|sometimes")
_TO_THE_USER = re.compile(  # "Yes, please go ahead." is no answer
    r"\b(?:let|here(?:['’]s| is| are)|please|sorry|of course|go ahead|more (?:context|information)|missing"
    r"|wait|(?:can|could|to) help|help you|questions?|ready|happy|assist\w*|send|provide|thanks?"
    r"|understood|got it|okay|ok|will do|following|incomplete|prompt|scope|attached|displayed|image|sir|your"
    r"|you(?:['’]re|['’]d)? (?:want|like|mean|ask(?:ed|ing)?|gave|did|didn|might|know|see)"
    r"|you (?:may|need to|should|must) (?:give|provide|tell|share|send|specify|ask|want)"
    r"|you (?:have|['’]ve) (?:not|n['’]t|given|asked|provided|said)"
    r"|we (?:need to|must|will|have to|start|begin|want|first|now)"
    r"|we (?:can|could|should) (?:now|first|work|start|begin|go|use|break|solve|look|try|see))\b"
)
_PLEASE = re.compile(r"\b(?:please|sorry|let['’]?s?|provide|your|prompt|attached)\b")
PUT_ASIDE = re.compile(  # what is said of an option that is not chosen
    r"\b(?:(?:is|are|was|were|be) out|(?:ruled|left) out|eliminated|excluded|rejected|dismissed|discarded"
    r"|avoided|withheld|contraindicated|in(?:appropriate|ferior|adequate|sufficient|effective)|un(?:likely|necessary"
    r"|safe|suitable|related|helpful)|irrelevant|impossible|possib\w+|plausible|premature|tempting|mistake"
    r"|harmful|dangerous|toxic|risky|outdated|obsolete|overused|overkill|alternative|adjunct|second-line"
    r"|reserved|rarely|mentioned|(?:one|some) of|(?:one|an|another|the (?:first|last|other|wrong)) "
    r"(?:option|choice|candidate)|my first)\b"
)
_CONDITION = (
    r"(?:if|unless|when|provided|assuming|depend\w*|(?:in|to) some|sometimes|part(?:ly|ially)|in theory"
    r"|rarely|only (?:if|when|in|for|with|under|after|before|a|an|one|to some))"
)
_ON_CONDITION = re.compile(rf"(?:but |and )?(?:it )?{_CONDITION}\b")
LIMITED = re.compile(rf"\b(?:{_CONDITION}|too|less|far (?:away|from|off|too|below|above))\b")
_HELD_BACK = re.compile(  # "Toronto is widely believed to be the capital.", "Insulin was already tried."
    r"\b(?:also|as well|likewise|only to|only\W*\Z|merely|just|simply|(?:was|were) once|already|"
    r"previous\w*|briefly|later|next|hardly|seldom|add-on|(?:widely|often|commonly|popularly|generally"
    r"|sometimes|wrongly|mistakenly) (?:believed|thought|assumed|mistaken|confused|said)|(?:mistaken"
    r"|confused) (?:for|with)|what (?:she|he|they|people|students|the patient)|last resort|second"
    r"|third|fourth|another|something|similar|related|different|runner-up|weakest|worst|worse|poor"
    r"|bad|banned|stopped|tried|off the table|aggressive|overpriced|close|worth considering|"
    r"a consideration|differential|distraction|in case of|had (?:she|he|it|they)|perhaps|least|to avoid"
    r"|the other|last of|until|by many|(?:reverse|opposite(?: process)?)\W*\Z|subtracted|added|"
    r"multiplied|divided|coefficient)\b|[✗❌✘]"
)
_BARE_COMPARATIVE = re.compile(  # "Sound is slower."
    r"\s+(?:is|are|was|were)\s+(?:more\s+\w+|further|(?!water|silver|paper|under|over|after|ever|never)\w+er)"
    r"(?:\s+away)?[.!]?\s*\Z"
)
_FIRST_CLAUSE = re.compile(r"[\s,.;:!(–—-]*([^,.;:!?\n]*)")
_SUBJECT = re.compile(  # a clause of its own, which tells why
    r"(?:it|this|that|they|there|he|she|we|you|which|who|its|their|the|all|no|every|each|because|since|as)\b"
)


def put_aside(behind: str, option: str) -> bool:
    """Does what follows put a condition, leave the option out, or speak to the user?"""
    clause = _FIRST_CLAUSE.match(behind)
    said = "" if clause is None else clause[1]
    if _VERDICT.fullmatch(option):  # what follows is about the statement
        return bool(_TO_THE_USER.search(behind) or _ON_CONDITION.match(said))
    if _PLEASE.search(behind) or PUT_ASIDE.search(said) or _BARE_COMPARATIVE.match(behind):
        return True
    if behind.lstrip()[:1] == ":" and not said.strip(" ✗❌✘"):
        return True
    own = _SUBJECT.match(said) if VERB.match(behind) is None else None
    return own is None and any(each.search(said) for each in (LIMITED, _HELD_BACK))


FIRST_SENTENCE = re.compile(r"\s*([^.!?\n]{1,200})[.!]\s+(?=\S)")
_STEP = re.compile(r"\W*\d{1,2}(?:[.):]|\s[-–—])\s+(?!(?:explanation|reason(?:ing)?)\b)", re.IGNORECASE)
_TELLS = re.compile(  # "Mercury is the closest planet": so far, more sentences may follow
    r"\s+(?:is|are|was|were)\s+(?!(?:the (?:first|last|wrong|other)|an) (?:option|choice)\b)"
    r"(?:the|an?|what|caused|made|needed|required|called|known|correct|right|best|option|because|since|as|due)\b"
)
_TURNS = re.compile(r"\b(?:but|though|although|however|yet)\b|,\s*(?:too|so|and the)\b")
_ENDED = re.compile(r"[.!?)\]*\"'”’]\s*\Z")
_MOVES_ON = re.compile(
    r"\bnext,|\b(?:consider|look at|check)\b[^.]{0,40}\b(?:others?|next|options|choices)\b"
)
_STOPS = re.compile(
    r"(?:\A|[.!…;,–—-])\s*(?:oh,?\s+)?(?:but\s+)?(?:wait|hm+|hold on|actually|hang on|"
    r"on second thought)\b|[.!…]\s*but\b"
)
_EVERY = re.compile(r"(?:both|all|none|neither|no)\b")
_IN_MY_VIEW = re.compile(r"\bI(?:['’]d| would)? (?:guess|think|believe|say)\b|(?<= )I(?=  )")  # a quoted "I"


def no_answer_behind(flat: str, behind: str, index: int, names: Names) -> bool:
    """Is it a numbered step, a word to the user, or said under a condition or to be left out?"""
    mine = _IN_MY_VIEW.sub(" ", flat.replace(names.options[index], " "))
    if _STEP.match(flat) or re.search(r"\bI\b", mine):
        return True
    verb = VERB.match(behind)
    if _STOPS.search(behind):
        return True
    if put_aside(behind, names.folded[index]) or _MOVES_ON.search(behind) or (verb and _TURNS.search(behind)):
        return True
    more = re.search(r"[.!?\n]\s*\S", behind)
    if verb and more and not _ENDED.search(flat):
        return True  # cut in a sentence that goes on to something else
    if verb and more and not _TELLS.match(behind) and _EVERY.match(names.folded[index]) is None:
        return True
    of_two = FIRST_SENTENCE.match(flat) if len(names.folded) == 2 else None
    return of_two is not None and HEDGES.search(flat, of_two.end()) is not None


_CONTRASTS = (
    re.compile(
        rf"([^.!?;\n]{{1,200}}?){OVER}()([^.!?;,\n]{{1,200}}?)(?P<why>,?\s(?:because|since|as)\s[^.!?;\n]{{1,200}})?[.!]?\s*",
        re.IGNORECASE,
    ),
    re.compile(
        r"([^.!?;\n]{0,200}?)(?:\b(?:not|nicht|(?:ce )?n['’]est pas|pas|no(?: es)?|non(?: è)?|não(?: é)?|не) "
        r"|不是)([^.!?;\n]{1,200}?),? ?(?:(?<= )(?:but|sondern|mais|sino|ma|mas(?: sim)?|а) |而是)"
        r"([^.!?;\n]{1,200})[.!]?\s*",
        re.IGNORECASE,
    ),
    re.compile(r"()([^.!?;\n]{1,200}?)ではなく[、,]?([^.!?;\n]{1,200}?)(?:です)?[.!]?\s*"),
)


def without_contrast(flat: str, names: Names) -> str:
    """A single sentence without the option that it denies beside another: "X, not Y", "not Y but X"."""
    for pattern in _CONTRASTS:
        match = pattern.fullmatch(flat)
        if match is None:
            continue
        said, rest = match[2] or match[3], match[1] + (match[3] if match[2] else "")
        rest += match.groupdict().get("why") or ""
        denied = names.loosely(said)
        denied = names.loosely(ARTICLE.sub("", said)) if denied is None else denied
        if denied is not None and denied not in mentioned(rest, names):
            return rest
    return flat
