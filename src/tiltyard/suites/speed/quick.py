"""Profile `quick`: prefill of 512 tokens and decode of 128, one stream, until the decode rate is known well
enough.

Both come from the same requests. The cold load is measured before, by the run itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from tiltyard.load.schedule import Load, Stop
from tiltyard.records import Json
from tiltyard.suites import Stage, StageResult
from tiltyard.suites.speed.trial import Trial

WIDTH = 0.05  # full width of the interval, relative to the mean
BUDGET_S = 45.0  # with loading and preparation about a minute
LEAST, MOST = 6, 200


async def stages(trial: Trial) -> AsyncGenerator[Stage, StageResult]:
    """One stage, named by its sizes as llama-bench does."""
    settings = trial.settings
    stop = Stop(
        count=settings.requests or MOST,
        seconds=settings.budget_s or settings.seconds or BUDGET_S,
        width=None if settings.requests else settings.width or WIDTH,
        min_count=LEAST,
    )
    load = Load(concurrency=settings.one_stream_count(1), stop=stop)
    stage = trial.stage(stage_name(trial), load, warmup=1)
    yield stage


def stage_name(trial: Trial) -> str:
    prompt = "text" if trial.settings.prompt is not None else f"pp{trial.prompt_tokens}"
    return f"{prompt} + tg{trial.output_tokens}"


def conclude(trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
    return {}
