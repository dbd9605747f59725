"""`tiltyard compare`: is B really better, or faster, than A?

Chooses the runs and prints the verdicts; what they mean is in `reports/comparison.py`.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.data_dir import DATA_DIR, open_store

if TYPE_CHECKING:
    from rich.table import Table

    from tiltyard.errors import UsageError
    from tiltyard.records import Run
    from tiltyard.reports.comparison import Comparison
    from tiltyard.stats.contrast import Ratio
    from tiltyard.store.store import Store

Work = frozenset[tuple[str, ...]]  # stages with their loads

_LOOK_BACK = 500  # runs that `--by` searches, newest first
_ALIKE = (  # and in `part_of` their settings
    "suite",
    "model",
    *(f"settings.{n}" for n in ("profile", "items", "prompt_tokens", "output_tokens", "prompt", "cached")),
    *(f"settings.{n}" for n in ("think", "temperature", "top_p", "seed", "max_tokens")),
)
_TELL_QUANT = frozenset({"quant", "quantization", "bits_per_weight"})
_IN_WORDS = {"quant": "quantization"}
_OWN = {  # what a setting of the load changes in a stage's, if not the entry of its own name
    "poisson": ("kind",),
    "burst": ("kind", "burst"),
    "ramp_to": ("kind", "rate_to", "seconds"),
}
_SPARE = ("values", "items, B won and lost", "95 % interval")  # columns left out where it is narrow
_MARKS = {"higher": "▲", "lower": "▼", "same": "=", "unclear": "?", "none": "–"}

EPILOG = """\b
Examples:
  tiltyard compare                            the newest run with the one before it
  tiltyard compare 3f2a 9c41                  two runs by the beginning of their ids
  tiltyard compare 3f2a 9c41 77d0             the others with the first one
  tiltyard compare --by quant --model qwen3   the newest two runs that differ in quantization
  tiltyard compare --by engine_version --metric decode_tps --json"""


@click.command(epilog=EPILOG)
@click.argument("runs", nargs=-1, metavar="[A] [B] [C ...]")
@click.option(
    "--by", metavar="KEY", help="Take the newest two runs that differ in KEY: quant, engine_version ..."
)
@click.option("--model", metavar="NAME", help="Only runs of models with NAME in their name.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric; repeatable.")
@click.option(
    "--margin",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.01, 50),
    help="What counts as no difference: % of a speed, points of a score.",
)
@click.option("--stages", is_flag=True, help="One row per stage as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA_DIR
def compare(
    *,
    runs: tuple[str, ...],
    by: str | None,
    model: str | None,
    metrics: tuple[str, ...],
    margin: float,
    stages: bool,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Is B really better, or faster, than A?

    A, B, ... are beginnings of run ids, `latest` or `previous`; further runs are compared with the first.
    Paired where items match; ties are called ties.
    """
    from tiltyard.errors import UsageError
    from tiltyard.reports.comparison import compare_many
    from tiltyard.reports.ways import Side, left_out

    with open_store(data_dir, to_read=True) as store:
        chosen = list(choose(store, (*runs[:2], None, None)[:2], by, model))
        chosen += [store.run(name) for name in runs[2:]]
        sides = [Side(run=run, attempts=store.attempts(run.id)) for run in chosen]
    found = compare_many(sides, metrics, margin / 100, stages)
    if not metrics and not any(shared(each) for each in found):
        why = "have no stage in common with figures of both"
        if left_out(sides[0], sides[1]):
            why = "asked for other prompts or answers in every stage that both have"
        raise UsageError(
            f"{' and '.join(run.id for run in chosen)} {why}",
            "compare runs of the same profile and load; `tiltyard runs` lists them",
        )
    if as_json:
        import msgspec

        answer = found[0] if len(found) == 1 else {"comparisons": found}
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        for each, run in zip(found, chosen[1:], strict=True):
            show(each, chosen[0], run)


def shared(found: Comparison) -> bool:
    """Is there anything that both measured?"""
    return bool(found.scores) or any(row.ratio is not None for row in found.rows)


