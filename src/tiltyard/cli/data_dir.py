"""`--data-dir`: which store a command reads or writes.

And the words by which a command that is printed means the same one.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tiltyard.store.store import Store

DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the store.")


def store_file(folder: Path | None) -> Path:
    """The store's file in a folder that was named, else in that of the settings."""
    from tiltyard.settings import data_dir
    from tiltyard.store.store import FILE

    return (data_dir() if folder is None else folder) / FILE


def open_store(folder: Path | None, to_read: bool = False) -> Store:
    """`to_read`: for a command that writes nothing, which works on a full disk, too."""
    from tiltyard.store.store import Store

    return Store.open(store_file(folder), to_read)


def in_words(folder: Path | None) -> str:
    """What a printed command needs at its end, so that it finds the same store."""
    return "" if folder is None else f" --data-dir {shlex.quote(str(folder))}"
