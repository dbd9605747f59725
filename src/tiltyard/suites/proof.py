"""A suite's content proves itself: the reference answer of each item gets full marks, an empty one none.

`tiltyard verify` goes through the proofs of every suite; a suite offers them by a method `proofs`. `tiltyard
calibrate --suites` makes models that know them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from tiltyard.records import Item, Json, ToolCall


class Proof(NamedTuple):
    """An item with an answer that deserves full marks."""

    item: Item
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


@runtime_checkable
class Provable(Protocol):
    """A suite that can prove its content."""

    def proofs(self) -> Iterator[Proof]:
        """Every item of the shipped content once. Raises UsageError for content that is broken."""


@runtime_checkable
class ProofSettings(Protocol):
    """A suite whose proofs are not the answers to what it asks by its usual settings."""

    def proof_settings(self) -> Mapping[str, Json]:
        """The settings under which they are; with `repeats` where as many as usual take too long."""
