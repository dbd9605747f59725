"""What a simulated model would have said instead, token by token: log-probabilities of known size.

The token that is said has the model's `confidence`; where it is a letter, the other letters share nearly all
of the rest, so that the calibration of an answer is known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tiltyard.servers.simulator import tokens

LETTERS = "ABCD"
WORDS = (
    "the",
    "of",
    "it",
    "so",
    "in",
    "is",
    "an",
    "to",
    "as",
    "or",
    "we",
    "by",
    "no",
    "on",
    "at",
    "if",
    "he",
    "up",
)
LONGEST = 10_000  # characters of one piece; more is a fault's line, and no row of tokens
LEFT = 0.02  # of the rest, for what is no letter


def guesses(text: str, top: int, confidence: float) -> list[dict[str, Any]]:
    """One entry per token of a text, as OpenAI's chat gives them."""
    pieces = tokens.split(text) if len(text) <= LONGEST else [text]
    return [guess(token, top, confidence) for token in pieces]


def guess(token: str, top: int, confidence: float) -> dict[str, Any]:
    """A token with its `top` likeliest alternatives, itself among them."""
    if len(token) > LONGEST:
        return {"token": token, "logprob": logprob(confidence), "bytes": None, "top_logprobs": []}
    word = token.strip()
    blank = token[: len(token) - len(token.lstrip())]
    rest = 1.0 - confidence
    found = [(token, confidence)]
    letter = word.strip("().,:*")
    if len(letter) == 1 and letter in LETTERS:
        others = [token.replace(letter, other) for other in LETTERS if other != letter]
        found += [(other, rest * (1 - LEFT) / len(others)) for other in others]
        rest *= LEFT
    found += [(blank + other, rest / len(WORDS)) for other in WORDS if other != word]
    ranked = sorted(found, key=lambda pair: -pair[1])[: max(top, 1)]
    return {**entry(token, confidence), "top_logprobs": [entry(*pair) for pair in ranked] if top else []}


def entry(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob(probability), "bytes": list(token.encode())}


def logprob(probability: float) -> float:
    return math.log(max(probability, 1e-12))


def asked_for(payload: Any) -> int | None:
    """How many alternatives a request asks for; None: none of this."""
    if payload.get("logprobs") is not True:
        return None
    top = payload.get("top_logprobs")
    return min(top, 20) if isinstance(top, int) and not isinstance(top, bool) and top > 0 else 0


def whole_text(parts: Sequence[str], top: int, confidence: float) -> list[dict[str, Any]]:
    """The same for an answer in one piece."""
    return [guess(token, top, confidence) for token in parts]
