"""The environment, and what `.env` in the current folder adds to it: nothing else in Tiltyard reads either.

Which variables hold keys is known here too, so that no child process gets them.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import ChainMap
from collections.abc import Mapping
from functools import lru_cache
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from tiltyard.errors import UsageError
from tiltyard.settings.addresses import is_local

DOTENV = ".env"
KEY_VARIABLES = ("TILTYARD_API_KEY", "OPENAI_API_KEY", "LM_API_TOKEN", "OLLAMA_API_KEY")
log = logging.getLogger(__name__)
_named: set[str] = set()  # variables that [keys] or --api-key-env named


def variables(dotenv: bool = True) -> Mapping[str, str]:
    """The environment, and what `.env` in the current folder adds: a blank variable counts as not set."""
    added = _dotenv_here() if dotenv else {}
    if not added:
        return os.environ
    return ChainMap({name: text for name, text in added.items() if not _is_set(name)}, os.environ)


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())


def _dotenv_here() -> dict[str, str]:
    try:
        path = Path.cwd() / DOTENV  # the folder may be gone
        state = path.stat()
    except OSError:
        return {}
    return _dotenv(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _dotenv(path: Path, size: int, mtime_ns: int) -> dict[str, str]:
    if not path.is_file():
        return {}  # some tools keep a folder of that name
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its rights") from error
    good = []
    for entry in parse_stream(StringIO(text)):
        if entry.error:  # it may be another tool's file, and its text a key: not refused, and not shown
            log.warning(
                "%s, line %d is left out: neither NAME=value nor a comment", path, entry.original.line
            )
        else:
            good.append(entry.original.string)
    found = dotenv_values(stream=StringIO("".join(good)))
    return {name: value for name, value in found.items() if value is not None}


def where_set(variable: str) -> str:
    """Which of the two a variable comes from: "environment" or ".env"."""
    return "environment" if _is_set(variable) else DOTENV


def variable(name: str) -> str | None:
    """An environment variable of somebody else's, such as XDG_RUNTIME_DIR; None when unset or empty."""
    return variables().get(name) or None


def check_variable(variable: str, place: str) -> None:
    """Raises UsageError for what can be no variable's name, without repeating it: it may be the key."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable) and variable not in variables():
        raise UsageError(
            f"{place} must be the NAME of an environment variable that holds the key",
            "export MY_KEY=..., and give MY_KEY there",
        )
    _named.add(variable)


def child_environment() -> dict[str, str]:
    """The environment for a child process: ours without any API key.

    Keys are what stands in the known variables and in those that [keys] or --api-key-env named so far.
    """
    hidden = _named.union(KEY_VARIABLES)
    return {name: value for name, value in os.environ.items() if name not in hidden}


def hub_folder() -> Path:
    """Where model hubs' own tools keep downloaded models on this machine; it need not be there."""
    found = variables()
    if found.get("HF_HUB_CACHE"):
        return Path(found["HF_HUB_CACHE"]).expanduser()
    home = found.get("HF_HOME") or str(Path(found.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "hub"


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system) wants for this address; never for this machine.

    Raises UsageError for one that is no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    told = sys.platform in ("darwin", "win32") or any(name.lower().endswith("_proxy") for name in os.environ)
    if is_local(host) or not told:
        return None
    import urllib.request  # takes longer to import than most commands run

    if urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not re.match(r"https?://[^/]", proxy):
        raise UsageError(
            f"{parts.scheme}_proxy names no HTTP proxy", f"write http://HOST:PORT, or add {host} to no_proxy"
        )
    return proxy or None
