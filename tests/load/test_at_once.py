"""More streams than slots: seen by the answers themselves, and the waits of such loads have no interval."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiltyard.load.at_once import MOST, AtOnce, waited
from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Attempt, Exchange, Measures, Request, Timeline
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.stats.queues import IN_LINE, IN_TURN, QUEUED

FOUR = Load(concurrency=4, stop=Stop(count=8))


def attempt(sent_ms: float, first_ms: float, last_ms: float, session: int = 1) -> Attempt:
    timeline = Timeline(scheduled_ns=0, started_ns=0, sent_ns=int(sent_ms * 1e6))
    return Attempt(
        run_id="r",
        stage="s",
        item_id="i",
        item_hash="h",
        repetition=0,
        started_at="",
        session=session,
        exchanges=(Exchange(request=Request(model="m", messages=()), timeline=timeline, ending="ok"),),
        measures=Measures(ttft_ms=first_ms - sent_ms, e2e_ms=last_ms - sent_ms),
    )


def seen(*attempts: Attempt, enough: int = MOST) -> AtOnce:
    found = AtOnce(enough)
    for each in attempts:
        found.add(each)
    return found


@pytest.mark.parametrize("enough", [MOST, 4])
def test_streams_that_are_answered_together(enough):
    waves = [attempt(start, start + 10 + n, start + 110 + n) for start in (0, 120) for n in range(4)]
    assert seen(*waves, enough=enough).most == 4
    assert waited(FOUR, seen(*waves, enough=enough)) is None


def test_streams_that_wait_for_much_of_the_time():
    """All four are generated at once, but each prompt is read after the one before."""
    alike, mixed, steady = (1, 2, 3, 4, 4, 3, 2, 1), (1, 4, 2, 3, 1, 4, 2, 3), (1, 1.1, 1.2, 1.3) * 2
    for turns, why in ((alike, IN_TURN), (mixed, None), (steady, None)):
        waves = [
            attempt(150 * (k // 4), 150 * (k // 4) + 20 * turn, 150 + 150 * (k // 4))
            for k, turn in enumerate(turns)
        ]
        assert waited(FOUR, seen(*waves)) == why
    alone = [attempt(start, start + 50, start + 100) for start in (0, 100, 200)]
    assert waited(Load(concurrency=1, stop=Stop(count=3)), seen(*alone)) is None


def test_two_slots_for_four_streams():
    turns = range(0, 800, 100)
    served = [attempt(max(0, turn - 200), turn + 10, turn + 100 + k) for turn in turns for k in (0, 1)]
    assert seen(*served).most == 2
    assert waited(FOUR, seen(*served)) == IN_LINE


def test_a_thousand_streams_for_half_as_many_slots():
    served = [attempt(0, 10 + 100 * (n // 500), 100 + 100 * (n // 500)) for n in range(1_000)]
    load = Load(concurrency=1_000, stop=Stop(count=1_000))
    assert waited(load, seen(*served, enough=1_000)) == IN_LINE
    assert waited(load, seen(*served[:500], *served[:500], enough=1_000)) is None


def test_fewer_answers_than_streams_and_arrivals():
    together = seen(*[attempt(0, 10, 110)] * 3)
    assert waited(FOUR, together) is None
    assert waited(Load(kind="poisson", rate=1.0, stop=Stop(count=3)), together) == QUEUED
    assert waited(FOUR, seen()) is None


def test_another_sitting_has_another_clock():
    assert seen(*[attempt(0, 10, 100), attempt(0, 10, 100, session=2)]).most == 1


@pytest.mark.slow
def test_waits_for_a_slot_have_no_interval_and_the_others_have(tmp_path: Path) -> None:
    model = SimModel(name="m", ttft_ms=15, token_ms=3, slots=2, loaded=True)
    words = ["run", "speed", "--profile", "fixed", "--requests", "12", "--prompt-tokens", "30", "--json"]
    with running(SimConfig(models=(model,))) as simulator:
        words += ["--output-tokens", "48", "--model", "m", "--server", simulator.url("openai")]
        for streams, why in ((2, None), (6, IN_LINE)):
            done = subprocess.run(
                [sys.executable, "-m", "tiltyard", *words, "--concurrency", str(streams)],
                env={**os.environ, "TILTYARD_DATA_DIR": str(tmp_path)},
                stdout=subprocess.PIPE,
                check=True,
                timeout=60,
            )
            summary = json.loads(done.stdout.splitlines()[-1])
            for name in ("ttft_ms", "e2e_ms"):
                figure = summary["stages"][0][name]
                assert (figure["why"], figure["ci95"] is None) == (why, why is not None), name
            assert summary["decode_tps"]["ci95"] is not None
