"""Figures in Prometheus' words: names with base units, help and type, labels for suite and model.

The text itself is made by `prometheus_client`, in the form that the scraper asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tiltyard import __version__
from tiltyard.records import OUTCOMES
from tiltyard.web.figures import RunFigures

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LABELS = ("suite", "model", "run")
TEXTS = ("text/plain", "application/openmetrics-text", "text/*")
JSONS = ("application/json", "application/*", "*/*")
QUALITY = re.compile(r"q=([01](?:\.\d{0,3})?)")
# name, help, the value of a run or None
GAUGES: tuple[tuple[str, str, Callable[[RunFigures], float | None]], ...] = (
    ("tiltyard_run_active", "1 while the run goes on, else 0.", lambda r: float(r.state == "running")),
    ("tiltyard_items_done", "Answers so far.", lambda r: r.done),
    ("tiltyard_items_expected", "Answers when the run is over.", lambda r: r.expected),
    ("tiltyard_stage_items_done", "Answers so far in the stage under way.", lambda r: r.stage_done),
    ("tiltyard_stage_items_expected", "Answers when that stage is over.", lambda r: r.stage_expected),
    ("tiltyard_score_ratio", "Score, 0 to 1.", lambda r: r.score),
    ("tiltyard_score_low_ratio", "Lower end of its 95 % interval.", lambda r: r.ci95 and r.ci95[0]),
    ("tiltyard_score_high_ratio", "Upper end of its 95 % interval.", lambda r: r.ci95 and r.ci95[1]),
    ("tiltyard_answer_duration_mean_seconds", "Mean time of an answer.", lambda r: r.mean_duration_s),
    ("tiltyard_ttft_mean_seconds", "Mean time to the first token.", lambda r: seconds(r, "ttft_ms")),
    (
        "tiltyard_decode_tokens_per_second",
        "Mean decode rate of one stream.",
        lambda r: r.speed.get("decode_tps"),
    ),
    (
        "tiltyard_prefill_tokens_per_second",
        "Mean prefill rate, cached prompts left out.",
        lambda r: r.speed.get("prefill_tps"),
    ),
)
COUNTERS: tuple[tuple[str, str, Callable[[RunFigures], float | None]], ...] = (
    ("tiltyard_retries", "Requests that failed on their way and were asked again.", lambda r: r.retries),
    ("tiltyard_requests_failed", "Requests that did not end well, for good.", lambda r: r.failed),
    ("tiltyard_output_tokens", "Tokens generated; known when a run ends.", lambda r: r.output_tokens),
)


def seconds(run: RunFigures, name: str) -> float | None:
    value = run.speed.get(name)
    return None if value is None else value / 1e3


def wants_exposition(accept: str) -> bool:
    """Does an Accept header ask for the exposition rather than for JSON?

    By quality, then by how closely it is named, then by order. `*/*` means JSON: only a scraper names text.
    """
    text = json = (0.0, 0, 0)  # quality, closeness, place
    for place, (quality, name, _) in enumerate(media_ranges(accept)):
        rank = (quality, -name.count("*"), -place)
        if name in TEXTS:
            text = max(text, rank)
        elif name in JSONS:
            json = max(json, rank)
    return text[0] > 0 and text > json


def media_ranges(accept: str) -> Iterator[tuple[float, str, str]]:
    """Quality, name and full words of each entry; a quality that cannot be read is 1, as one left out."""
    for words in accept.split(","):
        name, *more = (part.strip().lower() for part in words.split(";"))
        found = next((match for part in more if (match := QUALITY.fullmatch(part))), None)
        yield float(found[1]) if found else 1.0, name, words.strip()


def exposition(runs: Iterable[RunFigures], accept: str) -> tuple[bytes, str]:
    """The body and its content type, as the Accept header asks."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(Collector(list(runs)))
    ranges = sorted(media_ranges(accept), key=lambda entry: -entry[0])
    try:
        encode, content_type = choose_encoder(",".join(words for quality, _, words in ranges if quality))
    except (TypeError, ValueError):  # a version that is none
        encode, content_type = choose_encoder("")
    return encode(registry), content_type


class Collector:
    """Hands the figures to a registry."""

    def __init__(self, runs: list[RunFigures]) -> None:
        self.runs = runs

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("tiltyard_build", "What serves this.", value={"version": __version__})
        questions = CounterMetricFamily(
            "tiltyard_questions", "Graded answers by outcome.", labels=(*LABELS, "outcome")
        )
        for run in self.runs:
            if run.outcomes is not None:
                for outcome in OUTCOMES:
                    questions.add_metric([*labels(run), outcome], run.outcomes.get(outcome, 0))
        yield questions
        for families, kind in ((COUNTERS, CounterMetricFamily), (GAUGES, GaugeMetricFamily)):
            for name, words, value_of in families:
                yield self.filled(kind(name, words, labels=LABELS), value_of)

    def filled(self, family: Any, value_of: Callable[[RunFigures], float | None]) -> Metric:
        for run in self.runs:
            value = value_of(run)
            if value is not None:
                family.add_metric(labels(run), value)
        return family  # type: ignore[no-any-return]


def labels(run: RunFigures) -> list[str]:
    """Names come from servers: nothing in them may break a line, and half characters cannot be sent."""
    return [text.encode("utf-8", "replace").decode() for text in (run.suite, run.model, run.run_id)]
