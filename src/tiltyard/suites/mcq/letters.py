"""Is a letter that was found an answer: alone, not asked about, not part of a name, not called wrong?

All run on text from `plain.py`; each match has the letter as its first group.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.names import Names, folded, text_at, without_article
from tiltyard.suites.mcq.plain import plain
from tiltyard.suites.mcq.words import DENIED_AFTER, FUNCTION_WORD, GOES_ON, SEVERAL


def is_letter(flat: str, match: re.Match[str], names: Names) -> bool:
    """Is it a letter, or the word "a" (or "I"), or part of a name: "A.I.", "B vitamins", "C. elegans"?"""
    letter, rest = match[1], flat[match.end(1) : match.end(1) + 40]
    if re.match(
        r"[+#*^=]|-\w|\.[A-Za-z](?![A-Za-z]|[^\x00-\x7f])|/[A-Za-z]\s+[a-z]", rest
    ):  # C++, C#, a*b, A.I.
        return False
    follows = re.match(r"[ \t]+([^\W\d_\u3040-\u9fff\uac00-\ud7af]+)", rest)  # no Chinese, "A です"
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


_JOINS = (  # of sets, logic and relations, as signs and in LaTeX
    r"(?:[∪∩∖⊂⊆⊄⊃⊇∈∉∋∧∨⊕⊗⊖△∘≡≠≈≅]|\\(?:cap|cup|(?:small)?setminus|(?:sub|sup)set(?:eq)?|in|notin|ni"
    r"|l?and|wedge|lor|vee|oplus|otimes|ominus|(?:big)?triangle|circ|equiv|neq?|approx|cong|sim|mid|to|implies|iff"
    r"|(?:long)?(?:left)?rightarrow|(?:Long)?(?:Left)?[Rr]ightarrow)(?![A-Za-z]))"
)
_FORMULA = re.compile(  # behind a letter: "C(10, 3) = 120", "A × B", "A = 2", "A ∩ B"
    r"\([ \t]?(?:\d{1,3}|[A-Za-z])[ \t]?[,)]|[ \t]*(?:[=+×·÷*/^>≤≥−]|<(?!\w+>))[ \t]*[\w(]"
    rf"|[ \t]{{0,9}}{_JOINS}|[ \t]{{0,9}}[⇒⇔↔|][ \t]{{0,9}}[¬(]?[A-Z](?!\w)"
)
_IN_FRONT = re.compile(rf"(?:¬|\\(?:neg|lnot)(?![A-Za-z])|[\w)’'][ \t]{{0,9}}{_JOINS})[ \t(]{{0,9}}\Z")
_ITSELF = re.compile(r"(?![\w'’]|[ \t]*(?:,[ \t]*\d|[+*/^=×]))")


def in_formula(flat: str, at: int, names: Names) -> bool:
    """Is the letter there a name in a formula, and does not its own option's text begin behind it?"""
    index, formula = LETTERS.find(flat[at].upper()), _FORMULA.match(flat, at + 1) is not None
    if _IN_FRONT.search(flat[max(0, at - 40) : at]):
        return True
    if not 0 <= index < len(names.folded):
        return formula or flat[at + 1 : at + 2] == "("  # "x = 4", "O(n log n)"
    if not formula:
        return False
    name, said = names.folded[index], folded(flat[at + 1 : at + 200].lstrip(" \t=/(·>"))
    return not (name and said.startswith(name) and _ITSELF.match(said, len(name)))


def asked(flat: str, end: int) -> bool:
    return _ASKED.match(flat, end) is not None


_ASKED = re.compile(
    r"[ \t)\]]*(?:,[ \t]*(?:right|correct|no|yes|isn['’]t[ \t]+it|don['’]t[ \t]+you|or)[ \t]*)?\?",
    re.IGNORECASE,
)


def several(flat: str, match: re.Match[str]) -> bool:
    """Does another letter follow at once, as in "A or B"?"""
    more = SEVERAL.match(flat, match.end())
    return more is not None and more[1].upper() != match[1].upper()


