"""Profile `fixed`: exactly the load that was asked for, and nothing else: no probe, no warm-up.

For people and programs that compare tools. Prompt sizes come from the server's tokenizer, a tokenizer file or
an estimate, since asking the model would be a request that nobody ordered; what the server counted is
reported.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Json
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.trial import Trial

REQUESTS = 100
MOST = 10_000  # where only an interval width is to end it, which it may never reach


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """One stage: N streams, or arrivals at a rate. Ends by count, time or interval width, whichever is asked
    for; a single burst is one of its size.
    """
    settings = trial.settings
    otherwise = MOST if settings.width else REQUESTS
    count = settings.requests or (None if settings.seconds else otherwise)
    if settings.burst is not None and settings.rate is None:
        count = settings.burst
    stop = Stop(count=count, seconds=settings.seconds, width=settings.width)
    arrivals = trial.asked_arrivals(stop)
    if arrivals is not None:
        yield trial.stage(*arrivals)
        return
    streams = settings.one_stream_count(1)
    yield trial.stage(plural(streams), Load(concurrency=streams, stop=stop))


def plural(streams: int) -> str:
    return "1 stream" if streams == 1 else f"{streams} streams"


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    return {}
