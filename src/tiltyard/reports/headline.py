"""The report's title: which model decodes fastest, and how models of one name are told apart.

A model is never compared with itself, however many of its runs are there. Pure, as `views.py` is. Leaves out
what graded runs are best at (`quality.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from msgspec.structs import replace

from tiltyard.records import Run
from tiltyard.reports.apart import digest_of, served_at, told_apart
from tiltyard.reports.comparison import Row, compare_runs
from tiltyard.reports.traits import fig
from tiltyard.reports.views import decode_mean, ranks, requests_of
from tiltyard.reports.ways import Side, stages_in_words, unlike
from tiltyard.reports.words import between, clean, span, with_interval
from tiltyard.stats.contrast import Ratio
from tiltyard.stats.machines import served_on
from tiltyard.stats.pairing import item_set

_NAME = 80  # characters of a name, so that what follows it is not cut off
_OVER_ALL = "over all stages that both have"


def named_apart(runs: Sequence[Run]) -> list[Run]:
    """The same, named by their machines where there are several; models of one name and quantization by where
    they are served too, else by their digest; runs of one model that asked the same by their ids.
    """
    machines = [machine_of(run) for run in runs]
    several = len(set(machines)) > 1
    said = [(machine or "machine not known") if several else "" for machine in machines]
    models = [
        (
            (run.model.name, run.model.quantization, machine),
            served_at(run.server.dialect, run.server.url),
            digest_of(run.model.digest),
        )
        for run, machine in zip(runs, said, strict=True)
    ]
    tables = [
        ((*model, run.suite, item_set(run.settings)), run.id) for model, run in zip(models, runs, strict=True)
    ]
    found = []
    for run, machine, of_model, of_run in zip(
        runs, said, told_apart(models), told_apart(tables), strict=True
    ):
        words = ", ".join((*filter(None, (machine,)), *of_model, *(f"run {name}" for name in of_run)))
        name = f"{clean(run.model.name, _NAME)} ({words})"
        found.append(replace(run, model=replace(run.model, name=name)) if words else run)
    return found


def headline(
    runs: Sequence[Run], models: Mapping[str, Hashable], side_of: Callable[[Run], Side]
) -> tuple[str, str]:
    """The report's title and what stands below it: what was found, or that it cannot be told.

    `models`: what model each run is of, by its id, since runs of one model may have names of their own here.
    """
    ordered = [r for r in sorted(runs, key=decode_mean, reverse=True) if decode_mean(r) > 0]
    if not ordered:
        return "No decode speed was measured", "The runs below say how their requests ended, and why."
    first, tied = ordered[0], _tied(ordered, models)
    second = tied[0] if tied else _next(ordered, models)
    if second is None:
        said, title = [first], f"{first.model.name} decodes {_speed(first)}"
        lede = f"95 % interval {span(fig(first, 'decode_tps'))}."
    else:
        said = [first, second]
        title, lede = _found(side_of(first), side_of(second), len({models[run.id] for run in tied}))
    return title, " ".join([lede, *(_failures(run) for run in said if requests_of(run)[0])])


def _next(ordered: Sequence[Run], models: Mapping[str, Hashable]) -> Run | None:
    """The fastest run of another model; of that model's runs the one under the load of the first, where no
    other model stands between the two.
    """
    first = ordered[0]
    others = [run for run in ordered if models[run.id] != models[first.id]]
    alike = [run for run in others if _asked(run) == _asked(first)]
    if alike and models[alike[0].id] == models[others[0].id]:
        return alike[0]
    return others[0] if others else None


def _tied(ordered: Sequence[Run], models: Mapping[str, Hashable]) -> list[Run]:
    """The runs of other models that share the first place in the table of the first."""
    first = ordered[0]
    table = [run for run in ordered if _asked(run) == _asked(first)]
    placed = zip(table, ranks(table), strict=True)
    return [run for run, rank in placed if rank == "1=" and models[run.id] != models[first.id]]


def _asked(run: Run) -> tuple[str | None, ...]:
    """What runs on one board of the page have in common."""
    return run.suite, run.suite_version, item_set(run.settings)


def _failures(run: Run) -> str:
    failed, total = requests_of(run)
    return f"{failed:,} of the {total:,} requests of {run.model.name} failed."


def _speed(run: Run) -> str:
    words = f"{with_interval(fig(run, 'decode_tps'))} tokens per second"
    return f"{words} in the requests that ended well" if requests_of(run)[0] else words


def _found(a: Side, b: Side, tied: int) -> tuple[str, str]:
    """What the fastest has, and whether the other is really slower. `tied`: how many share its place, the
    other among them.
    """
    first, second, speed = a.run, b.run, _speed(a.run)
    one, other = _told_apart(first, second)
    title = f"{one} decodes {speed}"
    behind = f"{other} has {with_interval(fig(second, 'decode_tps'))}"
    if machine_of(first) != machine_of(second):
        return title, f"{behind}, on another machine."
    row = _compared(a, b)
    if row is None or row.ratio is None:  # other stages, other loads: only their intervals lie side by side
        return title, f"{behind}, under another load."
    if row.not_comparable is not None:
        why = unlike(b, a, "decode_tps", (other, one)) or row.not_comparable
        return title, f"{behind}, but the two cannot be compared: {why}."
    if tied or (row.verdict == "same" and ranks([first, second])[1] == "1="):
        return _level((one, other), max(tied - 1, 0), row, speed)
    over_all = f", {_OVER_ALL}" if row.stages > 1 else ""
    if row.verdict == "higher":
        return f"{one} is the fastest, at {speed}", f"It is {_lead(row.ratio)} {other}, the next{over_all}."
    if row.verdict == "same":
        return f"{one} leads, at {speed}", f"{other}, the next, is less than 2 % slower{over_all}."
    if row.verdict == "lower":
        faster = f"{_OVER_ALL.capitalize()} {other} is the faster of the two"
        return title, f"{faster}; in the stage that is shown {one} is."
    return title, f"{behind}; compared over all that both were asked, the two cannot be told apart."


def _level(names: tuple[str, str], others: int, row: Row, speed: str) -> tuple[str, str]:
    """What to say of models whose intervals overlap. `others`: share the first place with these two."""
    one, other = names
    leading, two = f"{one} and {other}", "two"
    if others:
        leading, two = f"{one}, {other} and {others} other{'s' if others > 1 else ''}", "first two"
    if row.verdict == "higher" and row.ratio is not None:
        over_all = f", {_OVER_ALL}," if row.stages > 1 else ""
        direct = f"compared directly{over_all} {one} is {_lead(row.ratio)} {other}"
        return f"{leading} lead", f"Their intervals overlap, but {direct}; {one} decodes {speed}."
    if row.verdict == "lower":
        faster = f"{_OVER_ALL.capitalize()} {other} is the faster of the {two}"
        return f"{leading} lead", f"{faster}; in the stage that is shown {one} is, at {speed}."
    if row.verdict == "same":
        theirs = "The decode speeds of the first two" if others else "Their decode speeds"
        near = f" {_OVER_ALL}; {one} decodes" if row.stages > 1 else ", near"
        return f"{leading} lead", f"{theirs} differ by less than 2 %{near} {speed}."
    which = "which of them is the fastest" if others else "which of the two is faster"
    return f"{leading} cannot be told apart", f"These runs cannot tell {which}; {one} decodes {speed}."


def _lead(ratio: Ratio) -> str:
    """`4 to 6 % faster than`, or `2.1 to 2.3 times as fast as`."""
    low, high = ratio.low or 0.0, ratio.high or 0.0
    if low >= 2:
        return f"{between(low, high)} times as fast as"
    return f"{between(100 * (low - 1), 100 * (high - 1))} % faster than"


def machine_of(run: Run) -> str:
    return served_on(run.machine, run.server.local, run.server.url)


def _told_apart(a: Run, b: Run) -> tuple[str, str]:
    """Their models' names, with the quantizations where the names are the same."""
    names = a.model.name, b.model.name
    of_a, of_b = (run.model.quantization or "unknown quantization" for run in (a, b))
    if names[0] != names[1] or of_a == of_b:
        return names
    return f"{names[0]} ({of_a})", f"{names[1]} ({of_b})"


def _compared(a: Side, b: Side) -> Row | None:
    """The decode speed of the first against that of the second, as `tiltyard compare` sees it."""
    if a.run.suite != b.run.suite:
        return None
    if stages_in_words(b, a):  # who asked for the two may compare them; nobody did here
        return None
    return compare_runs(b, a, ("decode_tps",)).rows[0]
