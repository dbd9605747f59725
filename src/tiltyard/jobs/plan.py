"""What is to be measured: jobs, and a plan of them in order, models outermost.

A job is one model on one server, to be put through one suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.records import Json, Model, Record, Timeouts
from tiltyard.servers import Loading, Server


class Job(Record, frozen=True):
    """One model on one server, to be put through one suite."""

    server: Server
    model: Model
    suite: str
    settings: Mapping[str, Json]
    cold: bool = True  # start it cold; off where the job before was about the same model
    loading: Loading | None = None  # it was started cold already, to see with which context


class Plan(Record, frozen=True):
    jobs: Sequence[Job]  # models outermost
    command: str  # reproduces it
    fresh: bool = False  # measure again what is already there
    preflight: bool = True  # cold start and probe; off: send exactly the load asked for
    baseline_s: float = 0.0  # idle seconds whose power is taken off the energy
    timeouts: Timeouts | None = None
    machine: Mapping[str, Json] = {}  # the one we are on, as it is when a job begins


def whose(job: Job) -> tuple[str, str]:
    """Which memory the job's model is in, and which model: another server's copy is another one."""
    return job.server.info.url, job.model.name
