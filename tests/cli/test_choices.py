"""What the command line lets a user choose is what the suites know; help lists it without importing them."""

from __future__ import annotations

from tiltyard.cli import run_json, run_mcq
from tiltyard.suites import structured
from tiltyard.suites.mcq import layouts


def test_the_choices_are_those_of_the_suites() -> None:
    assert run_json.MODES == structured.MODES
    assert tuple(layouts.READINGS) == run_mcq.READINGS
