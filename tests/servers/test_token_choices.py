"""Log-probabilities in whole and broken shapes."""

from __future__ import annotations

from typing import Any

import pytest

from tiltyard.records import TokenChoice
from tiltyard.servers.token_choices import token_choices

B = {"token": "B", "logprob": -0.1, "bytes": [66]}


def test_a_whole_entry() -> None:
    entry = {**B, "top_logprobs": [B, {"token": "A", "logprob": -2}]}
    assert token_choices([entry]) == [TokenChoice(text="B", logprob=-0.1, others=(("B", -0.1), ("A", -2.0)))]


@pytest.mark.parametrize(
    ("entries", "texts"),
    [
        ([None, 1, "x", {}, {"token": 3, "logprob": 0}, {"token": "a"}, {"token": "a", "logprob": None}], []),
        ([{"token": "a", "logprob": "no"}, B], ["B"]),
        ([{**B, "top_logprobs": "no"}], ["B"]),
        ([{**B, "top_logprobs": [None, {"token": "A"}, {"token": "C", "logprob": -1.0}]}], ["B"]),
    ],
)
def test_what_cannot_be_read_is_left_out(entries: list[Any], texts: list[str]) -> None:
    found = token_choices(entries)
    assert [choice.text for choice in found] == texts
    assert all(len(choice.others) <= 1 for choice in found)
