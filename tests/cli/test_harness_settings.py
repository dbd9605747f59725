"""Settings of `run mcq` that have two names: one value each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Finished
from tiltyard.cli.harness_settings import check_names

NOWHERE = ("run", "mcq", "--model", "m", "--server", "http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("words", "one", "other"),
    [
        (("--retries", "0", "--max-retries", "4"), "--retries", "--max-retries"),
        (("--batch-size", "2", "--concurrency", "3"), "--concurrency", "--batch-size"),
        (("--base-url", "http://127.0.0.1:10/v1"), "--server", "--base-url"),
    ],
)
def test_one_setting_has_one_value(
    tiltyard: Callable[..., Finished], words: tuple[str, ...], one: str, other: str
) -> None:
    done = tiltyard(*NOWHERE, *words)  # it is refused before a server is looked for
    assert done.code == 2
    assert f"{one} and {other} are one setting, and have two values" in done.err
    assert f"try: give {one} alone" in done.err


def test_the_same_value_twice_is_one() -> None:
    check_names({"retries": 4, "max_retries": 4, "concurrency": 2, "batch_size": None})
