"""Which machine a server ran on, in words: a model on another machine is another thing to compare.

It is told by what decides speed. Drivers and systems come and go on one machine, so they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tiltyard.records import Json


def served_on(machine: Mapping[str, Json], local: bool, url: str) -> str:
    """GPUs, processor and memory; a server elsewhere stands for its machine. Empty where nothing is known."""
    if not local:
        return urlsplit(url).hostname or url
    memory, gpus = machine.get("ram_bytes"), machine.get("gpus") or ()
    names = [gpu.get("name") if isinstance(gpu, Mapping) else gpu for gpu in gpus]
    size = f"{memory / 2**30:.0f} GiB" if isinstance(memory, int | float) else None
    return ", ".join(str(part) for part in (*names, machine.get("cpu"), size) if part)
