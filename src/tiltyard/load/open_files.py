"""How many connections this process can have at once: each is an open file, of which a system lets it have so
many.
"""

from __future__ import annotations

import contextlib
import sys

from tiltyard.errors import UsageError

MOST_FILES = 65_536  # open at once; one address gives no more connections in any case
SPARE = 64  # for the store, the output, what is monitored, and the connections of preflight


def limit() -> int:
    """The files that may be open once `allow` was called."""
    if sys.platform == "win32":  # which has no such limit
        return MOST_FILES
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def allow() -> None:
    """Raise the process's own limit as far as the system lets us."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < (wanted := limit()):
        with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def check_at_once(name: str, count: int) -> None:
    """Raises UsageError for more requests at once than there can be connections."""
    most = max(limit() - SPARE, 1)
    if count > most:
        raise UsageError(
            f"{name} {count:,} is more than this process can have connections", f"take at most {most}"
        )
