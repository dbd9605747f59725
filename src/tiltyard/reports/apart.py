"""What tells models of one name apart: where they are served, their file's digest, else the run.

Only what differs is said, and only of those that would read alike without it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from urllib.parse import urlsplit

DIGEST = 8  # characters of one


def told_apart(rows: Sequence[tuple[Hashable, *tuple[str, ...]]]) -> list[list[str]]:
    """For each row the words it needs: its name comes first, then words by which rows may differ.

    A word is needed where rows that agree in everything before it do not agree in it.
    """
    found: list[list[str]] = [[] for _ in rows]
    for level in range(1, len(rows[0]) if rows else 0):
        alike: dict[Hashable, list[int]] = {}
        for place, row in enumerate(rows):
            alike.setdefault(row[:level], []).append(place)
        for places in alike.values():
            if len({rows[place][level] for place in places}) > 1:
                for place in places:
                    found[place].append(str(rows[place][level]))
    return found


def served_at(dialect: str, url: str) -> str:
    """`ollama 127.0.0.1:11434`; an address of another shape as it is."""
    return f"{dialect} {urlsplit(url).netloc or url}"


def digest_of(digest: str | None) -> str:
    """The beginning of a digest, without the name of its algorithm."""
    return f"digest {digest.rpartition(':')[2][:DIGEST]}" if digest else "no digest"
