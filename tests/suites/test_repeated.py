"""What repetitions show where an item is asked in several ways: the item is the witness, not each way.

`pytest --log-cli-level=INFO` prints the shares.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from tests.store.conftest import make_attempt, make_exchange
from tiltyard.records import Grade, Item
from tiltyard.suites.columns import Column
from tiltyard.suites.scoring import repeated
from tiltyard.suites.tally import Tally

log = logging.getLogger(__name__)
CASES, TRIES, RUNS = 40, 3, 300


def tally_of(modes: tuple[str, ...], tries: int = TRIES) -> Tally:
    """Every case answered so often in each mode, all right."""
    tally = Tally()
    tally.repeats = tries
    grade = Grade(outcome="correct", score=1.0)
    attempt = make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade)
    for number in range(CASES):
        for mode in modes * tries:
            tally.add(
                Item(id=f"c{number}", content_hash="h", spec={"number": number, "group": mode}), attempt
            )
    return tally


@pytest.mark.slow
def test_intervals_over_cases_in_three_modes_hold() -> None:
    """A case is as hard in one mode as in the others: its chance of being right is drawn from Beta(2, 1)."""
    tally, rng = tally_of(("prompt", "json_object", "json_schema")), np.random.default_rng(8)
    every = math.prod((2 + i) / (3 + i) for i in range(TRIES))
    never = math.prod((1 + i) / (3 + i) for i in range(TRIES))
    truth = {"pass_at": 1.0 - never, "pass_every": every, "flips": 1.0 - every - never}
    held = dict.fromkeys(truth, 0)
    for _ in range(RUNS):
        tally.scores = Column(tally.spill)
        for right in rng.random((CASES, 3 * TRIES)) < rng.beta(2, 1, size=CASES)[:, None]:
            for each in right:
                tally.scores.append(float(each))
        found = repeated(tally, range(tally.total))
        assert found is not None
        for name, value in truth.items():
            low, high = (found[name] if name == "flips" else found[name][str(TRIES)])["ci95"]
            held[name] += low <= value <= high
    for name, times in held.items():
        log.info("%s of %s cases in three modes, %s tries: covers %.3f", name, CASES, TRIES, times / RUNS)
        assert times >= 0.93 * RUNS


@pytest.mark.parametrize("modes", [("prompt",), ("prompt", "json_schema", "json_object")])
def test_as_many_modes_say_no_more_than_the_cases(modes: tuple[str, ...]) -> None:
    found = repeated(tally_of(modes), range(CASES * TRIES * len(modes)))
    assert found is not None
    assert found["items"] == CASES * len(modes)
    assert 0.88 < found["pass_every"][str(TRIES)]["ci95"][0] < 0.93  # forty of forty
