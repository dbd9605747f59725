"""Several suites in one command: models outermost, nothing measured twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running

pytestmark = pytest.mark.slow


def run(folder: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    command = [sys.executable, "-m", "tiltyard", "run", *words, "--json", "--data-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_models_outermost_and_cached_the_second_time(tmp_path: Path) -> None:
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in ("a", "b"))
    with running(SimConfig(models=models, dialects=("openai",), delay=False)) as sim:
        words = ("mcq,tools", "--models", "a,b", "--server", sim.url("openai"), "--dialect", "openai")
        code, events, errors = run(tmp_path, *words)
        assert code == 0, errors
        summaries = [event for event in events if event["event"] == "summary"]
        order = [(summary["model"], summary["suite"]) for summary in summaries]
        assert order == [("a", "mcq"), ("a", "tools"), ("b", "mcq"), ("b", "tools")]
        assert [event["number"] for event in events if event["event"] == "job"] == [1, 2, 3, 4]
        again = run(tmp_path, *words, "--skip-cached")[1]
        assert all(event["cached"] for event in again if event["event"] == "summary")
        asked = len(sim.truth())
        code, events, _ = run(tmp_path, *words, "--fresh")
        assert code == 0
        assert not any(event.get("cached") for event in events)
        assert len(sim.truth()) > asked


def test_options_about_answers_are_for_the_graded_suites(tmp_path: Path) -> None:
    model = SimModel(name="a", stops_at=6, loaded=True)
    with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as sim:
        words = ("--models", "a", "--server", sim.url("openai"), "--dialect", "openai")
        asked = ("--limit", "5", "--max-tokens", "99")
        code, events, errors = run(tmp_path, "mcq,speed,json", *words, *asked)
        assert code == 0, errors
        mcq, speed, _ = (event for event in events if event["event"] == "summary")
        assert (mcq["suite"], mcq["n"]) == ("mcq", 5)
        assert (speed["suite"], speed["requests"]["failed"]) == ("speed", 0)
        code, events, errors = run(tmp_path, "mcq", *words, *asked)  # by itself it is the same run
        assert events[-1]["cached"], errors
        code, _, errors = run(tmp_path, "speed", *words, *asked)
        assert code == 2
        assert "--limit" in errors


def closing_words(errors: str) -> str:
    """The error itself, without the remedy and without what was told on the way."""
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    return line


def test_each_model_that_failed_is_named_at_the_end(tmp_path: Path) -> None:
    """With its reason; `b` is well."""
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in ("a", "b", "c"))
    faults = ("error_500@1", "error_500@5", "busy_503@6")
    with running(SimConfig(models=models, dialects=("openai",), delay=False, faults=faults)) as sim:
        words = ("--models", "a,b,c", "--server", sim.url("openai"), "--dialect", "openai")
        code, _, errors = run(tmp_path, "speed", "--profile", "fixed", "--requests", "2", *words)
    assert code == 1
    said = closing_words(errors)
    assert "a: only 1 of 2 requests succeeded (1 http_error): HTTP 500" in said
    assert "; c: only 0 of 2 requests succeeded (2 http_error): HTTP 50" in said
    assert "b: " not in said


def test_each_model_that_the_server_cannot_serve_is_named_at_the_end(tmp_path: Path) -> None:
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in ("first", "second"))
    with running(
        SimConfig(models=models, dialects=("openai",), delay=False, faults=("unauthorized_401",))
    ) as sim:
        words = ("--models", "first,second", "--server", sim.url("openai"), "--dialect", "openai")
        code, _, errors = run(tmp_path, "json", *words)
    assert code == 3
    said = closing_words(errors)
    assert "first: " in said
    assert "; second: " in said
    assert said.count("HTTP 401") == 2


def test_files_are_for_one_suite_alone(tmp_path: Path) -> None:
    code, events, errors = run(tmp_path, "mcq,tools", "items.csv", "--models", "a")
    assert (code, events) == (2, [])
    assert "take no files" in errors
    assert "tiltyard run mcq" in errors


def test_a_suite_that_is_none(tmp_path: Path) -> None:
    code, events, errors = run(tmp_path, "mcq,poems", "--models", "a")
    assert (code, events) == (2, [])
    assert "there is no suite called poems" in errors


IDENTITY = ("digest", "quantization", "parameters", "size_bytes", "vram_bytes", "remote")
ONLY_ON_THE_BOARD = {*IDENTITY, "fingerprint", "started_at", "served_on", "item_set", "suite_version", "rank"}


def within(part: Any, whole: Any) -> bool:
    """Is every value of `part` in `whole`, under the same name?"""
    if isinstance(part, dict):
        return whole is not None and all(
            name in whole and within(value, whole[name]) for name, value in part.items()
        )
    return bool(part == whole)


def test_the_board_has_the_names_and_values_of_the_summary(tiltyard: Callable[..., Finished]) -> None:
    models = (SimModel(name="a", stops_at=6, loaded=True),)
    with running(SimConfig(models=models, dialects=("ollama",), delay=False)) as sim:
        place = ("--server", sim.url("ollama"), "--model", "a", "--json")
        timed = tiltyard("run", "speed", "--profile", "fixed", "--requests", "3", *place)
        graded = tiltyard("run", "mcq", "--limit", "2", *place)
    assert (timed.code, graded.code) == (0, 0), timed.err + graded.err
    summaries = {"speed": timed.summary(), "mcq": graded.summary()}
    rows = json.loads(tiltyard("board", "--json").out)["rows"]
    assert {row["suite"] for row in rows} == {"speed", "mcq"}
    for row in rows:
        summary = summaries[row["suite"]]
        whole = {**(summary.get("speed") or {}), **summary}
        same = {name: value for name, value in row.items() if name not in ONLY_ON_THE_BOARD}
        assert {"server", "requests", "client", "decode_tps"} <= set(same)
        assert {
            name: value
            for name, value in same.items()
            if not within(value, whole.get(name)) and (value is not None or name in whole)
        } == {}
    (model,) = json.loads(tiltyard("board", "--by-model", "--json").out)["models"]
    assert within(model["server"], summaries["mcq"]["server"])
