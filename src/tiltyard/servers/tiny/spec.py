"""What a tiny model is to be: its size, its seed, and what it answers.

The same spec gives the same bytes. What makes a file of it is in `writing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Json, Record

LONGEST_BABBLE = 1_000_000  # tokens
HEAD_DIM = 64  # of each attention head; a model's dim is a multiple of it


class Call(Record, frozen=True):
    """A tool call that a model is to make."""

    name: str
    arguments: Mapping[str, Json] = {}


class Say(Record, frozen=True):
    """One answer: reasoning, text and tool calls, in that order, with its probability at temperature 1."""

    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[Call, ...] = ()
    p: float = 1.0

    def raw(self) -> str:
        """The answer as the model writes it, in the words of its chat template."""
        parts = [self.text] if self.text else []
        for call in self.tool_calls:
            body = msgspec.json.encode({"name": call.name, "arguments": call.arguments}).decode()
            parts.append(f"<tool_call>\n{body}\n</tool_call>")
        thought = f"<think>\n{self.reasoning}\n</think>\n\n" if self.reasoning is not None else ""
        return thought + "\n".join(parts)


class Answer(Record, frozen=True, forbid_unknown_fields=True):
    """What a model knows: a prompt that holds the text `when` (case matters) is answered by `say`.

    Several answers are given with their probabilities at temperature 1; at 0 the likeliest wins. With
    `end` false the model babbles on after the answer. Of several answers whose `when` is in the prompt,
    the one listed last wins.
    """

    when: str
    say: str | tuple[Say, ...]
    end: bool = True

    def choices(self) -> tuple[Say, ...]:
        return (Say(text=self.say),) if isinstance(self.say, str) else self.say


class TinySpec(Record, frozen=True):
    """Everything that determines the file: the same spec gives the same bytes."""

    name: str = "tiny"
    dim: int = 128  # a multiple of 64, at least 128
    layers: int = 4
    context: int = 32768
    mean_tokens: float = 200.0  # mean length of a babbled turn at temperature 1, its end token included
    seed: int = 0
    answers: tuple[Answer, ...] = ()


SIZES: Mapping[str, tuple[int, int]] = {  # dim, layers
    "tiny": (128, 4),
    "small": (256, 8),
    "medium": (512, 10),
}

# Three models whose speeds differ clearly on any CPU; `docs/models.md` has measured figures.
PRESETS: Mapping[str, TinySpec] = {
    "tilt-swift": TinySpec(name="tilt-swift", dim=128, layers=4),
    "tilt-steady": TinySpec(name="tilt-steady", dim=128, layers=16),
    "tilt-heavy": TinySpec(name="tilt-heavy", dim=256, layers=20),
}


def check(spec: TinySpec) -> None:
    """Raises UsageError where no such model can be made."""
    if spec.dim % HEAD_DIM or spec.dim < 2 * HEAD_DIM:
        raise UsageError(f"dim is {spec.dim}", f"use a multiple of {HEAD_DIM}, at least {2 * HEAD_DIM}")
    if not 1 <= spec.layers <= 1000:
        raise UsageError(f"layers is {spec.layers}", "use 1 to 1000")
    if not 2 <= spec.mean_tokens <= LONGEST_BABBLE:
        raise UsageError(f"mean-tokens is {spec.mean_tokens:g}", f"use 2 to {LONGEST_BABBLE:,}")
    if spec.context < 64:
        raise UsageError(f"context is {spec.context}", "use 64 or more")
    for answer in spec.answers:
        choices = answer.choices()
        total = sum(say.p for say in choices)
        if not answer.when.strip():
            raise UsageError("an answer has an empty `when`", "give the words that a prompt must hold")
        if any(not 0 < say.p <= 1 for say in choices) or abs(total - 1) > 1e-6:
            what = f"the probabilities for {answer.when!r} add up to {total:g}"
            raise UsageError(what, "make them add up to 1")
        if any(not say.raw() for say in choices):
            raise UsageError(f"an answer for {answer.when!r} is empty", "give it some text")
