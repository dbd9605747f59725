"""What is seen in answers is said with the figures: through the whole command, against the simulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running

THINKER = ("completion", "thinking")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("think_anyway", "the model thought although it was told not to (3 of 3)"),
        ("truncate_context", "the server cut the prompt to its context without a word (3 of 3)"),
    ],
)
def test_what_was_seen_is_said(tiltyard: Callable[..., Finished], fault: str, words: str) -> None:
    model = SimModel(name="m", ttft_ms=5.0, token_ms=0.5, loaded=True, capabilities=THINKER)
    with running(SimConfig(models=(model,), dialects=("llamacpp",), faults=(fault,))) as simulator:
        done = tiltyard(
            *("run", "speed", "--profile", "fixed", "--server", simulator.url("llamacpp"), "--model", "m"),
            *("--requests", "3", "--prompt-tokens", "400", "--output-tokens", "40", "--no-think", "--json"),
        )
    assert words in done.summary()["notes"], done.summary()["notes"]
