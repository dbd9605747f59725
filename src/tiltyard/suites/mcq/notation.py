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
_ONE = r"(?:\d+|[A-Za-zα-ω])"  # a whole number or one letter
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
_SPELT = {
    "pi": "π",
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "theta": "θ",
    "lambda": "λ",
    "mu": "μ",
    "sigma": "σ",
    "omega": "ω",
    "infty": "∞",
    "ge": "≥",
    "geq": "≥",
    "le": "≤",
    "leq": "≤",
    "times": "×",
    "cdot": "·",
    "cap": "∩",
    "cup": "∪",
    **dict.fromkeys(("setminus", "smallsetminus"), "∖"),
    **dict.fromkeys(("neg", "lnot"), "¬"),
    **dict.fromkeys(("land", "wedge"), "∧"),
    **dict.fromkeys(("lor", "vee"), "∨"),
    **dict.fromkeys(("to", "rightarrow"), "→"),
    **dict.fromkeys(("Rightarrow", "implies"), "⇒"),
    **dict.fromkeys(("leftrightarrow",), "↔"),
    **dict.fromkeys(("Leftrightarrow", "iff"), "⇔"),
    **dict.fromkeys(("subset",), "⊂"),
    **dict.fromkeys(("subseteq",), "⊆"),
    **dict.fromkeys(("emptyset", "varnothing"), "∅"),
    **{name: name for name in ("log", "ln", "exp", "sin", "cos", "tan", "min", "max")},
}
_COMMAND = re.compile(rf"\\({'|'.join(_SPELT)})(?![A-Za-z])")
_TIMES = re.compile(r"(?<=\d)\s{0,3}[x×]\s{0,3}(?=\d)")
_PERCENT = re.compile(r"(?<=\d) per ?cent\b", re.IGNORECASE)
_DOLLARS = re.compile(r"(?<![\w.,$])(\d[\d,.]{0,20}) dollars\b", re.IGNORECASE)
_NUMERATOR, _DENOMINATOR = re.compile(r"[\w.^]+|sqrt\([^()]+\)"), re.compile(rf"{_ONE}|sqrt\([^()]+\)")


def notation(text: str) -> str:
    """ "O(n²)" as "O(n^2)", "\\frac{1}{6}" as "1/6", "H₂O" as "H2O", "√2" as "sqrt(2)", "25\\%" as "25%"."""
    if not text.isascii():
        text = re.sub(f"[{_RAISED}]+", lambda match: "^" + match[0].translate(_UP), text).translate(_DOWN)
        text = _ROOT.sub(_root, text)
    if "\\" in text:
        text = _COMMAND.sub(lambda match: _SPELT[match[1]], text.replace("\\ ", "  "))
        text = _ROOT.sub(_root, _UPRIGHT.sub(r"\1", text))
        text = re.sub(r"\\([%$&#])", r"\1", _FRACTION.sub(_fraction, text))
    text = _POWER.sub(_power, text) if "^" in text else text
    text = re.sub(r"(?<=\w)_(?:\{(\w{1,20})\}|(\d))", r"\1\2", text) if "_" in text else text
    text = text.replace(">=", "≥").replace("<=", "≤")
    text = _DOLLARS.sub(r"$\1", _PERCENT.sub("%", _TIMES.sub("×", text)))
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
