"""Is a path that of a regular file? Asked before anything is opened.

A device may never end, and a pipe that nobody writes to waits for ever. What a user names is opened again
when a run is carried on, so that a pipe's content could not be found a second time.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tiltyard.errors import UsageError

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def regular(path: Path) -> os.stat_result:
    """Its size and times; raises UsageError where it is not a regular file, or is not there."""
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check the path") from None
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_of, name in KINDS if is_of(found.st_mode)), "something else")
        remedy = "name the file itself" if stat.S_ISDIR(found.st_mode) else "copy what it gives into a file"
        raise UsageError(f"{path} is not a regular file, but {kind}", remedy)
    return found
