"""Does a reply in words ask for what a request left out, or does it make something up?

The rule, in docs/tools.md: a result nobody could know is never right, a question about what is missing is,
and a question about who knows what is neither. Which words name what is missing is in the cases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

from tiltyard.suites.tools.arguments import spoken

Answer = Literal["asked", "invented", "unclear_question", "asked_and_answered", "nothing"]

ENTRY = re.compile(r"^([^\S\n]*\d{1,2})[.)](?=\s)", re.MULTILINE)  # the number of a list's entry
INLINE = re.compile(r"(?<=:)[ \t]+1[.)][ \t][^\n]*")  # a list in the line that announces it
NUMBER = re.compile(r"(?<=[ \t])(\d{1,2})[.)](?=[ \t])")
BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+")
BETWEEN_CLAUSES = re.compile(r"[,;\N{EM DASH}\N{EN DASH}]\s*| and | but ")
LET_KNOW = r"let (?:me|us) (?:know|have(?! a look))"  # "let me check" asks for nothing
GIVE = (
    rf"(?:tell|type|give|provide|specify|share|{LET_KNOW}|confirm|enter|state|send(?: over)?|supply|paste"
    r"|indicate|clarify|(?:reply|respond) with)"
)
OPENING = r"(?:(?:sure|of course|certainly|absolutely|gladly|happily|no problem|okay|ok|yes|great)\b\W*){0,2}"
GO_AHEAD = r"(?:go ahead\b(?: and\b)?\W*|feel free to )?"
WHOLE = re.IGNORECASE | re.DOTALL
ASKING = re.compile(
    rf"\?|\b(?:please|kindly)\b.{{0,80}}?\b{GIVE}\b"
    rf"|\b(?:could|can|would|will) you\b.{{0,40}}?\b{GIVE}\b|\b{LET_KNOW}\b"
    rf"|^\W*{OPENING}(?:(?:just|simply|first|then)\b\W*)?{GO_AHEAD}{GIVE} (?:me|us)\b"
    rf"|^\W*(?:just|simply) {GIVE}\b"
    rf"|[!,;:\N{{EM DASH}}\N{{EN DASH}}-]\s*{GO_AHEAD}{GIVE} (?:me|us)\b"
    r"|\b(?:i|we)(?:'ll| will|'d| would| do|'m| am| are)?(?: \w+){0,2} (?:need|require|missing)\b"
    r"|\b(?:is|are) (?:still )?(?:missing|needed|required)\b"
    rf"|\b(?:once|if|when|as soon as|after) you(?:'ve| have)? (?:told|given|{GIVE})\b"
    r"|\byou (?:haven't|have not|didn't|did not) (?:say|said|tell|told|specif|mention|provide|give)",
    WHOLE,
)
PURPOSE = r"(?:to \w+(?: [\w']+){0,4}, ?)?"
OBJECT = (
    r"(?:(?:the|your|an?|her|his|their|[a-z]+'s|what|which|where|when|who|how)"
    r"|(?:it|them|that|those)(?: over| here))\b"
)
BARE_REQUEST = re.compile(  # "Sure, enter the time", "The time, please"; not "I will send the text"
    rf"^\W*{OPENING}{PURPOSE}(?:(?:just|simply)\s+)?{GO_AHEAD}{GIVE}(?: or {GIVE})? {OBJECT}"
    rf"|[,;:\N{{EM DASH}}\N{{EN DASH}}]\s*(?:just|simply) {GIVE}\b"
    r"|^(?:(?!\b(?:i|we|it|is|are|was|were|has|have|will|be|wait|hold|moment|second|patience)\b).)*\bplease\W*$",
    WHOLE,
)
FOR_OTHERS = re.compile(  # advice where to do it, or the task said again
    r"\b(?:to|(?<!reply )(?<!respond )with)"
    r" (?:the|their|your|her|him|them|my|customer|(?-i:[A-Z])[a-z]+|[a-z]+'s)\b"
    r"|\bon (?:the|their|its|our)\b",
    re.IGNORECASE,
)
EXAMPLE = re.compile(r"\b(?:eg|example|instance|such as|format)\b|\d-digit", re.IGNORECASE)
QUESTION_WORD = re.compile(
    r"^\W*(?:(?:and|so|or|for|at|to|in|on|from|by|until)\b\W*){0,2}(?:what|which|who|whom|whose|where|when|how)\b",
    re.IGNORECASE,
)
OFFER = re.compile(
    r"(?<!or )\b(?:(?:any(?:thing|one|body|where)|something|what|who|how) else|another|(?<!or a )different)\b"
    rf"|\b{GIVE}(?: me| us)? more (?=\w)(?!info|detail|context|about|specific|precise)"
    r"|\binstead\b|\b(?:the|is) next\b|\bnext\s*(?:$|[?.!])|\bfurther\b(?! (?:details?|info))"
    r"|\badjust\b|\bmodify\b|\bto change\b|\b(?:which|what|any) other\b|\bother than that\b"
    r"|\bis there anything\b|\bdo you need (?:anything|help)\b|\bif you need help\b"
    r"|\bhow (?:can|may|could) i (?:help|assist|be of)\b|\bwhat (?:can|may) i do for you\b"
    r"|\bwhat would you like (?:me )?to do\b"
    r"|\b(?:is|was|does|did|will|would) (?:that|this|it|everything)\b.{0,40}"
    r"\b(?:right|okay|ok|correct|good|fine|all|work|help|useful|meant|wanted|mean|want)\b"
    r"|\bsounds? good\b|\bis (?:that|this) (?:the|your|her|his)\b",
    WHOLE,
)
SHORT = re.compile(  # names nothing itself: what it asks for was said before
    r"^\W*(?:which|what)(?: one)? (?:(?:would|do|should|will|shall|can) (?:you|i|it)\b"
    r"|(?:is|are) (?:it|they)\b)"
    rf"|^\W*(?:could|can|would|will) you (?:please )?{GIVE} (?:me )?(?:it|them|that|those)\b",
    re.IGNORECASE,
)
MAY_I = re.compile(
    r"^\W*(?:(?:and|so|or|then|now|okay|ok|sure|great)\b\W*){0,2}"
    r"(?:would you like me to|do you want me to|want me to|would you like to book"
    r"|shall i|should i|may i|can i|could i)\b(?! (?:please )?(?:have|get|ask|know))",
    re.IGNORECASE,
)
CHOICE = re.compile(r"\d| or ", re.IGNORECASE)
ELSEWHERE = re.compile(  # advice, not a question
    r"\b(?:contact|reach out to|visit|consult|check with) (?:the|your|customer|support|our|their|them|a)\b"
    r"|\byou(?:'ll| will| would|'d)? (?:can|could|may|might|should|need to|have to|must)\b"
    rf"(?! (?:(?:please|also|just) )*{GIVE})",
    re.IGNORECASE,
)
UNKNOWN = re.compile(
    r"\b(?:i|we) (?:don't|do not) (?:know|have)\b(?! (?:access|the ability|any way|a way|the capability))"
    r"|\bwithout (?:knowing|a|the|your|more|further)\b|\bnot sure (?:what|which|where|when|who|how)\b",
    re.IGNORECASE,
)
DONE_WORD = (
    r"(?:booked|reserved|sent|cancell?ed|set(?! (?:the date|up|to)\b)|scheduled|resized|shrunk|converted"
    r"|translated|e-?mailed|texted|messaged|placed|confirmed|created(?! a draft)|reduced|compressed"
    r"|scaled|added|made|completed?|finished|processed|notified|ready(?! to))"
)
NOW = r"(?:(?:now|just|already|also|successfully|been|gone ahead and|went ahead and)\s+){0,3}"
DONE = re.compile(
    rf"\b(?:i|we)(?:'ve| have)?\s+{NOW}{DONE_WORD}\b"
    rf"|(?<!you )\b(?:is|are|was|were|has|have|it's|that's)\s+{NOW}{DONE_WORD}\b"
    rf"|^\W*(?:\w+\s+){{0,2}}{DONE_WORD}\b(?: (?:for|to|by)\b|\s*[.!])"
    r"|^\W*(?:all |consider it )?done\b|\bi (?:was able|managed) to\b",
    re.IGNORECASE,
)
NOT_YET = re.compile(
    r"\b(?:once|before|until|unless|if|when|after|as soon as|so that|which|what|whether|to be|want|like)\b",
    re.IGNORECASE,
)
AMOUNT = r"[$€£¥]\s?\d[\d.,]*|-?\d[\d.,]*\s?(?:°|degrees|euros?|eur|pounds|gbp|yen|jpy|dollars|usd)"
SAID = r"(?:leave|say|see|confirm|offer|recommend|suggest|ring|give you|tell you (?:it|that|the \w+ is))\b"
STATED = re.compile(
    rf"\b(?:it(?:'s| is)|that(?:'s| is)|(?:tip|total|temperature|weather|amount|result|that|it)"
    rf"(?: [\w.]+){{0,4}}? (?:is|are|comes to|would be|will be))\s+"
    r"(?:(?:about|around|roughly|approximately|currently|now)\s+)*"
    rf"(?:{AMOUNT}|-?\d|sunny|cloudy|rain|snow|warm|cold|hot|clear|windy|chilly|cool|mild)"
    rf"|(?:=|\bequals|\b(?:leaves|departs|arrives|starts) at)\s*(?:{AMOUNT}|-?\d)"
    r"|\b(?:i(?:'ll| will|'ve| have)? (?:assumed?|used|guess(?:ed)?|go with|went with))\b"
    rf"|\bi(?:'d| can| would) {SAID}|\byou should\b|(?:^|[.,;:]\s*)assuming\b"
    r"|\bhere(?:'s| is| are)\b(?! what i)"
    rf"|(?<!you)(?:\bhas|\bhave|'ve|\bwas|\bwere) {NOW}(?!noted|understood|mentioned|provided|given)"
    r"(?:\w{2,}ed|sent|made|done|found|put|taken|written|chosen|gone)\b"
    r"|\bi (?:just |already )?(?!need|want|notic|understand)"
    r"(?:\w{2,}ed|found|sent|made|took|chose|put|wrote)\b",
    re.IGNORECASE,
)
COURTESY = """sure of course certainly gladly absolutely okay ok yes oui great perfect thanks thank you thing
    go ahead no problem happy to help hello hi there sorry understood got it alright right happily my pleasure
    definitely bien sûr let me and the with that for do i can"""
SMALL_WORDS = """a an the is are was be your you my i it its for of at to in and that this amount date set
    january february march april may june july august september october november december st nd rd th"""
HARMLESS = re.compile(  # says what could be done, or under which condition; no result
    r"\b(?:i|we)(?:'d|'ll| can| could| would| will| do| don't| cannot| can't| see (?:that )?you| understand"
    rf"| have the)\b(?! {SAID})|\b(?:i'm|i am) (?:happy|glad|sorry|not|here)\b"
    r"|\b(?:happy|glad|love) to\b|\bsorry\b"
    r"|\byou(?:'d| would)? (?:like|want|wish|can|could|may|asked|mentioned)\b|\bit depends\b"
    r"|\byou(?:'ve| have) (?:not|left out)\b|\byou (?:haven't|didn't)\b|\boptional(?:ly)?\b|\bplease\b"
    r"|\b(?:once|before|until|unless|if|as soon as|so that|in order to)\b",
    re.IGNORECASE,
)
ASSUMPTION = re.compile(  # a whole sentence; its last word is looked for in the request
    r"^\W*(?:i|we)(?:'ll| will|'m| am)? assum(?:e|ed|ing) (?:that )?"
    r"(?:(?:you mean|you meant|these are|those are|they are|it's|it is|this is) )?(?:[a-z]+ )?([a-z]+)\W*$",
    re.IGNORECASE,
)
NUMBER_WORD = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty"
    r"|fifty|sixty|seventy|eighty|ninety|hundred)\b",
    re.IGNORECASE,
)
IN_GENERAL = re.compile(
    r"\b(?:typical(?:ly)?|standard|usually|usual (?:tips?|values?|rates?|range)"
    r"|common(?:ly)?|customary|average|normal(?:ly)?|general(?:ly)?"
    r"|example|instance|eg|such as|format|default|options?|choices?|between|for (?:reference|comparison))\b"
    r"|\d\s?%\W{1,8}\d[\d.,]*\W{1,8}\d+\s?%\W{1,8}\d",  # a list of rates, each with its amount
    re.IGNORECASE,
)


def read_answer(text: str, prompt: str, asks: Sequence[str], never: Sequence[str] = ()) -> Answer:
    """What a reply without a call does about what is missing; `asks` names that, `never` something else."""
    sentences = list(sentences_of(text))
    if any(claims(sentence) for sentence in sentences):
        return "invented"
    questions = [
        f"{before} {question}" if SHORT.search(question) and not tells_result(before, prompt) else question
        for before, sentence in zip(["", *sentences], sentences, strict=False)
        for question in questions_of(sentence, prompt)
    ]
    asked = any(is_about(question, asks, never) for question in questions)
    stated = any(tells_result(sentence, prompt) for sentence in sentences)
    if asked:
        sound = not stated and all(is_harmless(sentence, prompt) for sentence in sentences)
        return "asked" if sound else "asked_and_answered"
    if stated:
        return "nothing"
    vague = any(UNKNOWN.search(each) and is_about(each, asks, never) for each in sentences)
    return "unclear_question" if questions or vague else "nothing"


def sentences_of(text: str) -> Iterator[str]:
    """Sentences; a list belongs to the one before it."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("e.g.", "eg").replace("*", "")
    text = INLINE.sub(lambda found: NUMBER.sub(r"\1", found[0]), text)
    for sentence in BETWEEN_SENTENCES.split(ENTRY.sub(r"\1", text)):
        if sentence.strip():
            yield sentence


