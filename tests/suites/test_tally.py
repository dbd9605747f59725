"""What a graded run keeps of its attempts: little of each, and no figure less exact for it."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc

import pytest

from tests.store.conftest import make_attempt, make_exchange
from tiltyard.records import Attempt, Grade, Item, Measures
from tiltyard.suites.columns import BLOCK, Column, Spill
from tiltyard.suites.tally import Tally

SPEEDS = Measures(ttft_ms=100.5, ttfo_ms=100.5, e2e_ms=220.25, decode_tps=40.5, prefill_tps=900.5)
ATTEMPTS = 20 * BLOCK


def attempt(given: int) -> Attempt:
    details = {"expected": "A", "gold": 0, "letter": "AB"[given], "given": given, "choice": given}
    grade = Grade(outcome="wrong" if given else "correct", score=float(not given), details=details)
    return make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade, measures=SPEEDS)


@pytest.mark.slow
def test_an_attempt_costs_next_to_nothing() -> None:
    pair, kept = [attempt(0), attempt(1)], []
    tracemalloc.start()
    try:
        tally = Tally()
        for number in range(2 * ATTEMPTS):
            tally.add(Item(id="q", content_hash="h", spec={"number": number}), pair[number % 2])
            if (number + 1) % ATTEMPTS == 0:
                kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert tally.total == 2 * ATTEMPTS
    assert (kept[1] - kept[0]) / ATTEMPTS < 5  # bytes
    assert list(tally.items) == list(range(2 * ATTEMPTS))


NO_ROOM = """
import resource
from tiltyard.suites.columns import BLOCK, Column, Spill
resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
column = Column(Spill())
for number in range(9 * BLOCK):
    column.append(number / 2)
print(list(column) == [column[at] for at in range(9 * BLOCK)] == [number / 2 for number in range(9 * BLOCK)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size there")
@pytest.mark.parametrize("room", [0, 20_000])
def test_where_the_disk_has_no_room_the_numbers_are_kept_in_memory(room: int) -> None:
    code = NO_ROOM.replace("ROOM", str(room))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_scores_keep_all_their_digits() -> None:
    tally = Tally()
    for number, score in enumerate((1.0, 11 / 24, 0.1)):
        grade = Grade(outcome="partial", score=score, details={"share": score})
        done = make_attempt(exchanges=(make_exchange(2, ending="ok"),), grade=grade, measures=SPEEDS)
        tally.add(Item(id="q", content_hash="h", spec={"number": number}), done)
    assert list(tally.scores) == list(tally.flags["share"]) == [1.0, 11 / 24, 0.1]


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, None, True, -127, 127],
        [None, None, 0.5, 1],
        [3, None, 128, -128],
        [1, math.inf, 2],
        [2.0, float("nan"), 7],
        [],
    ],
)
@pytest.mark.parametrize("missing", [1, BLOCK - 1, BLOCK, 3 * BLOCK - 2])
def test_a_column_gives_back_what_went_in(values: list[float | None], missing: int) -> None:
    column = Column(Spill(), missing=missing)
    for value in values:
        column.append(value)
    expected = [math.nan] * missing + [math.nan if value is None else float(value) for value in values]
    assert list(column) == pytest.approx(expected, nan_ok=True, abs=0)
    assert [column[place] for place in range(len(column))] == pytest.approx(expected, nan_ok=True, abs=0)
