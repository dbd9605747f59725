"""What may stand before "the answer is" in its sentence, so that the model itself says so and means it.

A short list of plain words: of others, as in "it is unlikely that the answer is A" or "the opposite of the
answer is A", nobody can list all. Runs on text from `plain.py`.
"""

from __future__ import annotations

import re
from collections import deque

_CLAUSE_START = re.compile(  # what stands before the last of these is another clause
    r"[,;:!?()\[\]→=>|]|(?<!\w)[-–—]+(?!\w)|[–—]|\b(?:so|therefore|thus|hence|and|but|consequently|thereby)\b"
    r"|(?=\bbecause\b)",
    re.IGNORECASE,
)
_SURELY = (
    r"(?:quite|pretty|very|fairly|really|absolutely|fully|completely|totally|reasonably|rather|almost|more"
    r"|(?:about\s+|around\s+|at\s+least\s+)?(?:100|[5-9]\d)\s?%"
    r"|also|now|then|therefore|thus|hence|clearly|definitely|certainly|indeed|actually|still|just|simply|only"
    r"|most|too|safely|confidently|finally|easily|strongly|firmly|honestly|probably|further|immediately"
    r"|quickly)"
)
_KNOW = (
    r"(?:think|believe|say|know|conclude|see|find|get|feel|guess|reckon|suspect|determine|deduce|infer"
    r"|confirm|tell"
    r"|state|answer|decide|note|notice|realize|realise|recognize|recognise|recall|remember|identify"
    r"|understand|agree|maintain|derive|go\s+with|going\s+to\s+say)"
)
_KNEW = (
    r"(?:concluded|found|determined|decided|established|shown|seen|deduced|inferred|confirmed|realized"
    r"|realised|known)"
)
_SHOWS = (
    r"(?:means?|shows?|implies|imply|suggests?|tells"
    r"|confirms?|indicates?|proves?|gives?|makes?|leaves?|reveals?"
    r"|leads|points|supports?|demonstrates?|establishes|says)"
)
_CLEAR = (
    r"(?:(?:not\s+surprising|no\s+surprise|no\s+wonder)|clear|obvious|evident|apparent|certain|plain|likely"
    r"|known|true|safe\s+to\s+say|fair\s+to\s+say|easy\s+to\s+see)"
)
_PLAIN = re.compile(  # each word is taken once and for all, or long rows of them would take for ever
    r"(?>[^\w%]*(?:(?:only|best)\s+possible|letter\s+of|"
    r"(?:i|we)(?:\s+(?:can|would|will|do|must|should|have|am|are|could)|['’](?:d|ll|ve|m|re))*"
    rf"(?:\s+{_SURELY})*\s+(?:{_KNOW}|{_KNEW}|(?:confident|sure|certain|convinced|positive"
    rf"|(?:inclined|led)\s+to\s+{_KNOW})(?:\s+(?:in\s+saying|enough))?)"
    r"|(?:one|you)\s+can\s+(?:see|conclude|say|tell|infer|deduce)"
    r"|my\s+(?:best\s+)?(?:guess|conclusion|view|opinion|belief|verdict)\s+is\s+that"
    rf"|let(?:\s+me|\s+us|['’]s)\s+{_KNOW}|(?:it|that|this)(?:\s+(?:is|seems|appears|becomes|follows"
    rf"|looks(?:\s+like)?)|['’]s)(?:\s+{_SURELY})*(?:\s+{_CLEAR})?"
    rf"|(?:this|that|which|it|these|all\s+(?:this|that|of\s+this)|everything|(?:(?:the|my"
    rf"|our)\s+)?(?:evidence|reasoning|analysis|calculations?"
    r"|definition|facts?|context|passage|text|results?|data|information|options|logic|history|geography"
    r"|science|physics|biology|chemistry|math\w*|theory|law|knowledge|above|steps?|reason|experience"
    r"|common\s+sense))"
    rf"(?:\s+(?:{_SURELY}|would|does|do|all))*\s+{_SHOWS}(?:\s+(?:to|us|me|(?:to\s+)?{_KNOW}|towards?))*"
    r"|(?:there\s+is|there['’]s|i\s+have)?\s*(?:no|without(?:\s+an?y?)?|beyond(?:\s+an?y?)?)\s+(?:doubt"
    r"|question)"
    r"|of\s+course|in\s+fact|in\s+(?:my|our)\s+(?:opinion|view)|as\s+such|as\s+a\s+result|right\s+away"
    r"|undoubtedly|accordingly|naturally|apparently|evidently|obviously|ultimately|overall|however|moreover"
    rf"|furthermore|although|though|again|here|{_SURELY}|likely|yet|well|okay|ok|yes|sure|right|no"
    rf"|hm+|um+|uh|oh|ah"
    r"|alright|great|easy|correct|good|ergo|also|or|where|when|that|the|my|our|this|an?|its|your|one|single"
    r"|only|given|answer|question(?:['’]s)?|today['’]s|quiz|same|step|solution|final|short|quick|direct|full"
    r"|most|best|making|true|model|assistant|ai"
    r"|likely|probable|plausible|reasonable|logical|sensible|suitable|appropriate|accurate"
    r"|closest|nearest|safest|strongest|ideal|intended|expected|required|desired|logical|proper|valid|real"
    r"|actual|exact|precise|note|remember|recall|because|since|\d+|is|are|be|was)(?![\w%]))*+[^\w%]*",
    re.IGNORECASE,
)
# "Based on my knowledge the answer is": what such words begin goes on up to the claim
_ADVERBIAL = re.compile(
    r"\W*(?:(?:and|so|but|then|now)\s+)?(?:since|because|as|given|based\s+on|by|from|after|knowing|looking"
    r"|considering|using"
    r"|according\s+to|with|thanks\s+to|due\s+to|among|amongst|of|out\s+of|between|on\s+the\s+basis"
    r"|regarding|for"
    r"|in(?=\s+(?:this|my|our|the|these|conclusion|summary|short|general|fact|total|order|other|light|view"
    r"|brief|all)\b)"
    r"|to(?=\s+(?:the\s+best|sum|summari[sz]e|conclude|answer|be|my|me)\b)|putting|taking|having|comparing"
    r"|when|here|among)\b",
    re.IGNORECASE,
)
_THAT_IS_SAID = re.compile(
    r"\b(?:not|no|never|nor|if|unless|whether|why|how|which|who|though|unlikely|improbable|claims?|claimed"
    r"|idea|assum\w+"
    r"|suppos\w+|imagin\w+|pretend\w*|hard|difficult|far\s+from|opposite|others?|some|many|most\s+people"
    r"|rumou?r\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
_ODDS = re.compile(
    r"\b(?:chances?|probabilit(?:y|ies)|likelihood|odds|risk|possibility)\b|\d\s*%(?!\s+(?:sure|certain"
    r"|confident))|\bP\s*\([^)]*$",
    re.IGNORECASE,
)
_HEDGED = re.compile(  # in the clause before "B is correct" or "I'd say B"
    r"\b(?:unlikely|improbable|implausible|doubtful|questionable|unclear|unsure|uncertain|hardly|scarcely"
    r"|barely"
    r"|assum(?:e|es|ing|ption)|imagin\w+|pretend\w*|hypothe\w+|rumou?r\w*|hard\s+to|difficult\s+to|far\s+from"
    r"|opposite|negation|contrary|converse|in\s+doubt|if\s+(?:\w+\s+){0,4}only)\b",
    re.IGNORECASE,
)
_AT_TIMES = re.compile(r"\b(?:sometimes|often|in\s+(?:many|most|some))\b", re.IGNORECASE)
_STEP = re.compile(  # what stands before it is the reason, and not about the answer
    r"(?<!\bor\s)\bso\b|\b(?:therefore|thus|hence|consequently|thereby|ergo|making|which\s+means)\b"
    r"|[;→]|=>|(?:\bis|\bequals|=)\s*[\d./%\s]+,?\s+and\b"
    r"|\A\W*(?:since|because|given\s+that|as\s+(?:the|there|it|this))\b(?:[^,]|,(?=\d{3}))*,",
    re.IGNORECASE,
)
_STEPS_ON = re.compile(r"\W*(?:so|therefore|thus|hence|making)\b", re.IGNORECASE)
_NO_STEP = re.compile(  # "a 30% chance, therefore, that the answer is A"; "in 30% of them it rains; then ..."
    r"\W*(?:that(?:\s+(?:the|my|our|its?|this|an?|one)\b|\W*\Z)|then\b)", re.IGNORECASE
)
_NOT_MY_REASON = re.compile(  # of others, of another case, or not meant to be so
    r"\b(?:sa(?:y|ys|id)|claim\w*|th(?:ink|inks|ought)|believ\w*|assum\w*|argu\w*|suppos\w*|consider\w*"
    r"|regarded|held|t(?:ell|old)|ask\w*|answered|answers|picks?|picked|choos\w*|chose\w*|guess\w*|mist\w*"
    r"|confus\w*|expect\w*|vot(?:e|ed|es)|questions?|tricks?|read(?:s|ing|ings)?|interpret\w*|would|could"
    r"|might|may|maybe|perhaps|if|unless|without|instead|wrong\w*|incorrect\w*|false\w*"
    r"|(?:common|usual|typical|my)\s+error|examples?|for\s+instance|naive|initial\w*|first|seem\w*"
    r"|try|attempt|approach|key|people|students?|he|she|they|nobody"
    r"|(?:chances?|probability|likelihood|odds|risk|possibility)\s+that\b.*\band\s+(?:so|thus|hence)"
    r"|in\s+some|in\s+(?!(?:almost\s+)?(?:all|many|most)\b)(?:[^\s,]+\s+){0,5}"
    r"(?:cases|(?:text)?books|sources|versions|exams))\b",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"\b(?:examples?|samples?|instance|format|template|like\s+this|placeholder|output|e\.g\.|claims?|myth"
    r"|rumou?r|hypothesis"
    r"|assumption|illustration|looks?\s+like|(?:should|must|could|would)\s+(?:\w+\s+){0,3}(?:reply|write"
    r"|answer|respond|say)|(?:reply|respond|write)\s+with)\b[^.!?\n]*$",
    re.IGNORECASE,
)
_LINE_BEFORE = re.compile(
    r"\b(?:for\s+example|for\s+instance|an?\s+example|examples?\s+(?:of|output|reply|response|answer|format)"
    r"|sample\s+\w+|e\.g\.|like\s+this|such\s+as|(?:expected\s+|required\s+|answer\s+)?format"
    r"|looks?\s+like)\b[^\n]{0,40}:\W{0,9}(?:the\s+)?$|\bexamples?\s*:\W{0,9}(?:the\s+)?$|\be\.g\.\s*$",
    re.IGNORECASE,
)


_CALLED = re.compile(
    r"\b(?:false|examples?|sample|claim|myth|rumou?r|hypothesis|assumption|template"
    r"|hint|(?:common|popular|public|usual|typical|frequent)\s+\w+)\s*:\W*(?:the\s*)?$",
    re.IGNORECASE,
)
_RESTRICTED = re.compile(  # "the chance of Sydney, and so the answer is A, is small", "so A is right there"
    r"\W*(?:[A-Z]\b)?[ \t]*(?:\([^()\n]{1,80}\)|(?:answer|choice|option|one)\b)?"
    r"(?:[^\w\n]*(?:But|Not|However|Yet|Only|Though)\b|[^\w.!?\n]*"
    r"(?:is|are|was|seems?|remains?|stands?|exists?|there|then|but|not|only|in|on|for|with|at|by|under|though"
    r"|although|when|while|if|sometimes|often|usually|mostly|rarely)\b)"
)


def strangely_led(before: str, behind: str) -> bool:
    """Is there anything but plain words before "answer is" in its sentence?

    `behind`: what follows the words themselves, from the letter on.
    """
    if _of_the_answer(_ODDS, before, behind) or _CALLED.search(before):
        return True
    clause = _CLAUSE_START.split(before)[-1]
    if _PLAIN.fullmatch(clause):
        return False
    return _ADVERBIAL.match(clause) is None or _THAT_IS_SAID.search(clause) is not None


def hedged(before: str, claim: str, behind: str) -> bool:
    """Is what follows in the sentence unlikely, assumed or the contrary of something?

    `claim`: the claim itself up to its letter, as it may begin with the step to it: "so B".
    `behind`: what follows it.
    """
    if any(pattern.search(before) for pattern in (_HEDGED, _CALLED)):
        return True
    before += claim if _STEPS_ON.match(claim) else ""
    return any(_of_the_answer(pattern, before, behind) for pattern in (_ODDS, _AT_TIMES))


def _of_the_answer(pattern: re.Pattern[str], before: str, behind: str) -> bool:
    """Is what the pattern finds said of the answer, and not of a reason from which it follows at once?"""
    if not pattern.search(before):
        return False
    step = deque(_STEP.finditer(before), maxlen=1)
    if not step or _NOT_MY_REASON.search(before) or _RESTRICTED.match(behind):
        return True
    led = before[step[0].end() :]
    bracketed = before.rfind("(") > before.rfind(")")
    return bracketed or not _PLAIN.fullmatch(led) or bool(pattern.search(led) or _NO_STEP.match(led))


def for_show(before: str, line_before: str) -> bool:
    """Is the label behind it only shown, as in "Example output: Answer: A"?"""
    return _LABEL_BEFORE.search(before) is not None or shown_as_example(line_before)


def shown_as_example(line_before: str) -> bool:
    return _LINE_BEFORE.search(line_before) is not None


# ------------------------------------------------------------------ between "the answer" and "is"

_ITS_OWN_SUBJECT = ("final", "result", "solution")  # "The final temperature is 18."
_ASIDE = (
    rf"(?:{_SURELY}|here|there|overall|however|of\s+course|again|obviously|likely|itself|left|remaining|possible"
    r"|available|letter|number|choice|i\s+(?:think|believe)|in\s+fact)"
)
_RELATION = (
    r"(?:to|for|in|of|from|(?:closest|nearest)\s+to|among|amongst|between|based|according|after|with|under"
    r"|given(?!\s+(?:by|in|to|at|on|as)\b)|by|at|on|when|where|since|because|regarding|concerning|considering"
    r"|within|consistent|supported|corresponding|matching|describing|about|as|per|using|following|out\s+of"
    r"|(?:implied|suggested|indicated|confirmed)\s+by\s+(?:the|this|these|our))"
)
_MINE = (
    rf"(?:i|we)(?:['’](?:d|ll|ve|m)|\s+(?:would|will|am|have|can|should|must))*(?:\s+{_SURELY})*\s+"
    r"(?:choos(?:e|ing)|chosen?|select(?:ed|ing)?|pick(?:ed|ing)?|go(?:ing)?\s+with|g[eo]t|arrived?\s+at"
    r"|reach(?:ed)?|obtain(?:ed)?|need|want|settled?\s+on|propose|recommend|believe|think|derived?|deduced?"
    r"|determined?|give|giving|submit|are\s+(?:looking|searching)\s+for)"
)
_WANTED = (
    r"(?:you(?:['’]re|\s+are|\s+need|\s+want|\s+seek)|(?:the|this|your)\s+(?:question|problem)\s+"
    r"(?:wants?|asks?|seeks?|needs?|expects?|requires?|is))"
)
_OTHERS = (
    r"(?:you|they|he|she|it|one|some|many|most|students?|people|others?|every|nobody|no|my|your|their|an?|the"
    r"|i|we)"
)
_LISTED = (
    r"(?:provided|listed|expected|chosen|selected|required|presented|offered)(?:\s+(?:here|above|below))?"
)
_KEEPS = re.compile(
    rf"[\s,]*(?:{_ASIDE}[\s,]+)*(?:{_ASIDE}|{_LISTED}|(?:{_RELATION}|(?:(?:that|which)\s+)?(?:{_MINE}|{_WANTED})"
    rf"|without\s+(?:a|any)\s+doubt|(?:that|which)\s+(?!{_OTHERS}\b)\w+)\b.*)?[\s,]*",
    re.IGNORECASE | re.DOTALL,
)
_STRAYS = re.compile(  # among words that else keep the meaning: "for the second part", "I chose at first"
    r"\b(?:first|second|third|other|next|last|former|latter)\s+(?:part|questions?|one|case|half|version|time|round"
    r"|try|attempt)\b|\bat\s+first\b|\b(?:previous|initial|original|earlier|almost|nearly|never|hardly|least|worst"
    r"|no|little|avoid|reject|exclude|eliminate|discard|cross|rule(?=\s+out)|looks?|seems?|sounds?|appears?|lacks?|wrong"
    r"|incorrect|false|untrue|unlikely|cannot)(?:ly)?\b|\b(?:tempt|fail|surpris|confus|contradict|mislead|distract)"
    r"(?:e?d|e?s|ing)?\b|\byour\s+(?!question|problem|query|quiz)",
    re.IGNORECASE,
)


def told_otherwise(noun: str, between: str) -> bool:
    """Do the words between "the answer" and "is" make it any but the one that is given now?

    "The answer students give is A", "The option that fails is A": of clauses only those keep the meaning that
    are about the option itself, what the question wants, or what I choose, and that reject nothing.
    """
    if noun.casefold() in _ITS_OWN_SUBJECT:
        return False
    return _KEEPS.fullmatch(between) is None or _STRAYS.search(between) is not None