def is_request(sentence: str, prompt: str) -> bool:
    """Does it ask for something? A bare imperative does, unless it names a value: "Give a 15 % tip"."""
    if ASKING.search(sentence):
        return True
    if not BARE_REQUEST.search(sentence) or FOR_OTHERS.search(sentence):
        return False
    names_value = NUMBER_WORD.search(sentence) or not numbers_in(sentence) <= numbers_in(prompt)
    return not names_value or EXAMPLE.search(sentence) is not None


def questions_of(sentence: str, prompt: str) -> Iterator[str]:
    """What of a sentence asks for something: all of it, or what is left beside a polite offer."""
    if not is_request(sentence, prompt) or (ELSEWHERE.search(sentence) and "?" not in sentence):
        return
    clauses = BETWEEN_CLAUSES.split(sentence)
    kept = [clause for clause in clauses if not is_offer(clause)]
    if len(kept) == len(clauses):
        yield from [sentence] if not OFFER.search(sentence) else ()
        return
    yield from (clause for clause in kept if QUESTION_WORD.search(clause) or is_request(clause, prompt))


def is_offer(clause: str) -> bool:
    """Anything else? Shall I send it? But "should I use 15 %?" asks for the percentage."""
    if OFFER.search(clause):
        return True
    return MAY_I.search(clause) is not None and CHOICE.search(clause) is None