def lists(flat: str, match: re.Match[str], names: Names) -> bool:
    """Is it the first of a list of options that is only repeated, and no answer above its explanation?"""
    if match[1] in "Aa" and re.match(
        r"[).:]?\s[^\n]{1,200}?\s[(\[]?B[)\].:]\s", flat[match.end(1) : match.end(1) + 240]
    ):
        return True
    own, *rest = flat[match.end() : match.end() + 1000].split("\n")
    following = chr(ord(match[1].upper()) + 1)
    below = next((line for line in rest if line.strip()), "")
    led = re.match(rf"\s*[(\[]?{re.escape(following)}[)\].:]+", below, re.IGNORECASE)
    if led is None:
        return False
    same = "\n" not in flat[match.start() : match.start(1)]  # the label and the letter are on one line
    listed = names.loosely(below[led.end() :]) is not None
    if same and match[1] not in "Aa":
        at_once = rest[0].strip() != "" and names.loosely(own.strip(" ).]:")) is not None
        return at_once and listed
    bare = not own.strip(" ).]:,·") or names.loosely(own.strip(" ).]:")) is not None
    if not bare:
        return not same
    return bool(own.strip(" ).]:,·")) and listed


_NO_WORDS = (  # in other languages than English
    r"(?:(?<!\w)(?:falsch\w*|nicht|nein|kein\w*|unmöglich|non?|não|pas|faux|fausse|incorre\w*|errad\w*|sbagliat\w*|falsa?|falso"
    r"|erróne\w*|equivocad\w*|не|нет|ні|неверн\w*|неправильн\w*|невірн\w*|inte|fel|niet|nee|fout|onjuist|ikke|forkert"
    r"|nie|błędn\w*|salah|bukan|tidak|không|sai|yanlış|değil|خطأ|غير|ليس|لا|गलत|नहीं|väärin|helytelen|greșit|λάθος"
    r"|wäre|könnte|sería|serait|sarebbe|seria|бы|би)(?!\w)"
    r"|[错錯不误誤違無无外除]|ない|아니|아닙|아님|틀|오답|ではな|じゃな|でな|(?:では|じゃ)あり|[か吗嗎]\s*\W*\Z)"
)
_NO = re.compile(_NO_WORDS, re.IGNORECASE)
_NO_AT_ONCE = re.compile(
    r"\W*(?:(?:(?:das\s+)?ist|es|é|è|está|är|er|jest|is|(?:c['’])?est|n['’]est|ne|to)\s+|[はが는은이가]\s*){0,2}"
    rf"(?!non?\b(?!\s+(?:es|é|è)\b|\W*\Z)){_NO_WORDS}"  # "no" is English as well
    r"|\W*(?:would|might|could|may)\s+(?:only\s+)?(?:be|have\s+been)\b",
    re.IGNORECASE,
)


def denies_abroad(text: str) -> bool:
    """Is there a "not" of another language in it?"""
    return _NO.search(text) is not None


def negated(between: str) -> bool:
    """Does what stands before "is correct" end with a "not" of another language?"""
    return denies_abroad(between[-10:])


_BEFORE_TEXT = " ).]:,(-–—"


def denied_at(flat: str, letter: str, at: int, names: Names) -> bool:
    """Does the line that begins with a letter say that it is wrong, but in its option's own words?"""
    index = LETTERS.index(letter.upper())
    option = plain(names.options[index]).lstrip(_BEFORE_TEXT) if index < len(names.options) else ""
    line = flat[at + 1 : at + 200 + len(option)].partition("\n")[0].lstrip(_BEFORE_TEXT)
    own = re.match(r"\s+".join(map(re.escape, option.split())), line, re.IGNORECASE) if option else None
    rest = line[own.end() :] if own else line
    if DENIED_AFTER.search(rest):
        return True
    return (own is not None or not begins_with(line, letter, names)) and _NO_AT_ONCE.match(rest) is not None


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


_TO_A_TEXT = re.compile(r"[ \t]*[)\]]?[ \t]*(?:[.:,=–—-]{1,2}|is\b)?[ \t]*(?P<open>[(\[]?)[ \t]*(?=[^\s])")


_ARTICLE = re.compile(r"(?:the|an?)[ \t]+", re.IGNORECASE)


