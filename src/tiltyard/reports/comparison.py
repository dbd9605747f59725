"""Runs side by side: what they scored, the ratio of every metric, verdicts in words, and what differs.

Runs are compared, never pooled: requests are matched stage by stage and item by item, and different suites
are refused. The statistics are in `stats/contrast.py`, scores in `scores.py`; printing is the command's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from tiltyard.errors import UsageError
from tiltyard.records import Attempt, Measures, Record, Run
from tiltyard.reports import traits
from tiltyard.reports.scores import ScoreRow, difference, ended_early, matching, score_row, scores_in
from tiltyard.reports.traits import differences
from tiltyard.stats.contrast import Ratio, Values, Verdict, holm, log_ratio, more_needed, verdict
from tiltyard.stats.paired import Difference

# metric -> (what it is called, larger is better)
METRICS: Mapping[str, tuple[str, bool]] = {
    "decode_tps": ("decode speed", True),
    "prefill_tps": ("prefill speed", True),
    "ttft_ms": ("time to first token", False),
    "e2e_ms": ("whole request", False),
    "output_tps": ("total output rate", True),
}
SCORE = "score"
_OUT_OF_REACH = 20_000  # "about n more" beyond this says only that it is out of reach


_HARDWARE = tuple(
    f"machine.{part}" for part in ("cpu", "cores", "ram", "gpus", "threads", "usable", "arch", "virt")
)


class Row(Record, frozen=True):
    """One metric of B against A, over all shared stages or in one."""

    metric: str
    verdict: Verdict
    words: str
    stage: str | None = None
    ratio: Ratio | None = None
    p_adjusted: float | None = None
    more: int | None = None


class Comparison(Record, frozen=True):
    a: str  # run ids
    b: str
    margin: float
    scores: tuple[ScoreRow, ...]  # of graded runs, the whole first
    rows: tuple[Row, ...]  # of speed
    differences: tuple[traits.Difference, ...]
    warnings: tuple[str, ...]


class Side(Record, frozen=True):
    """A run with its attempts."""

    run: Run
    attempts: Sequence[Attempt]


class _Measured(Record, frozen=True):
    """What two runs show before p values are corrected for how many there are."""

    scores: Sequence[tuple[str | None, Difference | None]]  # stage
    ratios: Sequence[tuple[str, str | None, Ratio | None]]  # metric, stage

    def p_values(self) -> list[float | None]:
        scores = [None if found is None else found.p_value for _, found in self.scores]
        return scores + [None if ratio is None else ratio.p_value for _, _, ratio in self.ratios]


def compare_runs(
    a: Side, b: Side, metrics: Sequence[str] = (), margin: float = 0.02, by_stage: bool = False
) -> Comparison:
    """Compare B with A. Raises UsageError for a run with itself, different suites, unknown metrics."""
    return compare_many((a, b), metrics, margin, by_stage)[0]


def compare_many(
    sides: Sequence[Side], metrics: Sequence[str] = (), margin: float = 0.02, by_stage: bool = False
) -> list[Comparison]:
    """Compare each further run with the first; all claims together are Holm-corrected.

    Raises UsageError for a run with itself, different suites, unknown metrics.
    """
    a, others = sides[0], sides[1:]
    for b in others:
        _refuse(a.run, b.run, metrics)
    measured = [_measured(a, b, metrics, by_stage) for b in others]
    adjusted = iter(holm([p for each in measured for p in each.p_values()]))
    found = []
    for b, each in zip(others, measured, strict=True):
        early = ended_early(a.run) or ended_early(b.run)
        whole = each.scores[0][1] if each.scores else None
        found.append(
            Comparison(
                a=a.run.id,
                b=b.run.id,
                margin=margin,
                scores=tuple(score_row(d, stage, next(adjusted), margin) for stage, d in each.scores),
                rows=tuple(_row(*row, next(adjusted), margin) for row in each.ratios),
                differences=tuple(differences(a.run, b.run)),
                warnings=(*matching(whole, early), *_warnings(a, b)),
            )
        )
    return found


def _measured(a: Side, b: Side, metrics: Sequence[str], by_stage: bool) -> _Measured:
    scores: list[tuple[str | None, Difference | None]] = []
    if not metrics or SCORE in metrics:
        scores = _scores(a, b, by_stage)
    rows: list[tuple[str, str | None, Ratio | None]] = []
    for metric in [name for name in metrics if name != SCORE] if metrics else METRICS:
        of_a, of_b = samples(a, metric), samples(b, metric)
        rows.append((metric, None, log_ratio(of_a, of_b)))
        if by_stage:
            shared = [s for s in of_a if s in of_b]
            rows += [(metric, s, log_ratio({s: of_a[s]}, {s: of_b[s]})) for s in shared if len(shared) > 1]
    if not metrics:  # what neither run measured is no finding; what was asked for by name is answered
        rows = [row for row in rows if row[2] is not None] or ([] if scores else rows[:1])
    return _Measured(scores=scores, ratios=rows)


def _scores(a: Side, b: Side, by_stage: bool) -> list[tuple[str | None, Difference | None]]:
    of_a, of_b = (scores_in(side.run, side.attempts) for side in (a, b))
    if not of_a and not of_b:
        return []
    early = ended_early(a.run) or ended_early(b.run)
    found: list[tuple[str | None, Difference | None]] = [(None, difference(of_a, of_b, early))]
    stages = list(dict.fromkeys(attempt.stage for attempt in a.attempts))
    if by_stage and len(stages) > 1:
        for stage in stages:
            part_a, part_b = (scores_in(side.run, side.attempts, stage) for side in (a, b))
            found.append((stage, difference(part_a, part_b, early)))
    return found


def _refuse(a: Run, b: Run, metrics: Sequence[str]) -> None:
    if a.id == b.id:
        raise UsageError(f"A and B are the same run, {a.id}", "name another one; `tiltyard runs` lists them")
    if a.suite != b.suite:
        raise UsageError(
            f"{a.id} is a `{a.suite}` run and {b.id} a `{b.suite}` run: they ask different things",
            "compare runs of one suite; `tiltyard runs` lists them",
        )
    for metric in metrics:
        if metric != SCORE and metric not in METRICS and metric not in Measures.__struct_fields__:
            raise UsageError(f"there is no metric {metric!r}", f"one of: {', '.join((SCORE, *METRICS))}")


def samples(side: Side, metric: str) -> dict[str, Values]:
    """The metric's values by stage, then by (item, repetition).

    A stage's total rate is one value a stage. Prefill of cached prompts is left out.
    """
    if metric == "output_tps":
        stages = (side.run.summary or {}).get("stages") or [{"name": "run", **(side.run.summary or {})}]
        return {str(s.get("name")): {0: s[metric]} for s in stages if isinstance(s.get(metric), (int, float))}
    found: dict[str, dict[Hashable, float]] = {}
    for attempt in side.attempts:
        value = getattr(attempt.measures, metric)
        if metric == "prefill_tps" and attempt.measures.prefill_kind == "warm":
            continue  # what a cache skipped was not prefilled
        if isinstance(value, (int, float)):
            found.setdefault(attempt.stage, {})[attempt.item_id, attempt.repetition] = value
    return dict(found)


def _row(metric: str, stage: str | None, ratio: Ratio | None, p: float | None, margin: float) -> Row:
    if ratio is None:
        return Row(metric=metric, stage=stage, verdict="none", words="no stage in which both measured it")
    found = verdict(ratio, p, margin)
    more = more_needed(ratio, margin) if found == "unclear" else None
    words = in_words(metric, ratio, found, more, margin)
    return Row(metric=metric, stage=stage, verdict=found, words=words, ratio=ratio, p_adjusted=p, more=more)


def in_words(metric: str, ratio: Ratio, found: Verdict, more: int | None, margin: float) -> str:
    """`B is 6 to 9 % faster`, `no difference above 2 %`, or `cannot tell, about 40 more`."""
    if found == "none":
        return "one value each: no interval, so no verdict"
    assert ratio.low is not None
    assert ratio.high is not None
    if found == "same":
        return f"no difference above {100 * margin:g} %"
    if found == "unclear":
        return _unclear(ratio.paired, more)
    rate = METRICS.get(metric, ("", not metric.endswith("_ms")))[1]
    if ratio.low >= 2 or ratio.high <= 0.5:
        low, high = (ratio.low, ratio.high) if ratio.low >= 2 else (1 / ratio.high, 1 / ratio.low)
        winner = "B" if found == "higher" else "A"
        verb, measure = ("is", "fast") if rate else ("takes", "long")
        return f"{winner} {verb} {_between(low, high)} times as {measure}"
    low, high = sorted((abs(ratio.low - 1) * 100, abs(ratio.high - 1) * 100))
    more_words, less_words = ("faster", "slower") if rate else ("more time", "less time")
    words = more_words if found == "higher" else less_words
    return f"B {'is' if rate else 'takes'} {_between(low, high)} % {words}"


def _unclear(paired: bool, more: int | None) -> str:
    if more is None or more > _OUT_OF_REACH:
        return "cannot tell: the two are too close, or too noisy, for any reasonable number of requests"
    rounded = more if more < 20 else round(more, -1 if more < 1000 else -2)
    unit = "pair" if paired else "request"
    return (
        f"cannot tell, about {rounded:,} more {unit}{'' if rounded == 1 else 's'}{'' if paired else ' each'}"
    )


def _between(low: float, high: float) -> str:
    """`6 to 9`, with decimal places only where whole numbers would hide the difference; else `2.48`."""
    for places in (0, 1, 2) if high >= 5 else (1, 2):
        ends = f"{low:.{places}f}", f"{high:.{places}f}"
        if ends[0] != ends[1]:
            return " to ".join(ends)
    return ends[0]


def _warnings(a: Side, b: Side) -> list[str]:
    out = []
    for name, side in (("A", a), ("B", b)):
        bound = sum(attempt.client_bound for attempt in side.attempts)
        client = (side.run.summary or {}).get("client") or {}
        if bound or client.get("bottleneck"):
            out.append(
                f"in {name} the client was the bottleneck: its figures are a lower bound of the server's"
            )
        if side.run.state != "finished":
            out.append(f"{name} is {side.run.state}: what it lacks may not be like what it has")
    changed = {d.name for d in differences(a.run, b.run)}
    if hardware := sorted(name for name in changed if name.startswith(_HARDWARE)):
        out.append(f"the machines differ: {', '.join(n.removeprefix('machine.') for n in hardware[:4])}")
    if "tiltyard" in changed or "suite_version" in changed:
        out.append("measured by different versions of Tiltyard or of the suite")
    return out
