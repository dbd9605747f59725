"""What is seen in answers is said with the figures: through the whole command, against the simulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running

THINKER = ("completion", "thinking")


@pytest.mark.parametrize(
    ("dialect", "fault", "words"),
    [
        ("llamacpp", "think_anyway", "the model thought although it was told not to (3 of 3)"),
        ("openai", "think_anyway", "the model thought: this server has no way to be told not to (3 of 3)"),
        ("llamacpp", "truncate_context", "the server cut the prompt to its context without a word (3 of 3)"),
        (
            "openai",
            "wrong_model=m-mini",
            "answered by m-mini, which may be another model than the one asked for (3 of 3)",
        ),
    ],
)
def test_what_was_seen_is_said(
    tiltyard: Callable[..., Finished], dialect: str, fault: str, words: str
) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=0.5, loaded=True, capabilities=THINKER)
    with running(SimConfig(models=(model,), dialects=(dialect,), faults=(fault,))) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "fixed", "--server", simulator.url(dialect), "--model", "m"),
            *("--requests", "3", "--prompt-tokens", "400", "--output-tokens", "40", "--no-think", "--json"),
        )
    assert words in done.summary()["notes"], done.summary()["notes"]
