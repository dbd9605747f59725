"""A headerless CSV file of questions, put to the real engine by `tiltyard run mcq`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers.tiny import Answer, Say, TinySpec, write_model
from tiltyard.suites.mcq.prompts import rendered, shipped_template
from tiltyard.suites.mcq.questions import Choosing, items_of, question_set

pytestmark = pytest.mark.engine

COUNT = 120


def test_a_plain_csv_file_on_the_engine(tiltyard: Callable[..., Finished], tmp_path: Path) -> None:
    path, gguf = tmp_path / "words_val.csv", tmp_path / "tiny.gguf"
    with path.open("w", newline="", encoding="utf-8") as file:
        for number in range(COUNT):
            options = [f"word {number} {place}" for place in range(4)]
            csv.writer(file).writerow([f"Question {number},\nwhich word?", *options, "ABCD"[number % 4]])
    questions = question_set([path])
    known = []
    for item in items_of(questions, range(COUNT), Choosing()):
        prompt = rendered(shipped_template(False), item.spec["question"], item.spec["options"])
        letters = ["ABCD"[item.spec["right"]], *(c for c in "ABCD" if c != "ABCD"[item.spec["right"]])]
        say = tuple(Say(text=c, p=p) for c, p in zip(letters, (0.7, 0.1, 0.1, 0.1), strict=True))
        known.append(Answer(when=prompt, say=say))
    write_model(gguf, TinySpec(name="tiny", answers=tuple(known)))
    done = tiltyard("run", "mcq", str(path), "--model", str(gguf), "--fresh", "--json", "--slots", "2")
    assert done.code == 0, done.err
    summary = done.summary()
    assert (summary["n"], summary["score"]) == (COUNT, 1.0)  # greedy: the likeliest letter is the right one
    assert summary["server"]["dialect"] == "embedded"
    assert [group["name"] for group in summary["groups"]] == ["words_val"]
    assert summary["confidence"]["n"] == COUNT
    assert summary["confidence"]["confidence"] == pytest.approx(0.7, abs=0.02)
    assert summary["confidence"]["ece_equal_width"] == pytest.approx(0.3, abs=0.02)
