"""What is seen in answers is said with the figures: through the whole command, against the simulator."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers import notes
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.suites.observed import SILENT, WORDS, words_for

pytestmark = pytest.mark.slow

ESTIMATED = "token counts are estimates"
THINKER = ("completion", "thinking")


@pytest.mark.parametrize(
    ("dialect", "fault", "words"),
    [
        ("llamacpp", "think_anyway", "the model thought although it was told not to (3 of 3)"),
        ("openai", "think_anyway", "the model thought: this server has no way to be told not to (3 of 3)"),
        ("llamacpp", "truncate_context", "the server cut the prompt to its context without a word (3 of 3)"),
        (
            "openai",
            "wrong_model=m-mini",
            "answered by m-mini, which may be another model than the one asked for (3 of 3)",
        ),
    ],
)
def test_what_was_seen_is_said(
    tiltyard: Callable[..., Finished], dialect: str, fault: str, words: str
) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=0.5, loaded=True, capabilities=THINKER)
    with running(SimConfig(models=(model,), dialects=(dialect,), faults=(fault,))) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "fixed", "--server", simulator.url(dialect), "--model", "m"),
            *("--requests", "3", "--prompt-tokens", "400", "--output-tokens", "40", "--no-think", "--json"),
        )
    assert words in done.summary()["notes"], done.summary()["notes"]


def test_prompts_that_were_cut_may_be_more_than_are_certain(tiltyard: Callable[..., Finished]) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=0.5, loaded=True)
    with running(
        SimConfig(models=(model,), dialects=("openai",), faults=("truncate_context@3",))
    ) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "fixed", "--server", simulator.url("openai"), "--model", "m"),
            *("--requests", "6", "--prompt-tokens", "400", "--output-tokens", "8", "--json"),
        )
    words = "the server cut the prompt to its context without a word (at least 1 of 6)"
    assert words in done.summary()["notes"], done.summary()["notes"]


def test_what_differs_between_stages_is_said_with_the_stage(tiltyard: Callable[..., Finished]) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=0.5, loaded=True)
    with running(SimConfig(models=(model,), dialects=("ollama",))) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "depth", "--depths", "0,1k", "--requests", "2", "--model", "m"),
            *("--server", simulator.url("ollama"), "--output-tokens", "8", "--json"),
        )
    cached = [note for note in done.summary()["notes"] if "cached head" in note]
    places = [note.rpartition(", in ")[2] for note in cached]
    assert sorted(places) == ["pp128)", "pp512)"], cached


NAMES = {value: name for name, value in vars(notes).items() if name.isupper()}


@pytest.mark.parametrize("note", NAMES)
def test_every_note_has_words_or_is_silent(note: str) -> None:
    assert (words_for(f"{note}7" if note.endswith((":", "_")) else note) is None) == (note in SILENT)


def test_notes_have_no_words_of_another_spelling() -> None:
    assert NAMES.keys() >= WORDS.keys() | SILENT


def test_notes_are_called_by_their_constants() -> None:
    """Where answers are made and read. A name that is one plain word is other things, too."""
    root = Path(notes.__file__).parents[1]
    spelt = {note for note in NAMES if "_" in note}
    files = [file for part in ("servers", "load", "suites") for file in (root / part).rglob("*.py")]
    faults = [
        f"{file.relative_to(root)}:{node.lineno}: {node.value}"
        for file in files
        if file.name != "notes.py" and "simulator" not in file.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in spelt
    ]
    assert not faults


def test_a_rate_of_estimated_tokens_has_no_interval_on_any_screen(tiltyard: Callable[..., Finished]) -> None:
    model = SimModel(name="m", prefill_tps=50_000.0, decode_tps=1_000.0, loaded=True)
    with running(SimConfig(models=(model,), dialects=("openai",), faults=("usage=none",))) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "fixed", "--server", simulator.url("openai"), "--model", "m"),
            *("--requests", "4", "--prompt-tokens", "64", "--output-tokens", "64"),
        )
    decode = next(line for line in done.out.splitlines() if line.startswith("decode"))
    assert "≈" in decode
    assert "±" not in decode
    assert ESTIMATED in " ".join(done.out.split())
    rows = json.loads(tiltyard("board", "--json").out)["rows"]
    assert [row["decode_tps"]["ci95"] for row in rows] == [None]
    board = tiltyard("board").out
    assert "≈ no interval: too few requests, arrivals that overlap, or estimates" in board
