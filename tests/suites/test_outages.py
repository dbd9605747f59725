"""A server that goes in the middle of a load: the next sitting goes on where it was last heard of."""

from __future__ import annotations

import pytest

from tests.suites.speed_runs import Ran, run_speed
from tiltyard.records import Attempt
from tiltyard.servers.simulator import SimModel

SHORT = {"prompt_tokens": 16, "output_tokens": 8}
SLOW_START = SimModel(name="m", loaded=True, ttft_ms=20.0, token_ms=1.0)


def from_request(number: int, fault: str) -> tuple[str, ...]:
    """The preparation's own requests count, too."""
    return tuple(f"{fault}@{each}" for each in range(number, 500))


def attempts_of(ran: Ran) -> list[Attempt]:
    return [attempt for result in ran.results for attempt in result.attempts]


def counts(ran: Ran) -> tuple[int, int, int]:
    """Requests that ended well, that did not, and those that are owed."""
    requests = ran.summary["requests"]
    return requests["ok"], requests["total"] - requests["ok"], sum(result.owed for result in ran.results)


@pytest.mark.slow
def test_a_load_by_width_forgets_the_outage() -> None:
    settings = {"profile": "quick", **SHORT, "width": 0.5, "budget_s": 20.0}
    first = run_speed(settings, faults=from_request(10, "drop"))
    ended_well, failed, owed = counts(first)
    assert ended_well == 5
    assert 8 <= failed == owed < 100
    second = run_speed(settings, known=attempts_of(first))
    assert counts(second)[1:] == (0, 0)
    assert 6 <= counts(second)[0] < 200


@pytest.mark.slow
def test_a_load_by_time_goes_on_for_what_was_left_of_it() -> None:
    """The time in which nobody was there is none of it."""
    settings = {"profile": "soak", **SHORT, "seconds": 1.5, "concurrency": 1}
    first = run_speed(settings, SLOW_START, faults=from_request(10, "reset=1"))
    ended_well, failed, owed = counts(first)
    assert ended_well < failed == owed
    second = run_speed(settings, SLOW_START, known=attempts_of(first))
    assert counts(second)[1:] == (0, 0)
    assert counts(second)[0] > ended_well + 5
    assert second.results[0].wall_s == pytest.approx(1.5, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "load",
    [
        {"profile": "soak", "concurrency": 2},
        {"profile": "soak", "rate": 20.0},
        {"profile": "soak", "rate": 20.0, "burst": 5},
        {"profile": "fixed", "concurrency": 2},  # of a number of requests all would be sent
    ],
    ids=lambda load: "-".join(map(str, load.values())),
)
def test_a_long_load_ends_soon_after_its_server(load: dict[str, object]) -> None:
    settings = {**load, **SHORT, "seconds": 600.0}
    first = run_speed(settings, faults=from_request(10, "drop"))
    ended_well, failed, owed = counts(first)
    assert 0 < ended_well < 10
    assert 8 <= owed <= failed < 300
    assert [result.gave_up for result in first.results] == [True]
    assert first.summary["gave_up"]


def test_an_answer_that_was_cut_when_the_server_went_is_asked_again() -> None:
    settings = {"profile": "fixed", **SHORT, "requests": 10, "concurrency": 1}
    first = run_speed(settings, faults=("no_finish@6", *from_request(7, "drop")))
    assert first.summary["requests"] == {"ok": 5, "failed": 4, "truncated": 1, "total": 10}
    assert counts(first) == (5, 5, 5)
    assert counts(run_speed(settings, known=attempts_of(first))) == (10, 0, 0)


@pytest.mark.parametrize("fault", ["error_midstream", "error_midstream=llamacpp", "error_midstream=vllm"])
def test_an_error_that_the_server_tells_in_its_stream_is_a_result(fault: str) -> None:
    """It was there, after the last good answer, too."""
    settings = {"profile": "fixed", **SHORT, "requests": 4, "concurrency": 1}
    first = run_speed(settings, faults=(f"{fault}@4",))
    assert counts(first) == counts(run_speed(settings, known=attempts_of(first))) == (3, 1, 0)


def test_an_answer_that_was_cut_by_a_server_that_stayed_is_a_result() -> None:
    settings = {"profile": "fixed", **SHORT, "requests": 4, "concurrency": 1}
    first = run_speed(settings, faults=("no_finish@4",))
    assert counts(first) == counts(run_speed(settings, known=attempts_of(first))) == (3, 1, 0)


@pytest.mark.parametrize("load", [{"concurrency": 2}, {"rate": 20.0}], ids=str)
def test_what_failed_in_an_earlier_sitting_counts_where_it_was(load: dict[str, object]) -> None:
    """Rounds of answers, and whether requests met, rest on the order of their ends."""
    settings = {"profile": "fixed", **SHORT, **load, "output_tokens": 4}
    first = run_speed({**settings, "requests": 12}, faults=("error_midstream=1@/3",))
    assert counts(first) == (8, 4, 0)
    second = run_speed({**settings, "requests": 24}, known=attempts_of(first))
    assert counts(second) == (20, 4, 0)
    ends = [(each.session, each.exchanges[-1].timeline.over_ns) for each in attempts_of(second)]
    assert ends == sorted(ends)
    assert not second.summary["stages"][0]["load"].get("overlapped")
    known = [each.item_id for each in attempts_of(first)]
    assert [each.item_id for each in attempts_of(second)][:12] == known
