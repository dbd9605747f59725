"""A model server whose truth is known: programmed speed and ability, all dialects, every write logged.

`with running(SimConfig(...)) as sim:` serves in a thread (`sim.url("ollama")`, `sim.truth()`), `spawn(path)`
in a process of its own, `async with Simulator(config)` in the running loop. It holds no weights.
"""

from __future__ import annotations

from tiltyard.servers.simulator.config import (
    DEFAULT_MODELS,
    DIALECT_NAMES,
    Question,
    Say,
    SimConfig,
    SimModel,
    load_config,
)
from tiltyard.servers.simulator.faults import FAULTS
from tiltyard.servers.simulator.server import Running, Simulator, Spawned, running, spawn

__all__ = [
    "DEFAULT_MODELS",
    "DIALECT_NAMES",
    "FAULTS",
    "Question",
    "Running",
    "Say",
    "SimConfig",
    "SimModel",
    "Simulator",
    "Spawned",
    "load_config",
    "running",
    "spawn",
]
