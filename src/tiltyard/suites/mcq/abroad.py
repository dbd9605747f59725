"""Short conclusions in other languages than English: "Also B.", "Donc c'est C.", "Bです。"

The last sentence holds nothing but words for "so", "it is" or "I choose", and the letter; or the whole reply
is "Opción B". Runs on text from `plain.py`.
"""

from __future__ import annotations

import re

from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.letters import denies_abroad
from tiltyard.suites.mcq.names import Names, folded, mentioned

_SO = (
    r"(?:also|daher|somit|folglich|deshalb|demnach|donc|alors|ainsi|por\s+(?:lo\s+)?tanto|así\s+que|entonces"
    r"|portanto|então|quindi|dunque|perciò|pertanto|dus|alltså|altså|zatem|więc|значит|следовательно"
    r"|поэтому|итак|отже)"
)
_IT_IS = r"(?:(?:es|das)\s+ist|ist\s+es|c['’]est|es|é|è|het\s+is|is\s+het|det\s+(?:är|er)|это|це)"
_CHOOSE = (
    r"(?:ich\s+(?:wähle|nehme)|je\s+choisis|elijo|escojo|escolho|scelgo|ik\s+kies|jag\s+väljer|jeg\s+velger"
    r"|wybieram|(?:я\s+)?выбираю|(?:la|a)\s+(?:correc?ta|corretta)\s+(?:es|é|è)|la\s+bonne\s+est)"
)
_OPTION = (
    r"(?:opci[oó]n|opção|opzione|optie|opcja|вариант|variante?|lettre|буква"
    r"|选项|選項|選択肢|옵션|보기|선택지)"
)
_THE = (
    r"(?:\s+(?:la|a|die))?(?:\s+(?:opci[oó]n|opção|opzione|option|antwort|réponse|respuesta|risposta|resposta"
    r"|letra|lettre|lettera|alternativa))?"
)
_SO_IN_ASIA = r"(?:所以|因此|因而|したがって|よって|だから|従って|따라서|그러므로)[,、]?\s*"
_CHINESE = r"(?:我?选择?|我?選擇?|(?:(?:答案)?(?:应该|應該)?|正[确確]的)是)\s*"
_JAPANESE_OR_KOREAN = (
    r"(?:だと思います|です|である|だ|になります|となります"
    r"|번?(?:입니다|이다|이에요|예요)|(?:이)?라고\s*생각합니다)"
)
_LETTER = r"[(\[]?[ \t]*(?P<letter>(?-i:[A-Z]))[ \t]*[)\]]?"
_EITHER = r"[(\[]?(?-i:[A-Z])(?![A-Za-z'’])[)\]]?"
_BEGIN, _END = r"(?:\A|(?<=[.!?\n]))[ \t]*", r"[\s.!)]{0,9}\Z"
_LAST = (
    re.compile(
        rf"{_BEGIN}(?:(?:(?:{_SO},?\s+)?(?:{_IT_IS}|{_CHOOSE}){_THE}|{_SO},?)\s+"
        rf"|{_SO_IN_ASIA}(?:{_CHINESE})?|{_CHINESE}){_LETTER}{_END}",
        re.IGNORECASE,
    ),
    re.compile(rf"{_BEGIN}(?:{_SO_IN_ASIA})?{_LETTER}\s*{_JAPANESE_OR_KOREAN}{_END}", re.IGNORECASE),
    re.compile(rf"{_BEGIN}ich\s+würde\s+{_LETTER}\s+(?:wählen|nehmen|sagen){_END}", re.IGNORECASE),
    re.compile(  # "Ce n'est pas A, c'est B.", "A가 아니라 B입니다."
        r"\A\W*(?:(?:(?:ce\s+)?n['’]est\s+pas|no\s+es|non\s+è|não\s+é|(?:es|das)\s+ist\s+nicht|это\s+не)"
        rf"(?P<denied>{_THE}\s+{_EITHER}(?:(?:,|,?\s+(?:ni|und|oder|ou|o|e|y|или|и)){_THE}\s+{_EITHER}){{0,9}})"
        rf"(?:[,;.:]|(?=\s+(?:mais|sino|ma|mas|sondern|а)\s))(?:\s+(?:mais|sino|ma|mas(?:\s+sim)?|sondern|а))?"
        rf"(?:\s+{_IT_IS})?{_THE}\s+"
        rf"|(?P<korean>{_EITHER})[가이]?\s*아니라\s*){_LETTER}(?:번?(?:입니다|이다|이에요|예요))?{_END}",
        re.IGNORECASE,
    ),
    re.compile(rf"\A\s*{_OPTION}:?\s*{_LETTER}(?:번?입니다|です)?{_END}", re.IGNORECASE),
)
_LONGEST = 60
_SUPPOSED = re.compile(
    r"(?<!\w)(?:si|wenn|falls|если|якби|jeśli|fuera|wäre|serait|fosse)(?!\w)|如果|若|もし|만약", re.IGNORECASE
)
_NO_BLANKS = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]")
_CAPITAL = re.compile(r"(?<![A-Za-z'’])[A-Z](?![A-Za-z'’])")


def concluded_abroad(flat: str, names: Names) -> tuple[str, int] | None:
    """The letter of such a conclusion, and its place.

    What stands before it must name that very option, and no other one or letter, and suppose and deny
    nothing. None too where an option has a letter in its text: "Es ist C." may be the vitamin.
    """
    found = (pattern.search(flat, max(0, len(flat) - _LONGEST)) for pattern in _LAST)
    match = next((each for each in found if each is not None), None)
    if match is None or any(map(_CAPITAL.search, names.options)):
        return None
    denied = match.groupdict()
    if match["letter"] in _CAPITAL.findall(denied.get("denied") or denied.get("korean") or ""):
        return None
    letter, before = match["letter"], flat[: match.start()].strip()
    if before:
        sentence = re.split(r"[.!?\n]", before.rstrip(" .!?\n"))[-1]
        others = set(LETTERS[: len(names.folded)]) & set(_CAPITAL.findall(before)) - {letter}
        if others or _named(before, names) != {LETTERS.index(letter)} or before.endswith((":", "?")):
            return None
        if denies_abroad(sentence) or _SUPPOSED.search(sentence):
            return None
    return letter, match.start("letter")


def _named(before: str, names: Names) -> set[int]:
    """The options in these words; where they are written without blanks, anywhere in them."""
    said = folded(before)
    inside = {place for place, name in enumerate(names.unique) if _NO_BLANKS.search(name) and name in said}
    return inside or mentioned(before, names)