def beside_another(raw: str, flat: str, at: int, names: Names) -> bool:
    """Does exactly another option's text stand beside the letter at that place: "C) Berlin", "C (Berlin)"?"""
    match = _TO_A_TEXT.match(flat, at + 1)
    if match is None or (flat[at + 1 : match.end()] == "" and flat[at + 1].isalnum()):
        return False
    begin, close = match.end(), ")" if match["open"] == "(" else "]"
    end = flat.find(close, begin, begin + 400) if match["open"] else -1
    index = None
    if end >= 0:
        index = names.exactly(raw[begin:end])
        index = names.loosely(flat[begin:end]) if index is None else index
    article = None if "." in match[0] else _ARTICLE.match(flat, begin)
    for start in (begin, article.end() if article is not None else begin):
        if index is None:  # "D, the nucleus", where an option is "Nucleus"
            index, end = text_at(raw, flat, start, names)
    if index is None:
        index, end = _subject_at(raw, flat, (at, begin), names)
    if index is None or LETTERS[index] == flat[at].upper() or names.is_letter(index):
        return False
    if re.match(rf"[ \t]*[(\[]{LETTERS[index]}[)\]][ \t]+\w", flat[end : end + 20]):
        return False  # "The answer is D. The nucleus (C) stores DNA."
    rest = folded(re.split(r"[.!?\n]", flat[end : end + 400])[0])  # "B. Germany, Spain and Italy do not"
    return not any(name and name in rest for place, name in enumerate(names.unique) if place != index)


_SAID_OF_IT = re.compile(  # "A: Canberra is the capital.", not "A: Canberra is not as old"
    r"[ \t]+(?:is|are|was|were)\b(?![^.!?\n]*(?:\b(?:not|no|never|nor|only|but|while|though|although|whereas"
    r"|wrong|incorrect|false|unlike|than|another|others?|all|both|each)\b|n['’]t\b))"
)


def _subject_at(raw: str, flat: str, places: tuple[int, int], names: Names) -> tuple[int | None, int]:
    """The option that is joined to the letter before it, though its sentence goes on behind the option.

    By ")" or ":" where the sentence says what the option is, or by markup around both. `places`: of the
    letter, and of what stands beside it. A full stop between them begins an explanation.
    """
    at, begin = places
    between = flat[at + 1 : begin]
    marked = "." not in between and re.search(r"[)\]:]", between) is not None
    if flat[at].upper() not in LETTERS or begins_with(flat[begin : begin + 400], flat[at], names):
        return None, begin
    for index in sorted(range(len(names.options)), key=lambda i: -len(names.options[i])):
        name = names.options[index]
        end = begin + len(name)
        if not re.search(r"[^\W\d_]{3}", name) or flat[begin:end].casefold() != name.casefold():
            continue
        wrapped = "*" not in raw[at:begin] and raw.startswith("**", end)
        if wrapped or (marked and _SAID_OF_IT.match(flat, end)):
            return index, end
    return None, begin


CROSSES = "❌✗✘✖🚫☒"
_CROSSED = re.compile(rf"[{CROSSES}][^\w\n]*\Z")


def crossed_before(raw: str, start: int) -> bool:
    return _CROSSED.search(raw[max(0, start - 9) : start]) is not None


_BECAUSE = (
    r"(?:because|since|weil|da|denn|car|parce\s+que|puisque|porque|ya\s+que|pois|perché|poiché|want|omdat"
    r"|потому|так\s+как|поскольку|тому\s+що|бо|ponieważ|bo|gdyż|protože|çünkü|vì|karena|fordi|eftersom|för|koska"
    r"|mert|deoarece|pentru\s+că|क्योंकि|لأن|کیونکہ|زیرا|διότι|γιατί|επειδή|כי|เพราะ)(?!\w)"
)
_SENTENCE_OVER = re.compile(  # behind a letter in a language other than English
    r"[ \t]*(?:选项|選項|项|項|選択肢|번|şık\w*)?"
    r"(?:です|でした|となります|になります|である|だ|が正解です|입니다|이다|이에요|예요|임"
    r"|[ \t]*(?:है|हैं|।)|['’](?:d[iıuü]r|t[iıuü]r))?[ \t]*[)\]]*"
    rf"[ \t]*(?:[^\w\n?{CROSSES}]{{0,8}}(?:\Z|\n)|[.!;。।][)\]]*(?=\s|\Z|[^\x00-\x7f]|[A-Z][^\x00-\x7f])"
    rf"|,?[ \t]*(?:{_BECAUSE}|因为|因為|由于|由於|なぜなら|理由は|왜냐하면|이유는))",
    re.IGNORECASE,
)


