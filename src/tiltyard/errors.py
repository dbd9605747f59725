"""Every error that a user can meet, in one tree. Each says what happened in one line, and what to do next.

TiltyardError
├── UsageError            2   the command line or the settings are wrong
├── ServerError           3   a server cannot do what was asked
│   ├── NoServer              nothing answers there
│   ├── NotAModelServer       something answers, but it serves no models
│   ├── ModelNotFound         with the nearest names
│   ├── Unauthorized          the key is missing or wrong
│   ├── Unsupported           the dialect or the model cannot do this
│   └── EngineError           the embedded engine is missing or did not start
├── StoreError            4   the store cannot be used
│   ├── StoreLocked
│   │   └── StoreBusy         only while another process writes: worth another try
│   ├── StoreTooNew
│   ├── StoreCorrupt
│   └── StoreFull
├── RunFailed             1   the run ended with too few successes
└── Interrupted         130   by the user; everything finished is kept
The numbers are exit codes. Bugs are not in this tree: they crash with a traceback.
"""

from __future__ import annotations

import sys


class TiltyardError(Exception):
    """`str(error)` is one line; `remedy` is the next step, also one line."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(TiltyardError):
    exit_code = 2


class ServerError(TiltyardError):
    exit_code = 3


class NoServer(ServerError):
    pass


class NotAModelServer(ServerError):
    pass


class ModelNotFound(ServerError):
    pass


class Unauthorized(ServerError):
    pass


class Unsupported(ServerError):
    pass


class EngineError(ServerError):
    pass


class StoreError(TiltyardError):
    """`first`: what there is to do before the command may be repeated, where that is the remedy."""

    exit_code = 4

    def __init__(self, message: str, remedy: str = "", first: str = "") -> None:
        super().__init__(message, remedy or f"{first} and repeat the command" * bool(first))
        self.first = first


class StoreLocked(StoreError):
    pass


class StoreBusy(StoreLocked):
    pass


class StoreTooNew(StoreError):
    pass


class StoreCorrupt(StoreError):
    pass


class StoreFull(StoreError):
    pass


class RunFailed(TiltyardError):
    exit_code = 1


class Interrupted(TiltyardError):
    exit_code = 130


def install(package: str) -> str:
    """The command that adds a package to the environment we run in, by the tool that made it: elsewhere the
    shell's `pip` may belong to another Python.
    """
    import shutil
    from importlib.util import find_spec
    from pathlib import Path

    made = Path(sys.prefix)
    if (made / "uv-receipt.toml").exists():
        return f'uv tool install --force "{package}"'
    if "archive-v0" in made.parts:  # uvx makes one for each call
        return f'uvx "{package}"'
    if (made / "pipx_metadata.json").exists():
        return f'pipx install --force "{package}"'
    if find_spec("pip") is None:
        return f'uv pip install --python "{sys.executable}" "{package}"'
    found = shutil.which("pip")
    ours = found is not None and Path(found).parent == Path(sys.executable).parent
    return f'pip install "{package}"' if ours else f'"{sys.executable}" -m pip install "{package}"'
