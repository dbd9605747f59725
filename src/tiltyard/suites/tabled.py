"""What belongs beside an answer in a table of requests: the value that was read, the call that was due.

Each suite tells its own columns, by a method `beside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Json
from tiltyard.suites import Tabled, load_suite


def beside(suite: str, attempt: Attempt) -> Mapping[str, Json]:
    """The suite's own columns of an attempt; none where it has none, or is not installed here."""
    if attempt.grade is None:
        return {}
    found = tabled(suite)
    return {} if found is None else found.beside(attempt)


@cache
def tabled(suite: str) -> Tabled | None:
    """The suite, where it has columns of its own."""
    try:
        found = load_suite(suite)
    except UsageError:  # a run of another machine's, or of a package that was removed
        return None
    return found if isinstance(found, Tabled) else None
