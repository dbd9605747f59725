"""What ends a process is one thing: SIGTERM and SIGHUP do what Ctrl+C does, in every command.

What whoever started it has set to be ignored (SIGHUP by `nohup`, Ctrl+C in the background of a script) stays
so. Windows has no SIGHUP.
"""

from __future__ import annotations

import _thread
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Handler = Callable[[int, FrameType | None], object]

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block what ends a process raises KeyboardInterrupt, or is told to who listens to Ctrl+C."""
    sys.unraisablehook = again
    with handled({**dict.fromkeys(ENDINGS, interrupt), signal.SIGINT: signal.default_int_handler}):
        yield


def interrupt(number: int, frame: FrameType | None) -> None:
    """As Ctrl+C, which asyncio listens to; nobody does where it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def again(lost: UnraisableHookArgs) -> None:
    """An interruption where nothing can be raised, as in a destructor, comes once more outside of it."""
    if lost.exc_type is KeyboardInterrupt:
        _thread.start_new_thread(_thread.interrupt_main, (signal.SIGTERM,))  # which waits until this is over
    else:
        sys.__unraisablehook__(lost)


@contextmanager
def handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    """Handle these signals within the block, but for those that are ignored."""
    before = {number: signal.getsignal(number) for number in handlers}
    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in heard:
            signal.signal(number, handlers[number])
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
