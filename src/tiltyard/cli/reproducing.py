"""The command that makes a run again, as it is stored beside the run: wherever and whenever it is typed.

So what settings, `.env` and the environment decided is in it too, but for keys: as flags, or set before it.
What decides nothing about the run (the store's folder, the log, /metrics) is left to whoever types it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tiltyard.cli.options import Common
from tiltyard.settings import PREFIX

if TYPE_CHECKING:
    from tiltyard.settings import Settings

# Both look at a command's words, joined by zeros: the login in an address, and its query.
LOGIN = re.compile(r"(\0--(?:server|base-url)[=\0](?:[a-zA-Z]+://)?|://)[^/\0]*@")
QUERY = re.compile(r"(\0--(?:server|base-url)[=\0][^?#\0]*)[?#][^\0]*")
FLAGS = {
    "server": "--server",
    "first_byte_timeout_s": "--first-byte-timeout",
    "gap_timeout_s": "--gap-timeout",
}
TIMEOUTS = ("first_byte_timeout_s", "gap_timeout_s", "connect_timeout_s")


def whole_command(typed: Sequence[str], common: Common, known: Settings) -> str:
    """The words that were typed, with what they left to the settings `known`. No address has a login."""
    from tiltyard.cli.choosing import is_file_of_ours, wanted

    set_somewhere = [
        name for name in (*place(common, known), *TIMEOUTS) if known.origin(name) not in ("default", "flag")
    ]
    values = {name: text_of(getattr(known, name)) for name in set_somewhere}
    flags = FLAGS if typed[:1] == ["run"] else {}
    if any(is_file_of_ours(name, common) for name in wanted(common)):  # --server would be asked for these
        flags = {name: flag for name, flag in flags.items() if name != "server"}
    words = [word for name in values if name in flags for word in (flags[name], values[name])]
    before = [f"{PREFIX}{name.upper()}={shlex.quote(values[name])}" for name in values if name not in flags]
    text = "\0".join(["tiltyard", *typed[:2], *common.environment, *words, *typed[2:]])
    return " ".join([*before, shlex.join(LOGIN.sub(r"\1", QUERY.sub(r"\1", text)).split("\0"))])


def place(common: Common, known: Settings) -> tuple[str, ...]:
    """The settings that decided where the models are."""
    from tiltyard.cli.choosing import needs_no_search, only_files

    if common.server is not None or (known.server is not None and only_files(common)):
        return ()
    if known.server is not None:
        return ("server",)
    return () if needs_no_search(common) else ("servers", "ollama_url")


def text_of(value: str | float | tuple[str, ...]) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value).removesuffix(".0")
