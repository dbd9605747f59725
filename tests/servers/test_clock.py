"""The kernel's stamps mapped onto the monotonic clock, across steps of the wall clock."""

from __future__ import annotations

import struct
import time

from tiltyard.servers.clock import KernelClock, now_ns, unix_offset_ns

SECOND = 1_000_000_000


def stamp(unix_ns: int) -> bytes:
    return struct.pack("qq", unix_ns // SECOND, unix_ns % SECOND)


def test_offset_is_the_distance_of_the_clocks():
    assert abs(now_ns() + unix_offset_ns() - time.time_ns()) < 50_000_000
    assert abs(KernelClock().distance_ns - unix_offset_ns()) < 1_000_000


def test_kernel_stamps_become_monotonic_times():
    clock = KernelClock()
    now = now_ns()
    times = [now - 3000, now - 2000, now - 1000]
    resolved, kernel = clock.resolve([stamp(t + clock.distance_ns) for t in times], now - 5000)
    assert kernel
    assert resolved == times


def test_no_stamp_is_early_late_or_out_of_order():
    clock = KernelClock()
    now = now_ns()
    stamps = [stamp(t + clock.distance_ns) for t in (now - 900, now - 1000, now + SECOND)]
    resolved, _ = clock.resolve(stamps, now - 950)
    assert resolved[0] == now - 900
    assert resolved[1] == now - 900
    assert resolved[2] <= now_ns()
    assert clock.resolve([stamp(now - SECOND + clock.distance_ns)], now - 500)[0] == [now - 500]


def test_own_stamps_fill_in_and_never_push_the_kernels_back():
    clock = KernelClock()
    now = now_ns()
    resolved, kernel = clock.resolve([now - 500, stamp(now - 800 + clock.distance_ns), now - 100], now - 5000)
    assert not kernel
    assert resolved == [now - 800, now - 800, now - 100]
    assert clock.resolve([], now) == ([], True)


def test_a_clock_step_in_the_middle_of_a_stream_is_mapped_on_both_sides():
    for step in (3600 * SECOND, -3600 * SECOND, 2 * SECOND):
        clock = KernelClock()
        before = clock.distance_ns
        now = now_ns()
        times = [now - 400_000_000 + i * 20_000_000 for i in range(20)]
        change = times[10] + 5_000_000
        clock.note(now - 450_000_000, before, 100)
        clock.note(now, before + step, 100)  # noticed only after the last stamp
        stamps = [stamp(t + before + (step if t > change else 0)) for t in times]
        resolved = clock._resolve_mixed(stamps, times[0] - 1000)
        assert resolved == times, step


def test_a_step_before_the_stream_does_not_matter():
    clock = KernelClock()
    real = clock.distance_ns
    clock.note(now_ns(), real + 3600 * SECOND, 100)
    clock.note(now_ns(), real, 100)
    now = now_ns()
    resolved, kernel = clock.resolve([stamp(now - 10 + real)], now - 1000)
    assert kernel
    assert resolved == [now - 10]


def test_jitter_of_the_reading_is_no_step():
    clock = KernelClock()
    known = clock.distance_ns
    clock.note(now_ns(), known + 5_000, 100)
    assert clock.distance_ns == known
    clock.check(force=True)
    clock.check()
    assert abs(clock.distance_ns - known) < 1_000_000
