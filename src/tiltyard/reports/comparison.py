"""Runs side by side: what they scored, the ratio of every metric, verdicts in words, and what differs.

Runs are compared, never pooled: stage by stage, item by item where a stage asks several, and different suites
are refused. The statistics are in `stats/contrast.py`, scores in `scores.py`; printing is the command's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tiltyard.errors import UsageError
from tiltyard.records import Measures, Record, Run
from tiltyard.reports import traits
from tiltyard.reports.in_rounds import InRounds, in_rounds
from tiltyard.reports.scores import (
    ScoreRow,
    about,
    corrected,
    difference,
    ended_early,
    matching,
    other_modes,
    score_row,
    scores_in,
)
from tiltyard.reports.traits import differences
from tiltyard.reports.ways import (
    Side,
    by_item,
    counterpart,
    depths_in_words,
    guessed,
    left_out,
    main_way,
    other_contexts,
    repeats_one,
    samples,
    stages_in_words,
    unlike,
    waited,
)
from tiltyard.reports.words import between, broken_calls, factor_in_words, not_well
from tiltyard.stats.contrast import Ratio, Verdict, holm, log_ratio, mean_ratio, more_needed, verdict
from tiltyard.stats.paired import Difference
from tiltyard.stats.pairing import Scores
from tiltyard.stats.queues import FEW, why_no_interval

METRICS: Mapping[str, str] = {
    "decode_tps": "decode speed",
    "prefill_tps": "prefill speed",
    "ttft_ms": "time to first token",
    "e2e_ms": "whole request",
    "output_tps": "total output rate",
}
SCORE = "score"
_OUT_OF_REACH = 20_000  # "about n more" beyond this says only that it is out of reach


_LOADS = (
    "concurrency",
    "rate",
    "poisson",
    "burst",
    "ramp_to",
    "cached",
)  # settings of what was asked at once
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
    stages: int = 1  # that the ratio is over
    each: int = 1  # answers behind one of its values: more than one where streams were answered together
    not_comparable: str | None = None  # why no claim is made: measured in different ways, or of other work


class Comparison(Record, frozen=True):
    a: str  # run ids
    b: str
    margin: float
    scores: tuple[ScoreRow, ...]  # of graded runs, the whole first
    rows: tuple[Row, ...]  # of speed
    differences: tuple[traits.Difference, ...]
    warnings: tuple[str, ...]


class _Contrast(Record, frozen=True):
    """One metric, over all shared stages or in one, before the verdict."""

    metric: str
    stage: str | None
    ratio: Ratio | None
    stages: int = 1
    guess: tuple[float, float] = (0.0, 0.0)  # the largest relative error of a guess in A and in B
    each: int = 1  # answers behind one value
    unlike: str | None = None


class _Measured(Record, frozen=True):
    """What two runs show before p values are corrected for how many there are."""

    scores: Sequence[tuple[str | None, Difference | None]]  # stage
    ratios: Sequence[_Contrast]
    modes: Sequence[str] = ()  # what to say of those that only one side has

    def p_values(self) -> list[float | None]:
        scores = [None if found is None else found.p_value for _, found in self.scores]
        return scores + [None if each.ratio is None else each.ratio.p_value for each in self.ratios]


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
    measured = [_measured(a, counterpart(a, b), metrics, by_stage) for b in others]
    adjusted = iter(holm([p for each in measured for p in each.p_values()]))
    found = []
    for b, each in zip(others, measured, strict=True):
        early = ended_early(a.run) or ended_early(b.run)
        whole = each.scores[0][1] if each.scores else None
        scores = tuple(score_row(d, stage, next(adjusted), margin) for stage, d in each.scores)
        rows = tuple(_row(row, next(adjusted), margin) for row in each.ratios)
        found.append(
            Comparison(
                a=a.run.id,
                b=b.run.id,
                margin=margin,
                scores=scores,
                rows=rows,
                differences=tuple(differences(a.run, b.run)),
                warnings=(*_why_not(rows), *matching(whole, early), *each.modes, *_warnings(a, b)),
            )
        )
    return found


def _measured(a: Side, b: Side, metrics: Sequence[str], by_stage: bool) -> _Measured:
    scores: list[tuple[str | None, Difference | None]] = []
    modes: list[str] = []
    if not metrics or SCORE in metrics:
        of_a, of_b = (scores_in(side.run, side.attempts) for side in (a, b))
        scores = _scores(a, b, of_a, of_b, by_stage)
        whole = scores[0][1] if scores else None
        modes = other_modes(of_a, of_b) if whole is not None and whole.pairs else []
    rows: list[_Contrast] = []
    for metric in [name for name in metrics if name != SCORE] if metrics else METRICS:
        rows += _contrasts(a, b, metric, by_stage)
    if not metrics:  # what neither run measured is no finding; what was asked for by name is answered
        rows = [row for row in rows if row.ratio is not None] or ([] if scores else rows[:1])
    return _Measured(scores=scores, ratios=rows, modes=modes)


def _contrasts(a: Side, b: Side, metric: str, by_stage: bool) -> list[_Contrast]:
    """The metric over all shared stages, then in each. Without an interval where the two are not alike."""
    of_a, of_b = (samples(side, metric, main_way(side, metric)) for side in (a, b))
    if metric != "output_tps":  # one value a stage
        of_a, of_b = by_item(a, b, of_a, of_b)
    others = {*left_out(a, b), *other_contexts(a, b, metric)}
    shared = [stage for stage in of_a if stage in of_b and stage not in others]
    compared = mean_ratio if metric == "output_tps" or repeats_one(a, b) else log_ratio
    values = {s: of_a[s] for s in shared}, {s: of_b[s] for s in shared}
    rounds = InRounds(*values)
    if metric != "output_tps" and why_no_interval(metric, FEW):
        rounds = in_rounds(a, b, values, compared is log_ratio)
    shared = list(rounds.of_a)
    why, guess = unlike(a, b, metric), (guessed(a, metric), guessed(b, metric))
    rows = []
    for stage in (None, *(shared if by_stage and len(shared) > 1 else ())):
        stages = shared if stage is None else [stage]
        ratio = compared({s: rounds.of_a[s] for s in stages}, {s: rounds.of_b[s] for s in stages})
        no_claim = why or why_no_interval(metric, waited(a, stages) or waited(b, stages) or rounds.why)
        if ratio is not None and no_claim is not None:
            ratio = replace(ratio, low=None, high=None, p_value=None)
        rows.append(
            _Contrast(
                metric=metric,
                stage=stage,
                ratio=ratio,
                stages=len(stages),
                guess=guess,
                each=rounds.each,
                unlike=no_claim if ratio else None,
            )
        )
    return rows


def _scores(
    a: Side, b: Side, of_a: Scores, of_b: Scores, by_stage: bool
) -> list[tuple[str | None, Difference | None]]:
    if not of_a and not of_b:
        return []
    early = ended_early(a.run) or ended_early(b.run)
    one_set = a.run.settings.get("items") == b.run.settings.get("items")
    found: list[tuple[str | None, Difference | None]] = [(None, difference(of_a, of_b, early, one_set))]
    stages = list(dict.fromkeys(attempt.stage for attempt in a.attempts))
    if by_stage and len(stages) > 1:
        for stage in stages:
            part_a, part_b = (scores_in(side.run, side.attempts, stage) for side in (a, b))
            found.append((stage, difference(part_a, part_b, early, one_set)))
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


def _row(of: _Contrast, p: float | None, margin: float) -> Row:
    row = Row(
        metric=of.metric,
        stage=of.stage,
        stages=of.stages,
        each=of.each,
        verdict="none",
        words="no stage in which both measured it",
    )
    if of.ratio is None:
        return row
    if of.unlike is not None:
        return replace(row, words="not comparable", ratio=of.ratio, not_comparable=of.unlike)
    ratio = _widened(of.ratio, of.guess)
    found, more = verdict(ratio, p, margin), None
    words = in_words(of.metric, ratio, found, None, margin)
    if found == "unclear":
        if verdict(of.ratio, p, margin) != found:
            words = (
                f"cannot tell: a guess in the figures may make them wrong {factor_in_words(max(of.guess))}"
            )
        else:
            # its pairs are stages, of which more requests make no more
            units = None if of.metric == "output_tps" else more_needed(of.ratio, margin)
            more = None if units is None else units * of.each
            among_others = corrected(p, of.ratio.p_value)
            words = in_words(of.metric, of.ratio, found, more, margin, among_others)
    return replace(row, verdict=found, words=words, ratio=ratio, p_adjusted=p, more=more)


def _widened(ratio: Ratio, guess: tuple[float, float]) -> Ratio:
    """With the errors that guesses can make added to its interval."""
    if ratio.low is None or ratio.high is None or not any(guess):
        return ratio
    of_a, of_b = guess
    factor = (1 + of_a) * (1 + of_b)
    return replace(ratio, low=ratio.low / factor, high=ratio.high * factor)


def in_words(
    metric: str, ratio: Ratio, found: Verdict, more: int | None, margin: float, among_others: bool = False
) -> str:
    """`B is 6 to 9 % faster`, `no difference above 2 %`, or `cannot tell, about 40 more`; as `in_points`."""
    if found == "none":
        return "too few values for an interval: no verdict"
    assert ratio.low is not None
    assert ratio.high is not None
    if found == "same":
        return f"no difference above {100 * margin:g} %"
    if found == "unclear":
        return _unclear(ratio.paired, more, among_others)
    verb, measure, more_words, less_words = _words_of(metric)
    if ratio.low >= 2 or ratio.high <= 0.5:
        low, high = (ratio.low, ratio.high) if ratio.low >= 2 else (1 / ratio.high, 1 / ratio.low)
        return f"{'B' if found == 'higher' else 'A'}{verb} {between(low, high)} times as {measure}"
    low, high = sorted((abs(ratio.low - 1) * 100, abs(ratio.high - 1) * 100))
    return f"B{verb} {between(low, high)} % {more_words if found == 'higher' else less_words}"


def _words_of(metric: str) -> tuple[str, str, str, str]:
    """How a rate, a time and anything else are compared: the verb, `times as ...`, more, less."""
    if metric.endswith("_tps"):
        return " is", "fast", "faster", "slower"
    if metric.endswith("_ms"):
        return " takes", "long", "more time", "less time"
    return "'s is", "large", "larger", "smaller"


def _unclear(paired: bool, more: int | None, among_others: bool) -> str:
    if more is None or more > _OUT_OF_REACH:
        return "cannot tell: the two are too close, or too noisy, for any reasonable number of requests"
    rounded = more if more < 20 else round(more, -1 if more < 1000 else -2)
    unit = "pair" if paired else "request"
    return (
        f"cannot tell, {about(among_others)} {rounded:,} more {unit}{'' if rounded == 1 else 's'}"
        f"{'' if paired else ' each'}"
    )


def _why_not(rows: Sequence[Row]) -> list[str]:
    """A line for each reason why something may not be compared."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.not_comparable is not None:
            name = METRICS.get(row.metric, row.metric)
            reasons.setdefault(row.not_comparable, {})[name] = None
    return [f"{', '.join(names)}: not comparable, since {why}" for why, names in reasons.items()]


