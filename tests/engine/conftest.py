"""Tiny models for the real engine, made once, and caches of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tiltyard.servers.tiny import Answer, Say, TinySpec, read_answers, write_model

LETTERS = tuple(
    Answer(
        when=f"[quiz {i}]",
        say=tuple(Say(text=letter, p=0.7 if letter == "ABCD"[i % 4] else 0.1) for letter in "ABCD"),
    )
    for i in range(40)
)
ALMOST = Answer(when="Recite", say="one two three four five", end=False)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Path:
    """A model that knows the examples, forty quiz questions and one recital; it babbles 60 tokens."""
    path = tmp_path_factory.mktemp("models") / "known.gguf"
    write_model(path, TinySpec(name="known", mean_tokens=60, answers=(*read_answers(), *LETTERS, ALMOST)))
    return path


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Path:
    path = tmp_path_factory.mktemp("models") / "other model 🐎.gguf"
    write_model(path, TinySpec(name="other", answers=(Answer(when="Who are you", say="Another one."),)))
    return path
