"""What a reply is read as, in short."""

from __future__ import annotations

from tiltyard.suites.mcq.extract import extract
from tiltyard.suites.mcq.layouts import LETTERS


def letter_of(reply: str, options: list[str]) -> str | None:
    found = extract(reply, options)
    return None if found.option is None else LETTERS[found.option]
