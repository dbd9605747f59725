"""The event loop of a run: uvloop where there is one, as many open files as it takes, and Ctrl+C that counts.

Nothing here knows what is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from tiltyard.cli.signals import handled, interrupt
from tiltyard.load import open_files
from tiltyard.servers.loops import new_loop

T = TypeVar("T")


def loop_run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one; Ctrl+C cancels the main task, which tidies up first.

    However that was cancelled, KeyboardInterrupt is raised. A second Ctrl+C is one wherever it comes.
    """

    async def heeding() -> T:
        """A Ctrl+C that came while something was tidied up, and was swallowed there, still counts."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def cancel(number: int, frame: FrameType | None) -> None:
            if task.cancelling():
                interrupt(number, frame)
            task.cancel()
            loop.call_soon_threadsafe(lambda: None)  # it may be asleep

        with handled(cancel):
            found = await main
        if task.cancelling():
            raise asyncio.CancelledError
        return found

    heeded = heeding()
    try:
        open_files.allow()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(heeded)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:  # a Ctrl+C may come before either has begun; Python complains of what is never begun
        heeded.close()
        main.close()
