"""What a run of the suite asks: our own cases or a folder's items, as settings with a hash of them.

The command line builds its settings here, before a server is looked for. Reading items is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiltyard.errors import UsageError
from tiltyard.records import Json
from tiltyard.suites.tools.cases import GROUPS, cases_hash, numbers_of

if TYPE_CHECKING:
    from tiltyard.suites.tools.bfcl import Folder


def asked_settings(bfcl: Path | None, categories: Sequence[str]) -> tuple[dict[str, Json], Folder | None]:
    """The settings that name the items, and the folder where they are of one.

    Raises UsageError for what cannot be read.
    """
    if bfcl is None:
        unknown = next((name for name in categories if name not in GROUPS), None)
        if unknown is not None:
            remedy = f"choose from: {', '.join(GROUPS)}; others are --bfcl's"
            raise UsageError(f"there are no cases of the category {unknown!r}", remedy)
        chosen = {"categories": list(categories)} if categories else {}
        count = len(numbers_of(categories))
        return {"items": cases_hash(categories), "item_count": count, **chosen}, None
    from tiltyard.suites.tools.bfcl import open_folder

    found = open_folder(bfcl, categories)
    settings = {
        "items": found.hash,
        "item_count": len(found),
        "files": {"bfcl": str(bfcl.resolve())},
        "categories": [each.name for each in found.categories],
    }
    return settings, found
