"""Formulas in one spelling, so that an option is known in whatever notation a reply writes it.

Takes text as it was said, and text from `plain.py`, in which the brackets of LaTeX are blanks: there only
what can be nothing else is changed.
"""

from __future__ import annotations

import re

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ"
_UP = str.maketrans(_RAISED, "0123456789-+n")
_DOWN = str.maketrans("₀₁₂₃₄₅₆₇₈₉−", "0123456789-")
_UPRIGHT = re.compile(r"\\(?:text|math)(?:rm|bf|it|sf|tt)?\s*\{([^{}]{1,40})\}")
_ONE = r"(?:\d+|[A-Za-z])"  # a whole number or one letter
_OVER = r"(?=\s[\s.,;:=)]|\s?\Z)"  # after it, in plain text
_FRACTION = re.compile(
    r"\\[dt]?frac(?:\s*\{\s*([^{}]{1,40}?)\s*\}\s*\{\s*([^{}]{1,40}?)\s*\}|\s*(\d)(\d)"
    rf"|\s+({_ONE})\s\s+({_ONE}){_OVER})"
)
_ROOT = re.compile(
    rf"\\sqrt(?:\s*\{{\s*([^{{}}]{{1,40}}?)\s*\}}|\s*(\d)|\s+({_ONE}){_OVER})"
    rf"|√(?:\(([^()]{{1,40}})\)|({_ONE})(?!\w))"
)
_POWER = re.compile(rf"\^(?:\{{\s*([^{{}}]{{1,20}}?)\s*\}}|\s+(-?{_ONE}){_OVER})")
_NUMERATOR, _DENOMINATOR = re.compile(r"[\w.^]+|sqrt\([^()]+\)"), re.compile(rf"{_ONE}|sqrt\([^()]+\)")


def notation(text: str) -> str:
    """ "O(n²)" as "O(n^2)", "\\frac{1}{6}" as "1/6", "H₂O" as "H2O", "√2" as "sqrt(2)", "25\\%" as "25%"."""
    if not text.isascii():
        text = re.sub(f"[{_RAISED}]+", lambda match: "^" + match[0].translate(_UP), text).translate(_DOWN)
        text = _ROOT.sub(_root, text)
    if "\\" in text:
        text = _ROOT.sub(_root, _UPRIGHT.sub(r"\1", text))
        text = re.sub(r"\\([%$&#])", r"\1", _FRACTION.sub(_fraction, text))
    text = _POWER.sub(_power, text) if "^" in text else text
    text = re.sub(r"(?<=\w)_(?:\{(\w{1,20})\}|(\d))", r"\1\2", text) if "_" in text else text
    return text.replace("{,}", ",")


def _root(match: re.Match[str]) -> str:
    return f"sqrt({next(filter(None, match.groups()))})"


def _fraction(match: re.Match[str]) -> str:
    """With brackets where it would mean something else without: "1/(2x)", "(1/2)x", "3(1/2)"."""
    above, below = filter(None, match.groups())
    above = above if _NUMERATOR.fullmatch(above) else f"({above})"
    below = below if _DENOMINATOR.fullmatch(below) else f"({below})"
    text, start, end = match.string, match.start(), match.end()
    beside = re.match(r"[\w(\\]", text[end:]) or re.search(r"\w\Z", text[:start][-1:])
    return f"({above}/{below})" if beside else f"{above}/{below}"


def _power(match: re.Match[str]) -> str:
    raised = match[1] or match[2]
    apart = re.fullmatch(rf"-?{_ONE}", raised) and not match.string[match.end() :][:1].isdigit()
    return f"^{raised}" if apart else f"^({raised})"
