"""The simulator's tokenizer: a token is a piece of at most four characters, its leading space included.

It is the one source of counts: usage, `/tokenize` and the prefix cache all use it, so that every count a
server claims is known to be true. It leaves out any likeness to a real vocabulary.
"""

from __future__ import annotations

import re
from zlib import crc32

_PIECE = re.compile(r"\s\S{0,3}|\S{1,4}")
_seen: dict[int, str] = {}
_REMEMBERED = 200_000


def split(text: str) -> list[str]:
    """Tokens of `text`; joined they give it back. A whitespace always opens a new token."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    return len(_PIECE.findall(text))


def ids(text: str) -> list[int]:
    """Stable token ids (31 bits of CRC-32 of the piece)."""
    out = []
    for piece in split(text):
        number = crc32(piece.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF
        if len(_seen) < _REMEMBERED:
            _seen[number] = piece
        out.append(number)
    return out


def text_of(numbers: list[int]) -> str:
    """The text of ids that this process has given out before; unknown ones give U+FFFD."""
    return "".join(_seen.get(number, "�") for number in numbers)


def common_prefix(a: list[str], b: list[str]) -> int:
    """How many leading tokens two prompts share, by bisection over slices (which compare at C speed)."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