def choose(store: Store, words: tuple[str | None, ...], by: str | None, model: str | None) -> tuple[Run, Run]:
    """The two runs that the words mean, A the older one where the words leave it open."""
    from tiltyard.errors import UsageError
    from tiltyard.store.run_list import RunFilter

    a, b = words
    if by is not None:
        if a is not None:
            raise UsageError("--by chooses both runs by itself", "leave out A and B, or leave out --by")
        return differing(store.runs(RunFilter(model=model, limit=_LOOK_BACK)), by)
    names = (a or "previous", b or "latest")
    found = [store.run(name) if name not in ("latest", "previous") else None for name in names]
    if None in found:
        newest = store.runs(RunFilter(model=model, limit=1))
        if not newest:
            raise UsageError("no runs to compare", "measure something: tiltyard run speed")
        latest = newest[0]
        other = next((run for run in found if run is not None), latest)
        same = store.runs(RunFilter(suite=other.suite, model=model, limit=3))
        before = next((run for run in same if run.id not in (latest.id, other.id)), None)
        if "previous" in names and before is None:
            of_model = f" of a model with {model!r} in its name" if model else ""
            raise UsageError(
                f"there is no other `{other.suite}` run{of_model} to compare {other.id} with",
                f"repeat its command with --fresh, or name two runs: tiltyard runs --suite {other.suite}",
            )
        found = [
            run or (latest if name == "latest" else before) for run, name in zip(found, names, strict=True)
        ]
    run_a, run_b = found
    assert run_a is not None
    assert run_b is not None
    if b is None and run_a.id == run_b.id:
        raise UsageError(
            f"{run_a.id} is the newest run, and one run by itself is compared with the newest",
            "the one before it: tiltyard compare latest previous",
        )
    return run_a, run_b


def differing(newest: list[Run], key: str) -> tuple[Run, Run]:
    """The newest two finished runs that differ in `key`, alike in suite, model, what was asked, and load."""
    from tiltyard.errors import UsageError
    from tiltyard.stats.pairing import LOADS

    if (bare := key.removeprefix("settings.")) in LOADS:
        key = bare
    seen: dict[tuple[str | None, ...], list[tuple[str, Work, Run]]] = {}
    for run in newest:
        value = value_of(run, key)
        if run.state != "finished" or value is None:
            continue
        work, kind = work_of(run, key), kind_of(run, key)
        later = seen.setdefault(kind, [])
        for other_value, other_work, other in later:
            if other_value != value and (work == other_work or work & other_work):
                return run, other
        later.append((value, work, run))
    known = sorted({value for value in (value_of(run, key) for run in newest) if value is not None})
    if newest and not known:
        raise nothing_known(newest, key)
    raise UsageError(
        f"no two runs of the same suite, model and load differ in {key!r}"
        + (f" (it is {', '.join(known[:5])})" if known else ""),
        "measure the other one by the same command, or name both: tiltyard compare A B",
    )


def nothing_known(newest: list[Run], key: str) -> UsageError:
    """The error where no run has a value of `key`: nobody told it, or there is no such thing."""
    from tiltyard.errors import UsageError
    from tiltyard.reports.traits import all_traits, traits, whole_names

    there = {name for run in newest for name in all_traits(run)}
    if whole := next((name for name in whole_names(key) if name in there), None):
        setting, fact = whole.removeprefix("settings."), whole.removeprefix("machine.").replace("_", " ")
        said = f"sets its {setting}" if setting != whole else f"tells its {_IN_WORDS.get(fact, fact)}"
        return UsageError(f"no run {said}", "name both: tiltyard compare A B")
    names = sorted({name.rpartition(".")[2] for run in newest for name in traits(run)})
    near = difflib.get_close_matches(key, names, n=3, cutoff=0.4)
    return UsageError(
        f"no run has anything called {key!r}",
        f"did you mean {' or '.join(near)}?" if near else "quant, dialect, engine_version ...",
    )


def value_of(run: Run, key: str) -> str | None:
    """Its value of `key`; of a setting that nobody touched, what that means."""
    from tiltyard.reports.traits import trait
    from tiltyard.stats.pairing import LOADS, WAYS

    value = trait(run, key)
    if value is not None:
        return value
    if key in LOADS and "profile" in run.settings:
        stages = (run.summary or {}).get("stages") or ()
        streams = {(stage.get("load") or {}).get("concurrency") for stage in stages}
        return f"{streams.pop()}" if key == "concurrency" and len(streams) == 1 else "not set"
    return "usual" if key in WAYS else None


def kind_of(run: Run, key: str) -> tuple[str | None, ...]:
    """In what it is to be alike with another run, `key` aside; its quantization is told in its name, too."""
    from tiltyard.reports.traits import traits
    from tiltyard.servers.names import without_quantization
    from tiltyard.stats.pairing import part_of

    aside = (key, "prompt") if key == "cot" else (key,)  # which has a template of its own
    own, part = traits(run), part_of(run.settings)
    if key in _TELL_QUANT:
        own["model"] = without_quantization(run.model.name)
    return (
        *(own.get(name) for name in _ALIKE if name.rpartition(".")[2] not in aside),
        *(f"{name}={value}" for name, value in sorted(part.items()) if name not in aside),
    )


