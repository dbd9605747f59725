"""How a run is marked in a list, and its progress told: what is not supported is no failure there."""

import pytest
from msgspec.structs import replace

from tests.reports.graded import graded
from tiltyard.cli.progress import counts
from tiltyard.cli.showing import state_of


@pytest.mark.parametrize(
    ("outcomes", "n", "mark"),
    [
        ({"correct": 8, "unsupported": 2}, 10, "✓ finished"),
        ({"unsupported": 10}, 10, "✓ finished"),
        ({"correct": 7, "unsupported": 2, "error": 1}, 10, "! 1 failed"),
        ({"error": 10}, 10, "✗ 10 failed"),
    ],
)
def test_only_errors_are_failures_of_a_graded_run(outcomes, n, mark):
    run = graded().run()
    counted = {"ok": 0, "failed": n - outcomes.get("correct", 0), "truncated": 0, "total": n}
    zero = dict.fromkeys(run.summary["outcomes"], 0)
    summary = {**run.summary, "n": n, "outcomes": {**zero, **outcomes}, "requests": counted}
    assert state_of(replace(run, summary=summary), wide=True) == mark


def test_progress_counts_them_alike():
    event = {
        "done": 10,
        "expected": 20,
        "failed": 3,
        "outcomes": {"correct": 7, "unsupported": 2, "error": 1},
    }
    assert counts(event) == "10/20, 1 failed"
    assert counts({**event, "outcomes": {"correct": 7, "unsupported": 3}}) == "10/20"
    assert counts({"done": 10, "failed": 3, "outcomes": None}) == "10 done, 3 failed"
