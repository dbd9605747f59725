"""The client knows when it was the bottleneck."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.load.attempts import make_attempt
from tests.load.exchanges import make_exchange, steady
from tests.patience import best_of
from tiltyard.load.lag import WAITED, ClientMeter, WantedTime
from tiltyard.servers.clock import now_ns

pytestmark = pytest.mark.slow


@best_of()
def test_an_idle_client_is_no_bottleneck_and_costs_next_to_nothing() -> None:
    async def main() -> None:
        async with ClientMeter() as meter:
            began, cpu = now_ns(), time.thread_time()
            await asyncio.sleep(0.6)
            assert time.thread_time() - cpu < 0.03
            assert not meter.was_bound(began, now_ns())
            summary = meter.summary()
        assert summary["bottleneck"] is False
        assert summary["cpu_us_per_chunk"] is None
        assert summary["loop_lag_ms_p99"] is not None

    asyncio.run(main())


@best_of()
def test_a_busy_loop_is_noticed_while_and_after_it_happens() -> None:
    async def main() -> None:
        async with ClientMeter() as meter:
            await asyncio.sleep(0.3)
            calm = now_ns()
            until = time.thread_time() + 0.8  # thread time: other processes may hold the core
            while time.thread_time() < until:
                end = time.thread_time() + 0.01
                while time.thread_time() < end:
                    pass
                await asyncio.sleep(0)
            busy = now_ns()
            assert meter.was_bound(calm, busy)
            await asyncio.sleep(0.6)
            assert meter.was_bound(calm, busy)
            assert not meter.was_bound(now_ns() - 100_000_000, now_ns())
            assert not meter.was_bound(busy, busy)

    asyncio.run(main())


def test_only_arrivals_have_a_clock() -> None:
    """A refused connection brings none, and so says nothing of who stamps them."""

    async def main() -> None:
        async with ClientMeter() as meter:
            assert meter.summary()["clock"] is None
            refused = make_exchange([], ending="connect_error")
            stamped = make_exchange(steady(2))
            meter.saw(make_attempt(refused))
            assert meter.summary()["clock"] is None
            for clock in ("kernel", "user", "kernel"):
                timeline = replace(stamped.timeline, arrivals_ns=tuple(stamped.events.t_ns), clock=clock)
                meter.saw(make_attempt(replace(stamped, timeline=timeline)))
                meter.saw(make_attempt(refused))
                assert meter.summary()["clock"] == ("kernel" if meter.attempts == 3 else "user")

    asyncio.run(main())


def test_one_long_stall_is_noticed() -> None:
    """As when the process is stopped: no processor time is used, and the loop is late only once."""

    async def main() -> None:
        async with ClientMeter() as meter:
            await asyncio.sleep(0.05)
            began = now_ns()
            time.sleep(0.5)  # noqa: ASYNC251 - the stall itself
            ended = now_ns()
            await asyncio.sleep(0.3)
            assert meter.was_bound(began, ended)
            assert meter.was_bound(began, ended + 300_000_000)  # taken up late, answered soon

    asyncio.run(main())


@pytest.mark.skipif(not Path(WAITED).exists(), reason="this system does not tell who waits for a core")
@best_of()
def test_standing_in_line_for_a_core_counts_as_work() -> None:
    """Two share one core: the client gets half of it, and would have used all."""
    before = os.sched_getaffinity(0)
    spin = "import time; until = time.time() + 0.8\nwhile time.time() < until: pass"
    os.sched_setaffinity(0, {max(before)})  # the child inherits it
    wanted = WantedTime()
    rival = subprocess.Popen([sys.executable, "-c", spin])
    try:
        time.sleep(0.15)
        began, before_ns, cpu = time.perf_counter_ns(), wanted.ns(), time.thread_time_ns()
        while time.perf_counter_ns() - began < 400_000_000:
            pass
        took = time.perf_counter_ns() - began
        assert wanted.ns() - before_ns > 0.9 * took
        assert time.thread_time_ns() - cpu < 0.85 * took
    finally:
        os.sched_setaffinity(0, before)
        rival.wait()
        wanted.close()
