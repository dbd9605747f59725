"""Reads the machine beside a measurement: a thread that samples every source on a fixed rhythm.

It measures its own cost. It refuses to read this machine when the server runs on another one, since the
figures would be of the wrong computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence

from tiltyard.monitors import Device, Provider, Status
from tiltyard.monitors.providers import find_providers
from tiltyard.monitors.readings import Readings, energy_of
from tiltyard.records import Sample

ELSEWHERE = "refused: by its address the server may be on another machine"
BEGUN_S = 2.0  # longer than any source takes that works
ENDED_S, IN_HASTE_S = 10.0, 1.0  # for the last sample; a source that hangs is left behind
Sources = Sequence[tuple[Provider, list[Device]]]


class Watch:
    """`start`, then `stop` for the readings; `baseline` first, on an idle machine, for net energy.

    `pids` are the server's processes, or `port` is where it listens: with them, other processes on the GPU
    can be told apart as foreign.
    `find` returns the probed sources; it is called once, in the watching thread.
    """

    def __init__(
        self,
        period_s: float = 0.5,
        *,
        server_local: bool = True,
        pids: Collection[int] | None = None,
        port: int | None = None,
        find: Callable[[], Sources] = find_providers,
    ) -> None:
        self.period_s = period_s
        self._refused = None if server_local else ELSEWHERE
        self._pids = pids
        self._port = port
        self._find = find
        self._sources: Sources | None = None
        self._due: dict[int, float] = {}  # a source's number -> when it may be asked again
        self._halt = threading.Event()
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._samples: list[Sample] = []
        self._before: dict[str, Status] = {}
        self._after: dict[str, Status] = {}
        self._idle_w: dict[str, float] = {}
        self._baseline_s = 0.0
        self._cpu_s = 0.0
        self._started_ns = self._ended_ns = 0
        self._failed, self._failure = 0, ""  # readings that could not be taken, and why the last one

    def start(self) -> None:
        """Begin sampling. Does nothing when it runs already or is refused."""
        if self._refused or self._thread is not None:
            return
        self._halt.clear()
        self._begun.clear()
        self._started_ns = time.perf_counter_ns()
        self._thread = threading.Thread(target=self._run, daemon=True, name="tiltyard-watch")
        self._thread.start()

    async def begin(self) -> None:
        """Start, and wait for the first sample: all of what is measured next lies within the energy."""
        self.start()
        late = time.perf_counter() + BEGUN_S
        while self._thread is not None and not self._begun.is_set() and time.perf_counter() < late:
            await asyncio.sleep(0.002)  # no executor's thread, whose end a Ctrl+C would wait for

    def stop(self, in_haste: bool = False) -> Readings:
        """Take the last sample, end the thread, hand over what was read. Safe to call when never started.

        `in_haste`: somebody waits for the end, and the last sample of a slow source is not worth it.
        """
        if self._thread is not None:
            self._halt.set()
            self._thread.join(IN_HASTE_S if in_haste else ENDED_S)
            self._thread = None
        devices = [device for _, found in self._sources or () for device in found]
        readings = Readings(
            samples=tuple(self._samples),
            devices=tuple(devices),
            started_ns=self._started_ns,
            ended_ns=self._ended_ns or time.perf_counter_ns(),
            period_s=self.period_s,
            before=self._before,
            after=self._after,
            idle_w=self._idle_w,
            baseline_s=self._baseline_s,
            overhead_cpu_s=self._cpu_s,
            own_pids=None if self._pids is None else family({*self._pids, os.getpid()}),
            failed=self._failed,
            failure=self._failure,
            refused=self._refused or (None if self._started_ns else "not watched"),
        )
        for provider, _ in self._sources or ():
            provider.close()
        self._sources = None
        return readings

    async def baseline(self, seconds: float) -> dict[str, float]:
        """Watts of each device that tells them, while nothing is asked of it. Below 5 s is marked short."""
        if seconds <= 0 or self._refused or self._thread is not None:
            return {}
        stop = threading.Event()
        try:
            self._idle_w = await asyncio.to_thread(self._rest, seconds, stop)
        except asyncio.CancelledError:
            stop.set()
            raise
        self._baseline_s = seconds
        return self._idle_w

    def _rest(self, seconds: float, stop: threading.Event) -> dict[str, float]:
        self._sources = self._sources or self._find()
        samples: list[Sample] = []
        start = time.perf_counter()
        while True:
            samples += self._sample(everything=not samples)
            left = start + seconds - time.perf_counter()
            if left <= 0 or stop.wait(min(self.period_s, left)):
                break
        samples += self._sample(everything=True)
        idle = {}
        for device in {s.device for s in samples}:
            own = [s for s in samples if s.device == device]
            joules, span_s = energy_of(own).joules, (own[-1].t_ns - own[0].t_ns) / 1e9
            if joules is not None and span_s > 0:
                idle[device] = joules / span_s
        return idle

    def _run(self) -> None:
        spent = time.thread_time()
        self._sources = self._sources or self._find()
        if self._pids is None and self._port and self._has_gpu():
            self._pids = listeners(self._port)
        self._before = self._status()
        self._started_ns = time.perf_counter_ns()
        self._samples += self._sample(everything=True)
        self._begun.set()
        began, number = time.perf_counter(), 1
        while not self._halt.wait(max(0.0, began + number * self.period_s - time.perf_counter())):
            self._samples += self._sample()
            # Absolute times: a slow source makes us skip beats, not drift.
            number = max(number + 1, int((time.perf_counter() - began) / self.period_s) + 1)
        self._samples += self._sample(everything=True)
        self._ended_ns = time.perf_counter_ns()
        self._after = self._status()
        self._cpu_s += time.thread_time() - spent

    def _has_gpu(self) -> bool:
        return any(device.kind == "gpu" for _, found in self._sources or () for device in found)

    def _sample(self, everything: bool = False) -> list[Sample]:
        found: list[Sample] = []
        for number, (provider, _) in enumerate(self._sources or ()):
            now = time.perf_counter()
            if everything or now >= self._due.get(number, 0.0):
                self._due[number] = now + provider.min_period_s
                try:
                    found += provider.sample()
                except OSError as error:  # such as too many open files: the next reading may work again
                    self._failed += 1
                    self._failure = error.strerror or str(error)
        return found

    def _status(self) -> dict[str, Status]:
        found: dict[str, Status] = {}
        for provider, _ in self._sources or ():
            found.update(provider.status())
        return found


def listeners(port: int) -> frozenset[int] | None:
    """The processes that listen on a TCP port of this machine; None where nobody may look."""
    import psutil

    try:
        sockets = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    found = {s.pid for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr and s.laddr.port == port}
    return frozenset(pid for pid in found if pid is not None) or None


def family(pids: Collection[int]) -> frozenset[int]:
    """These processes and all their children, as far as they can be seen."""
    import psutil

    members = set(pids)
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            members |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return frozenset(members)
