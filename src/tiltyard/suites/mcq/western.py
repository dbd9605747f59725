"""Is what was decoded as Windows-1252 text of western Europe, or of another encoding?

Every byte but five is something in Windows-1252, so that decoding proves nothing. What gives other encodings
away are words that no western language has: other letters together, or signs within a word ("Po³ska").
"""

from __future__ import annotations

import re

MOST_ODD = 0.02  # share of the words beyond ASCII; a western text has some foreign names
_ALPHABETS = tuple(
    frozenset(letters)
    for letters in (
        "àâæçéèêëîïôœùûüÿñáíóöä",  # French, and what it takes from its neighbours
        "äöüßéèàáâêëïôóñç",  # German, Dutch, Swedish, Finnish
        "áéíóúüñçàèòï",  # Spanish, Catalan, Galician, Irish
        "áâãàçéêíóôõúü",  # Portuguese
        "àáèéìíîòóùú",  # Italian
        "æøåäöéèêëüôóáà",  # Danish, Norwegian, Swedish
        "áéíóúýþæðö",  # Icelandic, Faroese
        "áéíóúýøðæ",
        "âêîôûáéíóúàèìòùäëïöüÿ",  # Welsh, Gaelic
    )
)
_WORD = re.compile(r"[A-Za-z]*[^\x00-\x7f][^\x00-\x40\x5b-\x60\x7b-\x7f]*")
_SPLIT = re.compile("[’‘–—…•·\xa0\xad×÷±²]+")  # as they stand between words, or in one: "l’été", "a×b"
_BEFORE, _AFTER = "“”„‚«»‹›¿¡£€¥¢©§¶±×÷°µ†‡", "“”„‚«»‹›²³¹°ºª®™©½¼¾‰§€£¥¢±×÷†‡"
_THREE = re.compile(r"[^\x00-\x7f]{3}")


class Western:
    """The words beyond ASCII of a text that is read piece by piece, and how many of them are odd."""

    def __init__(self) -> None:
        self.words = self.odd = 0

    def add(self, text: str) -> None:
        for match in _WORD.finditer(text):
            for part in _SPLIT.split(match[0]):
                word = part.lstrip(_BEFORE).rstrip(_AFTER)
                if not word.isascii():
                    self.words += 1
                    self.odd += is_odd(word)

    @property
    def holds(self) -> bool:
        return self.odd <= MOST_ODD * self.words


def is_odd(word: str) -> bool:
    """Has no western language such a word?"""
    beyond = {letter for letter in word.lower() if not letter.isascii()}
    return _THREE.search(word) is not None or not any(beyond <= alphabet for alphabet in _ALPHABETS)