_CALLED = re.compile(r"[:=–—是为為选選は은는]\s*\Z|\w\s+\w")  # "Antwort: ", "Antwort ist", not "Antwort "
_TRANSLATED = re.compile(  # the option in the language of the reply
    r"(?:[ \t]*[).:,、(–—-]|(?<=[)\]]))[ \t:(]*(?:[^\W\d_][^\s.,;:!?()\n]*[ \t]*){1,3}"
    r"(?:\([^()\n]{1,40}\))?[ \t)]*"
    rf"(?:です|でした|입니다|이다|['’]\w{{2,3}})?(?:[.!。]|\n|\Z|,[ \t]*{_BECAUSE})",
    re.IGNORECASE,
)


_COPULA = re.compile(  # "Antwort: ", "La respuesta correcta es ", not "Antwort "
    r"(?:[:=是为為选選は은는]|(?<!\w)(?:ist|lautet|est|es|é|è|to|jest|är|er|is|on|este|adalah|является)"
    r"(?:,?\s+(?:also|daher|somit|damit|folglich|deshalb|demnach|donc|alors|ainsi|por\s+(?:lo\s+)?tanto|entonces"
    r"|portanto|então|assim|quindi|dunque|perciò|pertanto|dus|daarom|alltså|więc),?)?)\s*\Z"
    r"|(?<!\w)правильн\w+\s+ответ\s*\Z",
    re.IGNORECASE,
)
_NOT_THIS = re.compile(  # up to what is denied: ", nicht ", " y no la ", "，不是"
    r"[ \t]*(?:[,;(–—-][ \t]*|(?<=[)\] \t])|(?=[ \t而]))(?:(?:y|e|et|und|и|а|a|en|och|og|i)[ \t]+)?"
    r"(?:(?<!\w)(?:nicht|no|non|não|pas|не|niet|inte|ikke|nie)[ \t]+(?:(?:es|è|é)[ \t]+)?"
    r"|(?:而|并|並)?不是[ \t]*)"
    r"(?:(?:die|der|das|la|el|le|a|o|de|het|option|opción|opção|opzione|antwort)[ \t]+){0,2}[(\[]?",
    re.IGNORECASE,
)
_DENIED_END = re.compile(r"[)\]]*[ \t]*(?:[.!;。\n]|\Z)")
_THAT_IS_NOT = re.compile(  # "で、Aではありません。", "이며, A가 아닙니다.", ", 柏林不是。" behind a clause
    r"(?:で[、,]?[ \t]*(?P<ja>[A-Z])(?:では|じゃ)(?:ありません|ない(?:です)?|なく)"
    r"|(?:이며|이고)[, \t]*(?P<ko>[A-Z])(?:가|이|는|은)?[ \t]*아(?:닙니다|니다|니에요|님)"
    r"|(?<=[\u3400-\u9fff])[,、][ \t]*(?![这那它此該该])[\u3400-\u9fff]{1,8}不是)[ \t]*(?:[.!。\n]|\Z)"
)
_WITH_TEXT = re.compile(  # a name that quotes, a bracket or a relative clause held, and the end
    r"[ \t]*\([^\W\d_][^().!?;\n]{1,80}\)[ \t]*(?:[.!。\n]|\Z)"
    r"|[ \t]*,[ \t]*(?:que|qui|che|die|der|das)[ \t]+(?:correspond\w*|corrispond\w*|entspricht)(?!\w)"
    r"[^.!?\n]{1,80}(?:[.!\n]|\Z)"
    r"|(?:の|番の|(?<=[ \t]))[ \t]*[\u30a0-\u30ff]{2,20}[ \t]*(?:です|である|だ)(?:[.!。\n]|\Z)"
    r"|번[ \t]*(?!다음|이전|반대|아래|위|제외|빼)[가-힣]{1,12}(?:입니다|이다)(?:[.!\n]|\Z)"
)


def _without_contrast(flat: str, place: tuple[int, int], names: Names) -> str:
    """The text up to where its sentence denies another letter or option: "B, nicht A", "B (nicht Berlin)"."""
    letter, end = flat[place[0]].upper(), place[1]
    near = flat[: end + 200]
    for match in _NOT_THIS.finditer(near, end):
        if re.search(r"[.!?。\n]", near[end : match.start()]):
            break
        said = re.compile(r"([A-Z])(?![^\W_])").match(near, match.end())
        other, behind = (said[1], said.end()) if said else _named(near, match.end(), names)
        if other and other != letter and _DENIED_END.match(near, behind):
            return near[: match.start()] + "."
    last = _THAT_IS_NOT.search(near, end)
    if last is None or re.search(r"[.!?。\n]", near[end : last.start()]):
        return flat
    other = last["ja"] or last["ko"]
    if other == letter or (other is None and last.start() == end):
        return flat
    return near[: last.start()] + "."


