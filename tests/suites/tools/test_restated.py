"""An answer that only says a tool's result again: none of the facts; words of its own beside it count."""

from __future__ import annotations

import json

import pytest

from tests.suites.tools.test_grading import judged
from tiltyard.suites.tools.cases import Case, cases
from tiltyard.suites.tools.restated import without_results

WITH_RESULT = [case for case in cases() if any("tool" in each for each in case.messages)]


def results_of(case: Case) -> list[str]:
    return [each["tool"] for each in case.messages if "tool" in each]


def repetitions(case: Case) -> list[str]:
    values = [json.loads(result) for result in results_of(case)]
    pretty = "\n".join(json.dumps(value, indent=2) for value in values)
    return [
        "\n".join(results_of(case)),
        pretty,
        f"Here is the result:\n```json\n{pretty}\n```",
        json.dumps(values),
        json.dumps({"results": values}),
        f"The tool returned {json.dumps(values[-1])}.",
        f"{values[-1]}",  # as Python prints it
        f"The result is `{values}`.",
        f"Result: {json.dumps(next(iter(values[-1].values())))}",
    ]


@pytest.mark.parametrize("case", WITH_RESULT, ids=lambda case: case.id)
@pytest.mark.parametrize("words", [False, True])
def test_a_result_that_is_said_again_is_no_answer(case: Case, words: bool) -> None:
    for text in repetitions(case):
        assert judged(case.id, text=text, words=words).outcome == "wrong", text


@pytest.mark.parametrize("case", [case for case in WITH_RESULT if case.says], ids=lambda case: case.id)
def test_an_answer_beside_the_result_is_right(case: Case) -> None:
    for text in repetitions(case)[:3]:
        assert judged(case.id, text=f"{text}\n\n{case.reference}").outcome == "correct", text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('So {"a": {"n": 1}} it is', "So  it is"),
        ('{"n": 1}', ""),
        ('[{"n": 1}, {"n": 1}]', ""),
        ('{"n": 2}', '{"n": 2}'),  # another one
        ('{"n": 1, "m": 2}', '{"n": 1, "m": 2}'),  # says more
        ("n is 1 [1]", "n is 1 [1]"),
        ('{"n": 1', '{"n": 1'),
        ("So {'a': {'n': 1}} it is", "So  it is"),
        ("{'n': 2}", "{'n': 2}"),
        ("{'n': 1", "{'n': 1"),
        ("", ""),
    ],
)
def test_only_whole_results_are_taken_out(text: str, left: str) -> None:
    assert without_results(text, ['{"n": 1}']) == left


def test_a_result_that_is_no_json_stays() -> None:
    assert without_results("It is full at 18:00.", ["full at 18:00"]) == "It is full at 18:00."
