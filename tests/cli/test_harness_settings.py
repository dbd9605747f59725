"""Settings of `run mcq` that have two names: one value each, of the strongest source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.cli.harness_settings import check_names

pytestmark = pytest.mark.slow

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


ASKED, OTHER = "http://127.0.0.1:9", "http://127.0.0.1:10"


@pytest.mark.parametrize(
    ("file", "dotenv", "environment"),
    [
        (f"server = '{OTHER}'", "", {"OLLAMA_BASE_URL": ASKED}),
        (f"server = '{OTHER}'", f"OLLAMA_BASE_URL={ASKED}", {}),
        ("", f"TILTYARD_SERVER={OTHER}", {"OLLAMA_BASE_URL": ASKED}),
        ("", f"TILTYARD_SERVER={ASKED}\nOLLAMA_BASE_URL={OTHER}", {}),
        ("", f"OLLAMA_BASE_URL={OTHER}", {"TILTYARD_SERVER": ASKED}),
        (f"server = '{ASKED}'\nollama_url = '{OTHER}'", "", {}),
        (f"server = '{ASKED}'", "", {"OLLAMA_HOST": OTHER}),  # it names no server for `run mcq`
    ],
)
def test_the_server_is_the_one_of_the_strongest_source(
    tiltyard: Callable[..., Finished], tmp_path: Path, file: str, dotenv: str, environment: dict[str, str]
) -> None:
    (tmp_path / "tiltyard.toml").write_text(file, encoding="utf-8")
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    done = tiltyard("run", "mcq", "--model", "m", env=environment)
    assert done.code == 3
    assert ASKED in done.err
    assert OTHER not in done.err
