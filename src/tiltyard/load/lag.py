"""The client measures itself: was *it* what limited a window of time?

One timer ticks a few dozen times a second and notes how late it came and how much processor time the event
loop's thread had used or stood in line for. Where the thread had work nearly all the time, or the loop came
back late nearly every time or once for long, more could not have been asked for or stamped in time. The
kernel's stamps stay true as long as the client reads one arrival before the next (`held_up.py`).
"""

from __future__ import annotations

import asyncio
import io
import time
from array import array
from bisect import bisect_left
from contextlib import suppress
from types import TracebackType

from tiltyard.load.held_up import HELD_MS, HeldUp
from tiltyard.records import PAYLOAD, Attempt, Exchange, Json
from tiltyard.servers.clock import now_ns
from tiltyard.stats.figures import percentile

TICK_S = 0.04
WINDOW_NS = 240_000_000
BUSY_SHARE = 0.9  # of the time, by the event loop's thread: on a core, or waiting for one
WAITED = "/proc/thread-self/schedstat"  # Linux: ns on a core, ns ready but waiting for one, turns
HALF_BUSY_SHARE, HALF_LATE_MS = 0.5, 5.0  # both: it competes for its core and loses
LATE_MS = 20.0  # the loop comes back that late in most ticks of a window
STALL_MS = 200.0  # once is enough: the process was stopped, or something blocked the loop
JUDGED_AGAIN_NS = 10_000_000  # an open window is judged no more often: it reads a file
BOUND_SHARE = 0.25  # of an attempt's duration
RUN_SHARE = 0.05  # of a run's attempts


