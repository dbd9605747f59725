"""A run as others may see it: `~` for the home folder, which is named after its user.

The store keeps whole paths, since carrying on with a run needs them. What was asked and answered stays as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tiltyard.records import Run

_ANYBODYS = r"/home/[^/\s'\"]+|/Users/[^/\s'\"]+|[A-Za-z]:\\Users\\[^\\\s'\"]+"
_OWN = re.escape(str(Path.home())) if len(Path.home().parts) > 1 else "(?!)"  # `/` tells no name
_HOMES = re.compile(rf"(?<![\w./\\~-])(?:{_OWN}|{_ANYBODYS})(?=$|[/\\\s'\"])")


def homeless(value: Any) -> Any:
    """The same, with `~` for home folders in every text within."""
    if isinstance(value, str):
        return _HOMES.sub("~", value)
    if isinstance(value, Mapping):
        return {name: homeless(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(homeless(part) for part in value)
    return value


def shared(run: Run) -> Run:
    """The run without its user's name in any path."""
    model, server, files = run.model, run.server, run.settings.get("files")
    return replace(
        run,
        model=replace(
            model, name=homeless(model.name), path=homeless(model.path), notes=homeless(model.notes)
        ),
        server=replace(
            server, url=homeless(server.url), loaded=homeless(server.loaded), notes=homeless(server.notes)
        ),
        settings={**run.settings, "files": homeless(files)} if files else run.settings,
        command=homeless(run.command),
        notes=homeless(run.notes),
        summary=homeless(run.summary),
    )
