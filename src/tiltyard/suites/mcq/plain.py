"""A reply without its dress: thinking, markup, quotes and LaTeX become blanks, letter widths become one.

Every character keeps its place, so that what is found can be found again in the reply and its tokens.
"""

from __future__ import annotations

import re
import unicodedata

from tiltyard.servers.thinking import thoughts_in

_WIDE = {ord("Ａ") + i: ord("A") + i for i in range(26)} | {ord("ａ") + i: ord("a") + i for i in range(26)}
_SIGNS = {
    ord(wide): narrow for wide, narrow in zip("（）［］【】：，；．。？！＝", "()[][]:,;..?!=", strict=True)
}
_BLANKS = {ord(c): " " for c in "\u00a0\u2009\u202f\u200b\ufeff\ufe0f【】"}
_STYLED = {  # mathematical bold, italic, script ...; circled
    code: letter
    for code in (*range(0x1D400, 0x1D6A4), *range(0x24B6, 0x24EA))
    if (letter := unicodedata.normalize("NFKC", chr(code))).isascii()
}
_ON_TILES = {first + i: ord("A") + i for first in (0x1F130, 0x1F150, 0x1F170) for i in range(26)}
_LOOKS: dict[int, int | str] = {**_WIDE, **_SIGNS, **_BLANKS, **_STYLED, **_ON_TILES}

_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
# The same in tags, where a letter follows: else "<s>" and "</s>" are a template's ends of the text
_STRUCK_TAGS = re.compile(
    r"(<(s|del|strike)>)([^<\n]{1,200})(</\2>)(?=[ \t*_]{0,4}(?:<ins>)?[ \t*_(\[]{0,4}[A-Z](?!\w))",
    re.IGNORECASE,
)
_SPECIAL = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?s>|\[/?INST\]|<(?:eos|bos|end_of_turn|start_of_turn)>"
)
_ANSWER_TAG = re.compile(r"<([a-z_ ]*answer[a-z_ ]*|final|response|option|choice|result)>", re.IGNORECASE)
_HTML = re.compile(r"</?(?:b|strong|i|em|u|ins|span|code)(?:\s[^<>\n]{0,80})?/?>")
_HTML_LINE = re.compile(r"</?(?:p|br|div|h[1-6])(?:\s[^<>\n]{0,80})?/?>")
_CLOSING_TAG = re.compile(r"</[a-z_ ]{1,30}>", re.IGNORECASE)
_LATEX = re.compile(
    r"\\(?:boxed|fbox|text(?:bf|it|rm|sf|tt)?|math(?:bf|rm|it|sf|tt)|mathbf|bm|displaystyle|left|right|quad)"
    r"(?![A-Za-z])\s*\{?|\\[,;!]\s*\{?|\\[()\[\]]"
)
_MARKUP = re.compile(r"[*$`{}]|(?<!\w)_+|_+(?!\w)|^[ \t]*(?:>+|#+|[-•+])(?=[ \t*_(])", re.MULTILINE)
_GAP = re.compile(r"\s{40,}")
_TWICE_BRACKETED = re.compile(r"\[\[([ \t]{0,4}[A-Za-z][ \t]{0,4})\]\]")
_QUOTES = re.compile(r"[\"“”„«»「」『』‹›]|(?<![^\W_])['‘’]|['‘’](?![^\W_])")


def blank(match: re.Match[str]) -> str:
    """As many spaces; line breaks stay."""
    return _blanks(match[0])


def _blanks(text: str) -> str:
    return " " * len(text) if "\n" not in text else re.sub(r"[^\n]", " ", text)


def _line(match: re.Match[str]) -> str:
    """As many spaces, the last one a line break."""
    return _blanks(match[0])[:-1] + "\n"


def without_thought(text: str) -> str:
    """The reply with what belongs to thinking blanked, also where a tag of the pair is missing.

    What is struck out in tags stands between tildes then.
    """
    if "<" in text:
        text = _STRUCK_TAGS.sub(
            lambda match: f"{'~~':>{len(match[1])}}{match[3]}{'~~':<{len(match[4])}}", text
        )
    parts: list[str] = []
    done = 0
    for start, end in thoughts_in(text):
        parts += (text[done:start], _blanks(text[start:end])[:-1], "\n")
        done = end
    return "".join((*parts, text[done:]))


def without_markers(text: str) -> str:
    """The same with the markers of chat templates blanked."""
    return _SPECIAL.sub(blank, text) if "<" in text or "[" in text else text


def plain(text: str) -> str:
    """The same length, words and the punctuation that means something. Takes `without_thought`."""
    text = text.translate(_LOOKS)
    text = _STRUCK.sub(blank, _TWICE_BRACKETED.sub(r" [\1] ", text))
    if "<" in text:
        text = _ANSWER_TAG.sub(lambda match: f" {match[1].replace('_', ' ')}:", text)
        text = _CLOSING_TAG.sub(_line, _HTML.sub(blank, _HTML_LINE.sub(_line, text)))
    if "\\" in text:
        text = _LATEX.sub(blank, text)
    return _GAP.sub(_filled, _QUOTES.sub(" ", _MARKUP.sub(blank, text)))


def _filled(match: re.Match[str]) -> str:
    """A long gap as dots, so that no pattern walks over it again and again; its ends stay."""
    end = "\n" if "\n" in match[0] else " "
    return end + "·" * (len(match[0]) - 2) + end