def work_of(run: Run, key: str) -> Work:
    """Its stages with their loads, `key` aside; none where a graded run has only its items.

    A setting of the load is in a stage's name too: a run's only stage goes without it then.
    """
    from tiltyard.stats.pairing import LOADS

    stages = (run.summary or {}).get("stages") or ()
    found = []
    for stage in stages:
        load = sorted((stage.get("load") or {}).items())
        words = [f"{name}={value}" for name, value in load if name not in _OWN.get(key, (key,))]
        found.append((str(stage.get("name")), *words))
        if key in LOADS and len(stages) == 1:
            found.append(("", *words))
    return frozenset(found)


def show(found: Comparison, a: Run, b: Run) -> None:
    """Print it: who A and B are, the verdicts, what differs, what to be careful about."""
    from rich.console import Console
    from rich.markup import escape

    from tiltyard.reports.narrow import narrowed
    from tiltyard.reports.words import clean

    console = Console(highlight=False, emoji=False)  # a model may be called `a:star:`
    for letter, run in (("A", a), ("B", b)):
        words = f"{run.model.name}  {run.model.quantization or ''}  {run.started_at[:16].replace('T', ' ')}"
        console.print(f"[bold]{letter}[/]  {run.id}  {escape(clean(words, 200))}")
    for table in ([scores_table(found)] if found.scores else []) + (
        [speed_table(found)] if found.rows else []
    ):
        console.print()
        console.print(narrowed(table, spare=_SPARE))
    over = [row.stages for row in found.rows if row.ratio is not None]
    if max(over, default=0) > 1 and all(row.stage is None for row in found.rows):
        console.print(f"over {' to '.join(map(str, sorted({min(over), max(over)})))} stages; each: --stages")
    console.print()
    if not found.differences:
        console.print(
            "Nothing differs between the two as far as is known: same model, engine, settings and machine."
        )
    for d in found.differences:
        console.print(
            f"  {escape(d.name)}: {escape(clean(d.a, 64))} → {escape(clean(d.b, 64))}", highlight=False
        )
    for warning in found.warnings:
        console.print(f"[yellow]careful:[/] {escape(warning)}")
    ties = f"{100 * found.margin:g} {'points or ' if found.scores else ''}%"
    console.print(
        "Intervals hold for the requests of these two runs; what changes from run to run is not in them. "
        f"Several claims are Holm-corrected. Ties are within {ties}.",
        style="dim",
    )


def scores_table(found: Comparison) -> Table:
    """What was right: the difference in points, who won how many items, the verdict."""
    from rich.markup import escape

    from tiltyard.reports.words import NOTHING, clean

    table = plain_table("", "score", "B - A", "95 % interval", "items, B won and lost", "B against A")
    for row in found.scores:
        d = row.found
        table.add_row(
            _MARKS[row.verdict],
            escape(f"  {clean(row.stage, 60)}" if row.stage else "points of 100"),
            NOTHING if d is None else f"{100 * d.difference:+.1f}",
            NOTHING if d is None or d.low is None or d.high is None else span(d.low, d.high),
            NOTHING
            if d is None
            else f"{d.pairs:,}: +{d.better} -{d.worse}"
            if d.pairs
            else f"{d.n_a:,} + {d.n_b:,}, apart",
            f"[bold]{row.words}[/]" if row.verdict in ("higher", "lower") else row.words,
        )
    return table


def span(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def speed_table(found: Comparison) -> Table:
    """The ratio of every metric of speed with its verdict."""
    from rich.markup import escape

    from tiltyard.reports.comparison import METRICS
    from tiltyard.reports.words import NOTHING, clean

    table = plain_table("", "metric", "B / A", "95 % interval", "values", "B against A")
    for row in found.rows:
        name = METRICS.get(row.metric, row.metric)
        ratio = row.ratio
        table.add_row(
            _MARKS[row.verdict],
            escape(f"  {clean(row.stage, 60)}" if row.stage else name),
            NOTHING if ratio is None else f"{ratio.ratio:.3f}",
            NOTHING if ratio is None or ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}",
            NOTHING if ratio is None else values(ratio, row.each),
            f"[bold]{row.words}[/]" if row.verdict in ("higher", "lower") else row.words,
        )
    return table


def values(ratio: Ratio, each: int) -> str:
    """What the ratio is of: pairs of different items, or all values of both. `each`: answers in a round."""
    rounds = " of rounds" if each > 1 else ""
    if ratio.paired:
        return f"{ratio.pairs:,} pair{'' if ratio.pairs == 1 else 's'}{rounds}"
    return f"{ratio.n_a:,} + {ratio.n_b:,}{' rounds' * (each > 1)}, unpaired"


def plain_table(*columns: str) -> Table:
    from rich.table import Table

    table = Table()
    for name in columns:
        table.add_column(name)
    return table
