"""Shipped content proves itself; content that does not hold is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from tests.suites.graded_runs import Doubles
from tiltyard.cli import app
from tiltyard.records import Item
from tiltyard.suites import SUITES, load_suite
from tiltyard.suites.proof import Proof
from tiltyard.suites.verify import verify

GRADED = [name for name in SUITES if name != "speed"]


class Proven(Doubles):
    """Twice N, with reference answers; `answers` may be wrong ones."""

    answers: tuple[str, ...] = ("0", "2", "4")
    ids: tuple[str, ...] = ("q0", "q1", "q2")

    def proofs(self) -> Iterator[Proof]:
        for number, (name, text) in enumerate(zip(self.ids, self.answers, strict=True)):
            yield Proof(Item(id=name, content_hash=name, spec={"n": number}), text)


class Mistaken(Proven):
    answers = ("0", "3", "4")


class Doubled(Proven):
    ids = ("q0", "q1", "q1")


class Generous(Proven):
    def grade(self, item, exchange):  # type: ignore[no-untyped-def]
        grade = super().grade(item, exchange)
        return grade if exchange.text else type(grade)(outcome="partial", score=0.5)


@pytest.mark.parametrize("name", GRADED)
def test_the_shipped_content_holds(name: str) -> None:
    verified = verify(load_suite(name))
    assert verified is not None
    assert verified.faults == ()
    assert verified.items >= {"mcq": 120, "json": 63, "tools": 63}[name]


def test_content_that_does_not_hold_is_named() -> None:
    good = verify(Proven())
    assert good is not None
    assert (good.items, good.faults) == (3, ())
    for suite, words in (
        (Mistaken(), "q1: the reference answer gets wrong"),
        (Doubled(), "q1: the id occurs twice"),
        (Generous(), "an empty answer gets partial"),
    ):
        found = verify(suite)
        assert found is not None
        assert any(words in fault for fault in found.faults), found.faults


def test_speed_has_nothing_to_prove() -> None:
    assert verify(load_suite("speed")) is None


def test_the_command_names_every_suite() -> None:
    done = CliRunner().invoke(app, ["verify"])  # a command keeps the help of whatever group asked first
    assert done.exit_code == 0, done.output
    for name in GRADED:
        assert f"✓ {name}:" in done.output
    assert "speed: offers no `proofs()`: there is nothing to prove" in done.output
