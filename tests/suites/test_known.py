"""What a model is made to know of a suite: exactly that share, and wrong answers where it does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tiltyard.cli.ability import asked_of, provable
from tiltyard.records import ToolCall
from tiltyard.servers.tiny import Say
from tiltyard.suites.known import known_answers, proofs_of
from tiltyard.suites.verify import answered


def spoken(say: Say) -> tuple[str, tuple[ToolCall, ...]]:
    """An answer's words and calls, as a server would hand them over."""
    calls = tuple(
        ToolCall(name=c.name, arguments=msgspec.json.encode(c.arguments).decode()) for c in say.tool_calls
    )
    return say.text, calls


@pytest.mark.parametrize("name", provable())
@pytest.mark.parametrize("share", [0.0, 0.55, 1.0])
def test_a_share_is_known_to_the_item_and_the_rest_is_answered_wrongly(name: str, share: float) -> None:
    suite, bench = asked_of(name, Path("m.gguf"))
    proofs = proofs_of(suite)
    answers = known_answers(suite, bench, share, sure=True)
    outcomes: Counter[str] = Counter()
    for proof, answer in zip(proofs, answers, strict=True):
        (say,) = answer.choices()
        grade = suite.grade(proof.item, answered(*spoken(say)))
        assert grade is not None
        assert grade.score == (grade.outcome == "correct")
        outcomes[grade.outcome] += 1
    right = round(share * len(proofs))
    assert outcomes == Counter(correct=right) + Counter(wrong=len(proofs) - right)


@pytest.mark.parametrize("name", provable())
def test_at_temperature_one_every_answer_has_its_chance(name: str) -> None:
    suite, bench = asked_of(name, Path("m.gguf"))
    for proof, answer in zip(proofs_of(suite), known_answers(suite, bench, 0.7), strict=True):
        right, wrong = answer.choices()
        assert (right.p, wrong.p) == (0.7, pytest.approx(0.3))
        grade = suite.grade(proof.item, answered(*spoken(wrong)))
        assert grade is not None
        assert (grade.outcome, grade.score) == ("wrong", 0.0)


def test_other_models_know_other_items() -> None:
    shares = {}
    for path in ("one.gguf", "two.gguf"):
        suite, bench = asked_of("mcq", Path(path))
        shares[path] = [answer.choices()[0].text for answer in known_answers(suite, bench, 0.5, sure=True)]
    assert shares["one.gguf"] != shares["two.gguf"]
