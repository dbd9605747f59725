"""A server that keeps to schemas keeps to all shipped ones: what it says is valid, though not right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.suites.structured.test_suite import run_json
from tiltyard.servers.simulator.schema import example
from tiltyard.suites.structured.cases import Case, case_set
from tiltyard.suites.structured.judge import judge_of

pytestmark = pytest.mark.slow  # end to end, in every dialect

CASES = case_set(None, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_made_up_values_fit_their_schema(case: Case) -> None:
    judge = judge_of(case.schema)
    for seed in range(10):
        value = example(case.schema, random.Random(seed))
        assert judge.judge(value).formats, value


def test_recursion_without_a_leaf_ends() -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert example(endless, random.Random(0))


@pytest.mark.parametrize("dialect", ["vllm", "ollama"])
def test_only_a_schema_in_the_request_makes_answers_valid(dialect: str, tmp_path: Path) -> None:
    settings = {"probe": False, "concurrency": 4, "limit": 40}
    summary = run_json(tmp_path / "s.sqlite3", dialect, settings, scripted=False)
    valid = {mode: found["rates"]["schema_valid"]["value"] for mode, found in summary["modes"].items()}
    assert valid["json_schema"] == 1.0
    assert valid["prompt"] == 0.0
    assert summary["modes"]["json_object"]["rates"]["strict_json"]["value"] == 1.0
    assert summary["modes"]["json_schema"]["rates"]["all_fields_exact"]["value"] < 0.1
    changed = summary["differences"]["schema_valid"]
    assert (changed["difference"], changed["pairs"]) == (1.0, 40)
    assert changed["ci95"][0] > 0.8
    assert changed["p_value"] < 1e-6
