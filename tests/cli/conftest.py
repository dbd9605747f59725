"""A model server for tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tiltyard.servers.simulator import SimConfig, SimModel, running

FAST = {"loaded": True, "slots": 8, "stops_at": 6, "prefill_tps": 1e7, "decode_tps": 1e6}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(SimConfig(models=(SimModel(name="m", **FAST),), dialects=("openai",))) as sim:
        yield sim.url("openai")
