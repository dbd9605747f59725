"""The one clock of all measurements, and the kernel's receive stamps mapped onto it.

`now_ns` is monotonic. On Linux the kernel can stamp each packet on arrival (`SO_TIMESTAMPNS`), out of reach
of our own delays; it does so in CLOCK_REALTIME, so the distance between the two clocks is measured by
bracketing, checked again while exchanges run, and kept as a short history across clock steps.
Hardware time stamps and clocks of other machines are left out.
"""

from __future__ import annotations

import platform
import socket
import sys
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter_ns, time_ns

now_ns = perf_counter_ns

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python's socket module does not name it
ANCILLARY_BYTES = 64  # room for one control message with a struct timespec
_STEP_NS = 20_000  # a distance that moved by more than this between two checks: the clock was set
_BRACKETS = 5
_CHECK_EVERY_NS = 1_000_000_000
_OTHER_NUMBERS = ("sparc", "parisc", "alpha")  # architectures where the option has another number


def unix_offset_ns() -> int:
    """What to add to a `now_ns` stamp for Unix time; the tightest of five bracketed readings."""
    return _measure()[0]


def _measure() -> tuple[int, int]:
    """(distance of the two clocks, width of the bracket it was read in), in ns."""
    best_width = 1 << 62
    best = 0
    for _ in range(_BRACKETS):
        before = perf_counter_ns()
        unix = time_ns()
        after = perf_counter_ns()
        if after - before < best_width:
            best_width = after - before
            best = unix - (before + after) // 2
    return best, best_width


def utc_at(stamp_ns: int, offset_ns: int) -> str:
    """The date of a `now_ns` stamp, ISO-8601, where Unix time is so much more.

    Dates by one offset keep their order and their distance, whoever sets the clock meanwhile.
    """
    at = datetime.fromtimestamp((stamp_ns + offset_ns) / 1e9, UTC)
    return at.isoformat(timespec="milliseconds")


def kernel_stamps_possible() -> bool:
    """Whether this platform can stamp received packets the way this module reads them."""
    return (
        sys.platform == "linux"
        and sys.maxsize > 2**32
        and not platform.machine().startswith(_OTHER_NUMBERS)
        and hasattr(socket.socket, "recvmsg_into")
    )


_kept: list[int] = []  # the descriptor of the socket that keeps the kernel stamping


def _keep_stamping() -> None:
    if not _kept:
        keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        _kept.append(keeper.detach())


class KernelClock:
    """Maps the kernel's CLOCK_REALTIME receive stamps to `now_ns`.

    A history of (valid since, distance) pieces is kept: time may be stepped by the administrator or by
    NTP while a stream runs. (Slewing moves both clocks alike, so it needs no care.) A stamp that falls
    between the last check before a step and the first one after it is placed by order: never before its
    predecessor, never after the check.
    """

    def __init__(self) -> None:
        distance, _ = _measure()
        now = perf_counter_ns()
        self._pieces: list[tuple[int, int, int]] = [(-(1 << 62), now, distance)]  # since, last seen, distance
        self.possible = kernel_stamps_possible()

    @property
    def distance_ns(self) -> int:
        """Unix time less monotonic time, now."""
        return self._pieces[-1][2]

    def enable(self, sock: socket.socket) -> bool:
        """Ask for stamps on a socket that is not yet connected; False where the platform has none.

        The kernel starts stamping a moment after the first socket asks for it, so one socket is kept open
        for as long as the process lives: later connections are stamped from their first packet.
        """
        if not self.possible:
            return False
        try:
            _keep_stamping()
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            self.possible = False
            return False
        return True

    def check(self, *, force: bool = False) -> None:
        """Measure the distance again; cheap and without effect within a second of the last check."""
        seen = self._pieces[-1][1]
        now = perf_counter_ns()
        if not force and now - seen < _CHECK_EVERY_NS:
            return
        distance, width = _measure()
        self.note(now, distance, width)

    def note(self, now: int, distance: int, width: int) -> None:
        """Take in one measured distance (ns) at `now`, read within `width` ns."""
        since, _, known = self._pieces[-1]
        if abs(distance - known) <= _STEP_NS + width:
            self._pieces[-1] = (since, now, known)
        else:
            self._pieces.append((now, now, distance))

    def resolve(self, stamps: Sequence[int | bytes], not_before: int) -> tuple[list[int], bool]:
        """Monotonic times of reads, and whether the kernel stamped them all.

        A stamp is the kernel's struct timespec (bytes), or our own `now_ns` where the kernel gave none.
        Our own is never earlier than the truth, so it is lowered to its successor where that is earlier.
        `not_before` is when the request was sent: nothing can have arrived earlier.
        """
        self.check()
        latest = perf_counter_ns()
        all_kernel = set(map(type, stamps)) <= {bytes}
        if all_kernel and len(self._pieces) == 1:
            distance = self._pieces[0][2]
            flat = array("q", b"".join(stamps))  # type: ignore[arg-type]
            times = [s * 1_000_000_000 + ns - distance for s, ns in zip(flat[0::2], flat[1::2], strict=True)]
        else:
            times = self._resolve_mixed(stamps, not_before)
        return _ordered(times, not_before, latest), all_kernel

    def _resolve_mixed(self, stamps: Sequence[int | bytes], not_before: int) -> list[int]:
        times: list[int] = []
        previous = not_before
        piece = 0
        for stamp in stamps:
            if isinstance(stamp, int):
                times.append(stamp)
                continue
            seconds, rest = array("q", stamp)
            piece, previous = self._place(seconds * 1_000_000_000 + rest, piece, previous)
            times.append(previous)
        for i in range(len(times) - 2, -1, -1):
            if isinstance(stamps[i], int) and times[i] > times[i + 1]:
                times[i] = times[i + 1]
        return times

    def _place(self, unix: int, first: int, previous: int) -> tuple[int, int]:
        """(piece of history, monotonic time) of one kernel stamp.

        Of the pieces under which the stamp is neither before its predecessor nor outside the piece, the one
        that puts it nearest to its predecessor.
        """
        pieces = self._pieces
        best: tuple[int, int] | None = None
        for i in range(first, len(pieces)):
            t = unix - pieces[i][2]
            after_old = i == 0 or t > pieces[i - 1][1]
            before_new = i + 1 == len(pieces) or t <= pieces[i + 1][0]
            if t >= previous - _STEP_NS and after_old and before_new and (best is None or t < best[1]):
                best = (i, t)
        return best if best is not None else (len(pieces) - 1, unix - pieces[-1][2])


def _ordered(times: list[int], earliest: int, latest: int) -> list[int]:
    """Times made non-decreasing within the bounds; the common case is found right at C speed."""
    if not times or (times[0] >= earliest and times[-1] <= latest and times == sorted(times)):
        return times
    highest = earliest
    out = []
    for t in times:
        highest = max(highest, min(t, latest))
        out.append(highest)
    return out
