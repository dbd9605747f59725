"""Answers with calls in words, as small models write them: each has its outcome, however it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.suites.tools.test_bfcl import one
from tests.suites.tools.test_grading import item
from tiltyard.suites.tools import Tools
from tiltyard.suites.verify import answered

LINES = (Path(__file__).parent / "text_replies.jsonl").read_text(encoding="utf-8").splitlines()
REPLIES: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: str(reply["text"])[:60])
def test_a_reply_with_calls_in_words(reply: dict[str, Any], tmp_path: Path) -> None:
    """`item` is a shipped case, or bfcl: one call of geo.area with base 0."""
    asked = (
        one(tmp_path, "simple_python", text=True) if reply["item"] == "bfcl" else item(reply["item"], True)
    )
    grade = Tools().grade(asked, answered(reply["text"], ()))
    found = grade.outcome, grade.details["calls"], grade.details.get("malformed_call")
    assert found == (reply["outcome"], reply["calls"], reply["malformed"])
