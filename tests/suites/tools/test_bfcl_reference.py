"""Our rules against BFCL's own checker, call by call, on every item that it judges.

Run by `make test-bfcl`, which fetches the package; nothing of it is imported otherwise. Its list of models,
which imports every vendor's library, is replaced by two names.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.suites.tools.bfcl_mutations import Calls, mutations, reference
from tiltyard.suites.tools.bfcl import Answer, Folder, Question, open_folder
from tiltyard.suites.tools.bfcl_check import check
from tiltyard.suites.tools.bfcl_items import known_bad

pytestmark = pytest.mark.slow

ITEMS = 2351
FEWEST = 300_000


class Reference:
    """BFCL's checker. `verdict` is a truth value, or the name of what it crashed with."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        stub: Any = types.ModuleType("bfcl_eval.constants.model_config")
        stub.MODEL_CONFIG_MAPPING = {
            "fc": types.SimpleNamespace(underscore_to_dot=True),
            "prompt": types.SimpleNamespace(underscore_to_dot=False),
        }
        sys.modules[stub.__name__] = stub
        self.check = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
        self.python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON

    def verdict(
        self, question: Question, calls: Calls, truth: Sequence[Any], category: str, model: str = "fc"
    ) -> bool | str:
        functions = [{"name": each.name, "parameters": each.parameters} for each in question.function]
        try:
            found = self.check(functions, [{n: a} for n, a in calls], truth, self.python, category, model)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            return type(error).__name__
        return bool(found["valid"])


@pytest.fixture(scope="module")
def theirs(bfcl: Path) -> Reference:
    return Reference(bfcl)


@pytest.fixture(scope="module")
def folder(bfcl: Path) -> Folder:
    return open_folder(bfcl)


def judged_items(folder: Folder) -> Iterator[tuple[str, Question, Answer]]:
    for category in folder.categories:
        for number in range(len(category.places)):
            question, answer = category.read(number)
            if answer is not None:
                yield category.name, question, answer


def ours(question: Question, calls: Calls, truth: Sequence[Any], dotted: bool = False) -> tuple[bool, bool]:
    functions = {each.name: each.parameters for each in question.function}
    verdict = check(functions, calls, truth, dotted)
    return verdict.valid, verdict.greedy


@pytest.mark.parametrize("model", ["fc", "prompt"])
def test_both_agree_on_everything_but_matching(theirs: Reference, folder: Folder, model: str) -> None:
    """The only difference allowed: a right answer that their greedy matching loses. Models with an interface
    for tools see underscores in names, others dots.
    """
    dotted = model == "prompt"
    counts: Counter[str] = Counter()
    differing: list[str] = []
    for category, question, answer in judged_items(folder):
        counts["items"] += 1
        for calls in mutations(question, answer.ground_truth, dotted):
            valid, greedy = ours(question, calls, answer.ground_truth, dotted)
            verdict = theirs.verdict(question, calls, answer.ground_truth, category, model)
            counts["comparisons"] += 1
            counts["valid"] += valid
            counts["crashes"] += isinstance(verdict, str)
            counts["optimal"] += valid and not greedy
            if verdict is not greedy and not isinstance(verdict, str):
                differing.append(f"{question.id}: {verdict} there, {greedy} here: {calls}"[:300])
    sys.stdout.write(f"{model}: {dict(counts)}, {len(differing)} disagreements\n")
    assert not differing, "\n".join(differing[:10])
    assert counts["items"] == ITEMS
    assert counts["comparisons"] > FEWEST
    assert counts["valid"] > 50_000


def test_self_consistency_names_the_known_bad_items(theirs: Reference, folder: Folder) -> None:
    """Calls made from the answers themselves, with and without what may be left out."""
    failing: set[str] = set()
    for category, question, answer in judged_items(folder):
        lean = reference(question, answer.ground_truth, lean=True)
        verdict = theirs.verdict(question, lean, answer.ground_truth, category)
        assert verdict is ours(question, lean, answer.ground_truth)[1], question.id
        if verdict is not True:
            failing.add(question.id)
    by_meaning = ("the answer is wrong", "two items contradict each other")
    listed = {name for name, why in known_bad().items() if not why.startswith(by_meaning)}
    assert failing == listed
    for category, question, answer in judged_items(folder):
        if known_bad().get(question.id, "").startswith("no call can pass"):
            for calls in mutations(question, answer.ground_truth):
                assert theirs.verdict(question, calls, answer.ground_truth, category) is not True


def test_the_items_that_contradict_each_other_are_named(folder: Folder) -> None:
    """The same question and functions, where one item wants a call and another none."""
    due: dict[bytes, list[tuple[bool, str]]] = {}
    for category in folder.categories:
        for number in range(len(category.places)):
            question, answer = category.read(number)
            wants = answer is not None or category.name == "live_relevance"
            same = msgspec.json.encode([question.question, question.function])
            due.setdefault(same, []).append((wants, question.id))
    found = {name for each in due.values() if len({wants for wants, _ in each}) > 1 for _, name in each}
    assert found == {name for name, why in known_bad().items() if why.startswith("two items contradict")}


def test_what_it_crashes_on_is_defined_here(theirs: Reference, folder: Folder) -> None:
    _, question, _ = next(judged_items(folder))
    for described, value in (
        ({"type": "number"}, 1.5),
        ({"type": "object"}, {}),
        ({"type": "list"}, [1]),
        ({"type": "array"}, [1]),
    ):
        parameters = {"type": "dict", "properties": {"p": described}, "required": ["p"]}
        function = type(question.function[0])(name="f", parameters=parameters)
        made = Question(id="made", question=question.question, function=[function])
        truth: list[Any] = [{"f": {"p": [value]}}]
        assert theirs.verdict(made, [("f", {"p": value})], truth, "simple_python") == "KeyError"
        assert ours(made, [("f", {"p": value})], truth) == (True, True)


def test_counts_of_the_package(folder: Folder) -> None:
    assert {category.name: len(category.places) for category in folder.categories} == {
        "simple_python": 400, "multiple": 200, "parallel": 200, "parallel_multiple": 200,
        "live_simple": 258, "live_multiple": 1053, "live_parallel": 16, "live_parallel_multiple": 24,
        "irrelevance": 240, "live_irrelevance": 884, "live_relevance": 16,
    }  # fmt: skip
