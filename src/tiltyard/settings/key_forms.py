"""How a key may be written in a text that a server sends: as itself, escaped, or in base64.

Who looks for it is `keys.py`, for our own texts, and the client, for what servers send.
"""

from __future__ import annotations

import base64
import re
from functools import cache

_SLASHES = r"\\\\{0,7}"  # JSON within JSON doubles them
_SHORTEST_IN_BASE64 = 6  # of a shorter key too few letters would be left to look for


@cache
def any_form(key: str) -> tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[bytes], ...]]:
    """Patterns, for text and for bytes, of a key as itself, as JSON, URLs or HTML may escape any of it, as a
    server reads it that takes its bytes for single letters, and in base64 with anything around it.

    Several, since one that begins with a fixed letter is found ten times as fast as a choice of them.
    """
    patterns = ["".join(map(_forms, key))]
    if len(key) >= _SHORTEST_IN_BASE64:
        patterns += _in_base64(key)
    return tuple(map(re.compile, patterns)), tuple(re.compile(each.encode()) for each in patterns)


def _in_base64(key: str) -> list[str]:
    """Patterns of the letters that its bytes alone decide, wherever in a group of three they begin."""
    either = {"+": f"(?:-|{_written('+')})", "/": f"(?:_|{_written('/')})"}  # alphabet
    found = []
    for data in dict.fromkeys((key.encode(), key.encode().decode("latin-1").encode())):
        for before, undecided in ((0, 0), (1, 2), (2, 3)):
            coded = base64.b64encode(bytes(before) + data).decode()[undecided : 8 * (before + len(data)) // 6]
            found.append("".join(either.get(letter, letter) for letter in coded))
    return found


def _forms(char: str) -> str:
    """One character in every form, also as the two or three letters that its bytes are to some."""
    found = [_written(char)]
    if not char.isascii():
        data = char.encode()
        read = dict.fromkeys((data.decode("latin-1"), data.decode("cp1252", "replace")))
        found += ["".join(map(_written, letters)) for letters in read]
    return f"(?:{'|'.join(found)})" if len(found) > 1 else found[0]


def _written(char: str) -> str:
    """One letter as it may be escaped. Each way begins with a plain letter: so a search stays quick."""
    import html  # with a table of two thousand names: only for those who have a key

    units = char.encode("utf-16-be").hex()
    code = "".join(rf"{_SLASHES}u{_in_either_case(units[i : i + 4])}" for i in range(0, len(units), 4))
    if not char.isascii() and ord(char) < 0x100:
        code += rf"|{_SLASHES}x{_in_either_case(f'{ord(char):02x}')}"  # as Python shows bytes
    escaped = [] if char.isalnum() else [rf"{_SLASHES}{re.escape(char)}"]
    percent = "".join(f"%(?:25){{0,3}}{_in_either_case(f'{byte:02x}')}" for byte in char.encode())
    number = f"&#(?:0{{0,6}}{ord(char)}|[xX]0{{0,6}}{_in_either_case(f'{ord(char):x}')});"
    named = [html.escape(char)] if html.escape(char) != char else []
    return f"(?:{'|'.join([re.escape(char), code, *escaped, percent, number, *named])})"


def _in_either_case(digits: str) -> str:
    return "".join(f"[{each}{each.upper()}]" if each.isalpha() else each for each in digits)