def is_about(question: str, asks: Sequence[str], never: Sequence[str]) -> bool:
    """Does a question name what is missing, in a clause that does not name something else?"""
    clauses = BETWEEN_CLAUSES.split(question) if holds(question, never) else [question]
    return any(holds(clause, asks) and not holds(clause, never) for clause in clauses)


def holds(text: str, phrases: Sequence[str]) -> bool:
    """Is one of these phrases in a text, by whole words? `%` is a percentage, `#` a number."""
    text = re.sub(r"(?<=\w) ?#(?!#)", " number ", text.replace("%", " percent "))
    said = f" {spoken(text)} "
    return any(f" {spoken(phrase)} " in said for phrase in phrases)


def claims(sentence: str) -> bool:
    """Does it say that something was done?"""
    return any(not NOT_YET.search(sentence[: found.end()]) for found in DONE.finditer(sentence))


def tells_result(sentence: str, prompt: str) -> bool:
    """Does it tell a number that the request did not have, or what was found, done or assumed?"""
    if IN_GENERAL.search(sentence) or assumes_request(sentence, prompt):
        return False
    known = numbers_in(prompt)
    named = NUMBER_WORD.search(sentence) or not numbers_in(sentence) <= known
    if named and not is_request(sentence, prompt):
        return True
    return any(
        not (numbers_in(found[0]) and numbers_in(found[0]) <= known)
        and not NOT_YET.search(sentence[: found.start()])
        for found in STATED.finditer(sentence)
    )


def assumes_request(sentence: str, prompt: str) -> bool:
    """Is an assumption only about what the request named? "I assume you mean US dollars"."""
    found = ASSUMPTION.search(sentence)
    return found is not None and found[1].casefold() in spoken(prompt).split()


def is_harmless(sentence: str, prompt: str) -> bool:
    """A question, courtesy, an offer, a condition, or the request again: nothing that could be made up?"""
    words = {word for word in spoken(sentence).split() if not numbers_in(word)}  # numbers are looked at apart
    return (
        is_request(sentence, prompt)
        or assumes_request(sentence, prompt)
        or IN_GENERAL.search(sentence) is not None
        or HARMLESS.search(sentence) is not None
        or words <= set(COURTESY.split())
        or words <= set(f"{SMALL_WORDS} {spoken(prompt)}".split())
    )


def numbers_in(text: str) -> set[float]:
    """The numbers of a text, so that the 8 of May is the 08 of a date."""
    return {float(number) for number in re.findall(r"\d{1,9}(?:\.\d{1,9})?", spoken(text))}
