"""`speed`: how fast is a model? Profiles of load around one question, asked again and again.

A profile is one file with `stages` (an asynchronous generator that sees each result) and `conclude` (its own
part of the summary), and a line in `PROFILES`. What the figures mean is in `load/metrics.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from tiltyard.errors import UsageError
from tiltyard.load.summary import Window, summarise
from tiltyard.records import Exchange, Grade, Item, Json, Request
from tiltyard.suites import Bench, Stage, StageResult
from tiltyard.suites.speed.fitting import check_fit
from tiltyard.suites.speed.options import read_settings
from tiltyard.suites.speed.trial import Trial

PROFILES: Mapping[str, str] = {
    "quick": "tiltyard.suites.speed.quick",
    "depth": "tiltyard.suites.speed.depth",
    "concurrency": "tiltyard.suites.speed.concurrency",
    "serve": "tiltyard.suites.speed.serve",
    "soak": "tiltyard.suites.speed.soak",
    "fixed": "tiltyard.suites.speed.fixed",
}


class Profile(Protocol):
    """What the module of a profile offers."""

    def stages(self, trial: Trial) -> AsyncGenerator[Stage, StageResult]: ...

    def conclude(self, trial: Trial, results: Sequence[StageResult]) -> Mapping[str, Json]:
        """Its part of the summary; `headline` names the stage that the figures at the top are of, and
        `waits_from` the one for waits and prefill where it is another.
        """


def load_profile(name: str) -> Profile:
    """Raises UsageError for a name that is none."""
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}", f"one of: {', '.join(PROFILES)}")
    module: Any = importlib.import_module(PROFILES[name])
    return module  # type: ignore[no-any-return]


class Speed:
    """The suite; one instance per run."""

    name = "speed"
    version = "1"

    def __init__(self) -> None:
        self.trial: Trial | None = None

    def start(self, bench: Bench) -> Trial:
        """The run's settings, read once; raises UsageError."""
        if self.trial is None:
            self.trial = Trial(bench, read_settings(bench.settings))
        return self.trial

    async def stages(self, bench: Bench) -> AsyncGenerator[Stage, StageResult]:
        """The stages of the profile."""
        trial = self.start(bench)
        profile = load_profile(trial.settings.profile)
        await trial.calibrate()
        await check_fit(trial)
        stages = profile.stages(trial)
        stage = await anext(stages, None)
        while stage is not None:
            result = yield stage
            try:
                stage = await stages.asend(result)
            except StopAsyncIteration:
                return

    def request(self, item: Item, bench: Bench) -> Request:
        return self.start(bench).request(item)

    def grade(self, item: Item, exchange: Exchange) -> Grade | None:
        """Speed is not judged, only measured."""
        return None

    def summarise(self, results: Sequence[StageResult], bench: Bench) -> Mapping[str, Json]:
        """The speed part of the summary object (`load/summary.py`), and what the profile found."""
        trial = self.start(bench)
        profile = load_profile(trial.settings.profile)
        conclusion = dict(profile.conclude(trial, results))
        headline, waits_from = conclusion.pop("headline", None), conclusion.pop("waits_from", None)
        trial.note_lengths(results)
        trial.note_pieces(results)
        trial.note_empty(results)
        windows = [Window(r.stage.name, r.stage.load, r.attempts, r.wall_s) for r in results]
        return {
            "profile": trial.settings.profile,
            **summarise(windows, headline=headline, waits_from=waits_from, slo=trial.limits),
            "expected": expected(trial, results),
            "prompt": trial.prompt_report(results),  # before the notes: it may add one
            "gave_up": any(result.gave_up for result in results),
            "findings": {**conclusion, "notes": trial.notes},
        }


def expected(trial: Trial, results: Sequence[StageResult]) -> int | None:
    """Requests that were to be asked; None where time, or what is found, decides how many."""
    if trial.settings.profile != "fixed" or not results:
        return None
    stop = results[0].stage.load.stop
    return stop.count if stop.seconds is None and stop.width is None else None
