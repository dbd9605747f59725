"""The shipped questions: form, balance, one right answer each; and the templates they are asked with."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq import Mcq
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.mcq.prompts import (
    checked_template,
    read_template,
    rendered,
    shipped_template,
    unknown_places,
)
from tiltyard.suites.mcq.questions import question_set, shipped_file

ENTRIES = [json.loads(line) for line in shipped_file().read_text(encoding="utf-8").splitlines()]


def test_form_and_size() -> None:
    subjects = Counter(entry["subject"] for entry in ENTRIES)
    assert len(ENTRIES) >= 120
    assert len(subjects) == 8
    assert min(subjects.values()) >= 15
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry["question"] for entry in ENTRIES}) == len(ENTRIES)


def test_each_answer_is_given_twice_and_agrees() -> None:
    for entry in ENTRIES:
        assert entry["options"][LETTERS.index(entry["answer"])] == entry["answer_text"], entry["id"]
    assert not question_set(()).bad


def test_options_are_distinct_whatever_their_case() -> None:
    for entry in ENTRIES:
        folded = [option.casefold().strip(" .") for option in entry["options"]]
        assert len(set(folded)) == len(folded), entry["id"]
        assert all(folded)


def test_answers_are_balanced_over_the_letters() -> None:
    four = Counter(entry["answer"] for entry in ENTRIES)
    sizes = Counter(len(entry["options"]) for entry in ENTRIES)
    assert all(abs(four[letter] - four["A"]) <= 2 for letter in "BCD")
    assert {2, 3, 4, 5} <= set(sizes)
    assert sizes[4] > 90
    assert sum("All of the above" in entry["options"] for entry in ENTRIES) >= 4


def test_proofs_cover_the_set() -> None:
    proofs = list(Mcq().proofs())
    assert len(proofs) == len(ENTRIES)
    assert {proof.text for proof in proofs} >= {"Answer: A", "Answer: B", "Answer: C", "Answer: D"}


def test_templates() -> None:
    for reasons in (False, True):
        text = rendered(shipped_template(reasons), "Which {options}?", ["x", "{question}", "z"])
        assert "Which {options}?" in text
        assert "A. x\nB. {question}\nC. z" in text
        assert "A, B or C" in text


def test_a_template_must_ask_the_question(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("{question}\nWhich one?", encoding="utf-8")
    with pytest.raises(UsageError, match=r"no \{options\}"):
        read_template(path)
    assert checked_template("{question} {options} {'a': 1}", "t") == "{question} {options} {'a': 1}"


def test_what_looks_like_a_place_and_is_none() -> None:
    usual = 'As {"answer": "A"}, {\'a\': {x}}, {}, { foo }, \\boxed{answer}, \\frac{ab}{cd}: '
    assert unknown_places(usual.replace("{cd}", "") + "{question} {options} {letters}") == []
    assert unknown_places("{foo} {Question} {foo} {{choices}}") == ["{foo}", "{Question}", "{choices}"]
    assert all(unknown_places(shipped_template(reasons)) == [] for reasons in (False, True))