class ClientMeter:
    """`async with ClientMeter() as meter:` around a run; `was_bound` and `saw` for each attempt of this
    sitting, then `summary`.
    """

    def __init__(self) -> None:
        self.attempts = self.bound = self.chunks = 0
        self.output_tokens = 0  # of this sitting: what the energy it took was spent on
        self.dispatch_ms = array("f")
        self.clocks: set[str] = set()  # who stamped arrivals; an exchange without any was stamped by nobody
        self.lag_ms = array("d")
        self._window_lags: list[float] = []
        self._ends = array("q")  # window ends
        self._bound_before = array("q")  # bound ns in all windows up to and including each
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = WantedTime()
        self._held = HeldUp()

    async def __aenter__(self) -> ClientMeter:
        self.started_ns = now_ns()
        self._cpu_started = time.process_time()
        self._open_window()
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wanted.close()

    def _open_window(self) -> None:
        self._window_began = self._judged_at = now_ns()
        self._judged = False
        self._window_cpu = self._wanted.ns()
        self._window_lags.clear()

    def _arm(self) -> None:
        self._armed = now_ns()
        self._waited = self._wanted.in_line_ns()
        self._expected = self._armed + round(TICK_S * 1e9)
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now = now_ns()
        late = max(now - self._expected, 0) / 1e6
        self.lag_ms.append(late)
        self._window_lags.append(late)
        if max(late, (self._wanted.in_line_ns() - self._waited) / 1e6) >= HELD_MS:
            self._held.add(self._armed, now)
        if now - self._window_began >= WINDOW_NS:
            self._close_window(now)
        self._arm()

    def _close_window(self, now: int) -> None:
        bound = now - self._window_began if self._is_bound(now) else 0
        before = self._bound_before[-1] if self._bound_before else 0
        self._ends.append(now)
        self._bound_before.append(before + bound)
        self._open_window()

    def _is_bound(self, now: int) -> bool:
        """Is the window that is open bound so far?"""
        share = (self._wanted.ns() - self._window_cpu) / max(now - self._window_began, 1)
        lags = sorted(self._window_lags)
        late = lags[len(lags) // 2] if len(lags) > 2 else 0.0
        stalled = bool(lags) and lags[-1] >= STALL_MS
        often_late = late >= (HALF_LATE_MS if share >= HALF_BUSY_SHARE else LATE_MS)
        return share >= BUSY_SHARE or often_late or stalled

    def bound_ns(self, t_ns: int) -> int:
        """Time up to `t_ns` during which the client was the bottleneck."""
        at = bisect_left(self._ends, t_ns)
        before = self._bound_before[at - 1] if at else 0
        start = self._ends[at - 1] if at else self.started_ns
        if t_ns <= start:
            return before
        if at < len(self._ends):
            return before + (t_ns - start if self._bound_before[at] > before else 0)
        late = t_ns - start > WINDOW_NS // 4 and self._is_bound_so_far()
        return before + (t_ns - start if late else 0)

    def _is_bound_so_far(self) -> bool:
        now = now_ns()
        if now - self._judged_at >= JUDGED_AGAIN_NS:
            self._judged, self._judged_at = self._is_bound(now), now
        return self._judged

    def was_bound(self, start_ns: int, end_ns: int) -> bool:
        """Was the client the bottleneck for a quarter or more of that time?"""
        if end_ns <= start_ns:
            return False
        return (self.bound_ns(end_ns) - self.bound_ns(start_ns)) / (end_ns - start_ns) >= BOUND_SHARE

    def held_up(self, exchange: Exchange) -> bool:
        """Did arrivals of an answer merge while the client was kept from reading them?"""
        return self._held.merged(exchange)

    def saw(self, attempt: Attempt) -> None:
        """Count an attempt of this sitting."""
        self.attempts += 1
        self.bound += attempt.client_bound
        self.output_tokens += attempt.measures.output_tokens or 0
        for exchange in attempt.exchanges:
            timeline = exchange.timeline
            self.chunks += sum(exchange.events.kinds.count(kind) for kind in PAYLOAD)
            self.dispatch_ms.append((timeline.started_ns - timeline.scheduled_ns) / 1e6)
            if timeline.arrivals_ns:
                self.clocks.add(timeline.clock)

    def summary(self) -> dict[str, Json]:
        """The `client` object of a summary.

        cpu_s: processor time of the whole process since the meter started. cpu_us_per_chunk: that / payload
        events. dispatch_ms_p99: how late requests were taken up. bottleneck: more than 5 % of the attempts
        were marked.
        """
        cpu_s = time.process_time() - self._cpu_started
        return {
            "cpu_s": round(cpu_s, 4),
            "cpu_us_per_chunk": round(cpu_s * 1e6 / self.chunks, 3) if self.chunks else None,
            "cpu_share": round(cpu_s / max(now_ns() - self.started_ns, 1) * 1e9, 4),
            "loop_lag_ms_p99": _p99(self.lag_ms),
            "dispatch_ms_p99": _p99(self.dispatch_ms),
            "bottleneck": self.bound > RUN_SHARE * self.attempts,
            "bound_attempts": self.bound,
            "clock": max(self.clocks, default=None),  # "user" where there are both
        }


class WantedTime:
    """How long the thread that makes this has had work to do: on a core or, where the system tells (Linux),
    waiting for one that something else had.
    """

    def __init__(self) -> None:
        self._file: io.FileIO | None = None  # another system: what was spent on a core is all that is known
        with suppress(OSError):
            self._file = open(WAITED, "rb", buffering=0)  # noqa: SIM115 - opening takes longer than reading

    def ns(self) -> int:
        """Nanoseconds since the thread began."""
        return time.thread_time_ns() + self.in_line_ns()

    def in_line_ns(self) -> int:
        """Nanoseconds in which it waited for a core; 0 where the system does not tell."""
        if self._file is None:
            return 0
        self._file.seek(0)
        return int(self._file.read(100).split()[1])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _p99(values: array[float]) -> float | None:
    """The 99th percentile; of few values simply the largest, since here the worst case is what matters."""
    return round(percentile(sorted(values), 0.99), 3) if values else None
