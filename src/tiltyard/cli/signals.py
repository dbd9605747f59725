"""What ends a process is one thing, in every command: SIGTERM and SIGHUP do what Ctrl+C does.

What whoever started it has set to be ignored (SIGHUP by `nohup`, Ctrl+C in the background of a script) stays
so. Windows has no SIGHUP.
"""

from __future__ import annotations

import _thread
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
heard: list[signal.Signals] = []  # those that were to end the command


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block what ends a process raises KeyboardInterrupt."""
    sys.unraisablehook = again
    with handled(interrupt):
        yield


def interrupt(number: int, frame: FrameType | None) -> None:
    heard.append(signal.Signals(number))
    raise KeyboardInterrupt


def again(lost: UnraisableHookArgs) -> None:
    """An interruption where nothing can be raised, as in a destructor, comes once more outside of it."""
    if lost.exc_type is KeyboardInterrupt and heard:
        _thread.start_new_thread(_thread.interrupt_main, (heard[-1],))  # which waits until this is over
    else:
        sys.__unraisablehook__(lost)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Within the block `handler` is told of what ends a process, but for what is ignored."""
    before = {number: signal.getsignal(number) for number in ENDINGS}
    ours = [number for number in ENDINGS if before[number] not in (signal.SIG_IGN, None)]
    try:
        for number in ours:
            signal.signal(number, handler)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
