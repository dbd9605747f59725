"""The trials of schema keywords: what a model answers that ignores them meets none by chance."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.suites.structured.test_suite import sitting
from tiltyard.cli.run_json import defaults
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
from tiltyard.suites.structured.judge import judge_of
from tiltyard.suites.structured.probe import judged, sent, trials

LAZY: tuple[Any, ...] = (
    *(0, 1, -1, 2, 4, 42, 100, 3.5, True, False, None),
    *("", "a", "yes", "Rome", "string", "The sea is blue.", "2024", "The sea is wide and blue and deep."),
    *([], [0], [None], [""], [[]], [1, 2], [2, 4], ["red", "green", "blue"]),
    *({}, {"v": 0}, {"a": 0}, {"a": ""}, {"a": "", "b": ""}, {"a": 0, "b": 0, "c": 0}),
    *({"a": None, "b": None, "c": None}, {"a": True, "b": True, "c": True}, {"a": {}, "b": {}}),
)
ONLY_LEFT_OUT = "additionalProperties"  # what it forbids can only be missing: see `tempted`


@pytest.mark.parametrize("name", sorted(trials().keys() - {ONLY_LEFT_OUT}))
def test_no_lazy_answer_meets_a_trial(name: str) -> None:
    judge = judge_of(judged(trials()[name]))
    met = [value for value in LAZY if judge.judge({"v": value}).formats]
    assert met == []
    assert not judge.judge({}).formats


def test_what_the_words_ask_for_does_not_meet_the_lowest_and_the_highest() -> None:
    assert not judge_of(judged(trials()["maxItems"])).judge({"v": [*range(1, 13)]}).formats
    assert not judge_of(judged(trials()["minItems"])).judge({"v": [2, 4]}).formats
    assert not judge_of(judged(trials()["multipleOf"])).judge({"v": 0}).formats


@pytest.mark.parametrize("name", sorted(trials()))
def test_every_trial_can_be_met(name: str) -> None:
    word = {"const", "enum", "required", "items", "anyOf", "allOf", "$ref"}
    trial = trials()[name]
    good: dict[str, Any] = {
        "type": {"a": 3, "b": True, "c": None},
        "additionalProperties": True,
        "minLength": "a" * 60,
        "maxLength": "a" * 20,
        "pattern": "zq1234567",
        "format": "2024-02-29",
        "minimum": 7_000_000,
        "exclusiveMaximum": -6_000_001,
        "maximum": -5_000_000,
        "multipleOf": 7_919,
        "minItems": [2] * 9,
        "maxItems": [1, 2, 3, 4],
    }
    assert good.keys() | word == trials().keys()
    if name in good:
        assert judge_of(sent(trial)).judge({"v": good[name]}).formats


def honesty(path: Path, answers: tuple[Say, ...]) -> dict[str, Any]:
    """What the probe finds on a server that drops the schema; its model gives these answers."""
    model = SimModel(
        name="m", script=answers, loaded=True, slots=8, prefill_tps=1e6, decode_tps=1e5, context=10**5
    )
    settings = {**defaults(), "limit": 1, "modes": ["json_schema"]}
    with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as sim:
        summary = asyncio.run(sitting(path, sim.url("openai"), "openai", settings))
    found: dict[str, Any] = summary["schema_honesty"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("value", [0, 1, "", "yes", [], [0], {}, True, None, {"a": 0, "b": 0, "c": 0}])
def test_a_lazy_model_on_a_server_that_ignores_everything(value: Any, tmp_path: Path) -> None:
    found = honesty(tmp_path / "s.sqlite3", (Say(when="", say=json.dumps({"v": value})),))
    closed = found.pop(ONLY_LEFT_OUT)
    assert {name for name, entry in found.items() if entry["verdict"] != "ignored"} == set()
    if value is True:
        assert closed == {"verdict": "unknown", "why": "no key too many where one may be, either"}
    else:
        assert closed["verdict"] == "ignored"


@pytest.mark.slow
def test_a_key_too_many_is_seen(tmp_path: Path) -> None:
    found = honesty(tmp_path / "s.sqlite3", (Say(when="", say='{"v": true, "name": "Ann"}'),))
    assert found[ONLY_LEFT_OUT]["verdict"] == "ignored"