def _warnings(a: Side, b: Side) -> list[str]:
    out = [
        f"the stage `{stage}` is left out: A asked {of_a} there and B {of_b}"
        for stage, (of_a, of_b) in left_out(a, b).items()
    ]
    out += stages_in_words(a, b) + depths_in_words(a, b)
    out += _failed(a.run, b.run)
    for name, side in (("A", a), ("B", b)):
        bound = sum(attempt.client_bound for attempt in side.attempts)
        client = (side.run.summary or {}).get("client") or {}
        if bound or client.get("bottleneck"):
            where = f" in {bound} of {len(side.attempts)} requests" if bound else ""
            out.append(f"in {name} the client was the bottleneck{where}: the server may be faster than shown")
        if side.run.state != "finished":
            out.append(f"{name} is {side.run.state}: what it lacks may not be like what it has")
    clocks = {((side.run.summary or {}).get("client") or {}).get("clock") for side in (a, b)}
    if len(clocks - {None}) > 1:
        out.append(
            "arrivals were stamped by different clocks, the kernel's and the client's: waits differ by it"
        )
    changed = {d.name for d in differences(a.run, b.run)}
    if hardware := sorted(name for name in changed if name.startswith(_HARDWARE)):
        out.append(f"the machines differ: {', '.join(n.removeprefix('machine.') for n in hardware[:4])}")
    if loads := [name for name in _LOADS if f"settings.{name}" in changed]:
        out.append(f"the loads differ: {', '.join(loads)}")
    if ways := traits.other_ways(a.run.settings, b.run.settings):
        out.append(f"asked in different ways, which may make the difference: {ways}")
    if "suite_version" in changed:
        out.append("by different versions of the suite, which measure or grade by rules of their own")
    elif "tiltyard" in changed:
        out.append("measured by different versions of Tiltyard")
    return out


def _failed(a: Run, b: Run) -> list[str]:
    """What to say where requests failed, which leave no figures."""
    said, any_failed = [], False
    for name, summary in (("A", a.summary or {}), ("B", b.summary or {})):
        requests = summary.get("requests") or {}
        unsupported = int((summary.get("outcomes") or {}).get("unsupported") or 0)  # has a row of its own
        failed = not_well(requests) - broken_calls(summary) - unsupported
        any_failed = any_failed or failed > 0
        said.append(
            f"{failed:,} of {int(requests.get('total') or 0):,}{' requests' * (name == 'A')} of {name}"
        )
    return [f"{' and '.join(said)} failed: the figures are of those that ended well"] if any_failed else []
