"""Several suites in one command: models outermost, nothing measured twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tiltyard.servers.simulator import SimConfig, SimModel, running

pytestmark = pytest.mark.slow


def run(folder: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    command = [sys.executable, "-m", "tiltyard", "run", *words, "--json", "--data-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_models_outermost_and_cached_the_second_time(tmp_path: Path) -> None:
    models = tuple(SimModel(name=name, natural_tokens=4, loaded=True) for name in ("a", "b"))
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
    model = SimModel(name="a", natural_tokens=4, loaded=True)
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


def test_files_are_for_one_suite_alone(tmp_path: Path) -> None:
    code, events, errors = run(tmp_path, "mcq,tools", "items.csv", "--models", "a")
    assert (code, events) == (2, [])
    assert "take no files" in errors
    assert "tiltyard run mcq" in errors


def test_a_suite_that_is_none(tmp_path: Path) -> None:
    code, events, errors = run(tmp_path, "mcq,poems", "--models", "a")
    assert (code, events) == (2, [])
    assert "there is no suite called poems" in errors
