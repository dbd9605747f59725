"""Simulated models that know our cases: the reference calls by the interface, or everything in words."""

from __future__ import annotations

from typing import Any

import msgspec

from tiltyard.servers.simulator import SimModel
from tiltyard.servers.simulator.config import Say
from tiltyard.suites.tools.cases import Case, cases

FAST: dict[str, Any] = {"name": "m", "loaded": True, "slots": 4, "prefill_tps": 1e7, "decode_tps": 1e6}


def last_words(case: Case) -> str:
    """What the last message says."""
    ((_, content),) = case.messages[-1].items()
    return str(content)


def longest_first() -> list[Case]:
    return sorted(cases(), key=lambda case: -len(last_words(case)))


def native(**more: Any) -> SimModel:
    """Makes the first call that is due, or says the reference words; the simulator scripts one call each."""
    script = tuple(
        Say(when=last_words(case), call=case.calls[0].name, arguments=case.calls[0].example)
        if case.calls
        else Say(when=last_words(case), say=case.reference)
        for case in longest_first()
    )
    return SimModel(**{**FAST, "script": script, **more})


def wordy(**more: Any) -> SimModel:
    """Writes all calls that are due as a JSON array, or the reference words."""
    script = tuple(Say(when=last_words(case), say=written(case)) for case in longest_first())
    return SimModel(**{**FAST, "script": script, "capabilities": ("completion",), **more})


def written(case: Case) -> str:
    calls = [{"name": call.name, "arguments": call.example} for call in case.calls]
    return msgspec.json.encode(calls).decode() if calls else case.reference
