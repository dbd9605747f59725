"""The event loop of a run: uvloop where there is one, as many open files as it takes, and Ctrl+C that counts.

Nothing here knows what is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
MOST_FILES = 65_536  # open at once


def allow_open_files() -> None:
    """As many as the system lets us have: each stream is one. POSIX only; Windows has no such limit."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def loop_run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one; Ctrl+C cancels the main task, which tidies up first."""

    async def heeding() -> T:
        """A Ctrl+C that came while something was tidied up, and was swallowed there, still counts."""
        found = await main
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return found

    heeded = heeding()
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] | None = None
        if sys.platform != "win32":
            import uvloop

            allow_open_files()
            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(heeded)
    finally:  # a Ctrl+C may come before either has begun; Python complains of what is never begun
        heeded.close()
        main.close()