def _named(near: str, at: int, names: Names) -> tuple[str, int]:
    """The letter of the option that is named there, and where its text ends."""
    for index, name in enumerate(names.options):
        if name and near.casefold().startswith(name.casefold(), at):
            return LETTERS[index], at + len(name)
    return "", at


def sentence_over(label: str, flat: str, place: tuple[int, int], names: Names) -> bool:
    """Does the sentence end behind the letter, or go on with its option or with a reason?

    `place`: where the letter is, and where what belongs to it ends.
    """
    letter, end = flat[place[0]], place[1]
    called = _COPULA.search(flat[max(0, place[0] - 40) : place[0]]) or _COPULA.search(label)
    if called:
        flat = _without_contrast(flat, place, names)
    if _SENTENCE_OVER.match(flat, end):
        return True
    mark = re.compile(r"[ \t]*(?:[)\].:,(–—-][ \t]*|の)*").match(flat, end)
    rest = flat[mark.end() : mark.end() + 400] if mark is not None else ""
    index = LETTERS.index(letter.upper())
    if index < len(names.folded) and text_at(rest, rest, 0, names)[0] == index:
        return True
    sentence = re.split(r"[.!?。\n]", rest)[0]
    own = len(names.options[index]) if _named(rest, 0, names)[0] == letter.upper() else 0
    if begins_with(sentence, letter, names) and mark is not None and mark[0].strip():
        return _NO.search(sentence[own:]) is None
    short = _TRANSLATED.match(flat, end) if _CALLED.search(label) else None
    short = short or (_WITH_TEXT.match(flat, end) if called else None)
    if short is None or _NO.search(short[0]) or _UNSURE.search(short[0]):
        return False
    said = short[0].casefold()
    known = LETTERS[: len(names.folded)].replace(letter.upper(), "")
    others = [name for place, name in enumerate(names.unique) if place != index and len(name) > 1]
    own_name = index < len(names.unique) and bool(names.unique[index]) and names.unique[index] in said
    return not re.search(rf"(?<!\w)[{known}](?![^\W_])", short[0]) and (
        own_name or not any(name in said for name in others)
    )


_UNSURE = re.compile(  # "(wenn es um Italien ginge)", "(quizás)", "(eher nicht)"
    r"(?<!\w)(?:si|wenn|falls|если|якби|se|quizás?|tal\s+vez|vielleicht|wohl|eher|oder|peut-être|plutôt|forse"
    r"|talvez|возможно|или|mejor|melhor|meglio|doch|aber|pero|mais|mas|ma|но|ou|probablemente|unwahrscheinlich)"
    r"(?!\w)",
    re.IGNORECASE,
)
# ------------------------------------------------------------------ Cyrillic letters

_CYRILLIC = re.compile(
    r"(?P<label>(?:(?:ответ(?:ом)?|відповідь)[^\n.:;—–-]{0,30}?(?:[:=—–-]|\s)|\b(?:не|а)\s"
    r"|^(?=\w[, ]+(?:а )?не ))[ \t]*[(\[]?)(?P<letter>(?-i:[АВСЕ]))"
    r"(?=[)\]]?[ \t]*(?:[.,;!]|$|а\s+не\s)|\)[ \t]+\w)",
    re.IGNORECASE | re.MULTILINE,
)
_LATIN = dict(zip("АВСЕ", "ABCE", strict=True))
_OTHER_CYRILLIC = re.compile(r"(?<!\w)[БГД](?!\w)")  # then А, Б, В, Г may be meant, and В the third


def with_latin_letters(flat: str) -> str:
    """The same with a Cyrillic letter behind a Russian "answer" as the Latin one that it looks like."""
    known = {"С": "C"} if _OTHER_CYRILLIC.search(flat) else _LATIN
    return _CYRILLIC.sub(lambda match: match["label"] + known.get(match["letter"], match["letter"]), flat)
