"""`tiltyard results`: what is stored, in one file, cleared up, or to be asked again.

The store is also the cache: a run that has finished under the same settings is shown, not asked again.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.data_dir import DATA_DIR, open_store
from tiltyard.errors import UsageError
from tiltyard.records import Json

if TYPE_CHECKING:
    from tiltyard.records import Run
    from tiltyard.store.store import Store

YES = click.option("--yes", is_flag=True, help="Do it without asking.")
SUITE = click.option("--test-type", "suite", metavar="SUITE", help="Only runs of this suite.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

EPILOG = """\b
Examples:
  tiltyard results stats                                    how much there is
  tiltyard results consolidate                              a row per request, all runs
  tiltyard results clean --days 30                          delete what is older
  tiltyard results clear-cache                              let everything be asked again"""


@click.group(epilog=EPILOG)
def results() -> None:
    """Look after what is stored."""


def chosen(store: Store, suite: str | None) -> list[Run]:
    from tiltyard.cli.results import check_suite
    from tiltyard.store.run_list import RunFilter

    check_suite(suite)
    return store.runs(RunFilter(suite=suite))


@results.command(epilog="Example:  tiltyard results stats --json")
@AS_JSON
@DATA_DIR
def stats(as_json: bool, data_dir: Path | None) -> None:
    """How many runs and attempts of each suite and model, and how large the store is."""
    with open_store(data_dir, to_read=True) as store:
        runs = store.runs()
        counts = store.counts([run.id for run in runs])
        size = sum(path.stat().st_size for path in store.path.parent.glob(f"{store.path.name}*"))
    groups: dict[tuple[str, str], Counter[str]] = {}
    for run in runs:
        found = groups.setdefault((run.suite, run.model.name), Counter())
        found.update(runs=1, attempts=counts.get(run.id, 0), finished=int(run.state == "finished"))
    lines = [{"suite": suite, "model": model, **found} for (suite, model), found in sorted(groups.items())]
    total: dict[str, Json] = {"runs": len(runs), "attempts": sum(counts.values()), "bytes": size}
    if as_json:
        click.echo(json.dumps({**total, "by_suite_and_model": lines}))
        return
    said = f"{total['runs']} runs, {total['attempts']} attempts, {size / 1e6:.1f} MB"
    show(said, ("suite", "model", "runs", "finished", "attempts"), lines)


@results.command("list", epilog="Example:  tiltyard results list --test-type mcq")
@SUITE
@AS_JSON
@DATA_DIR
def list_(suite: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Finished runs, newest first: what would be shown instead of asked again."""
    from tiltyard.reports.words import counted

    with open_store(data_dir, to_read=True) as store:
        runs = [run for run in chosen(store, suite) if run.state == "finished"]
        forgotten = store.forgotten()
        partly = {run.id for run in runs if store.has_failures(run.id)}
    lines = [
        {
            "run": run.id,
            "suite": run.suite,
            "model": run.model.name,
            "started": run.started_at[:19],
            "cached": "no" if run.id in forgotten else "partly" if run.id in partly else "yes",
        }
        for run in runs
    ]
    if as_json:
        click.echo(json.dumps(lines))
        return
    said = f"{counted(len(lines), 'finished run')}; partly: what failed is asked again"
    show(said, ("run", "suite", "model", "started", "cached"), lines)


def show(title: str, columns: tuple[str, ...], lines: list[dict[str, Json]]) -> None:
    """A table for a person."""
    from rich.console import Console
    from rich.table import Table

    from tiltyard.reports.words import clean

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in columns:
        number = bool(lines) and isinstance(lines[0].get(name), int)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for line in lines:
        table.add_row(*(clean(str(line.get(name, "")), 120) for name in columns))
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(title)
    if lines:
        console.print(table)


@results.command(epilog="Example:  tiltyard results consolidate --test-type json -o all.csv")
@SUITE
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The CSV file; unless set consolidated.csv, or with a number where there is one, in this folder.",
)
@DATA_DIR
def consolidate(suite: str | None, output: Path | None, data_dir: Path | None) -> None:
    """Every request of all runs in one CSV file, under llmperf's column names."""
    from tiltyard.cli.transfer import write_file
    from tiltyard.reports.llmperf import as_csv, rows
    from tiltyard.reports.sharing import shared
    from tiltyard.suites.tabled import beside

    with open_store(data_dir, to_read=True) as store:
        runs = [shared(run) for run in reversed(chosen(store, suite))]
        if not runs:
            what = "nothing is stored" if suite is None else f"no run of {suite} is stored"
            raise UsageError(f"{what}: no file is written", f"tiltyard run {suite or 'speed'}")

        def lines() -> Iterator[dict[str, Json]]:
            for run in runs:
                yield from rows(run, store.attempts(run.id, with_exchanges=True), beside)

        output = output or free_name(f"consolidated_{suite}" if suite else "consolidated")
        write_file(output, as_csv(lines()))
    click.echo(f"{output}  ({len(runs)} runs)", err=True)


def free_name(stem: str) -> Path:
    """A CSV file of that name in the current folder, or with a number behind it where that is taken."""
    names = itertools.chain((f"{stem}.csv",), (f"{stem}_{number}.csv" for number in itertools.count(2)))
    return next(Path(name) for name in names if not os.path.lexists(name))


@results.command(epilog="Example:  tiltyard results clean --days 30 --yes")
@click.option(
    "--days", type=click.IntRange(0, 36_500), default=7, show_default=True, help="Keep what is younger."
)
@SUITE
@YES
@DATA_DIR
def clean(days: int, suite: str | None, yes: bool, data_dir: Path | None) -> None:
    """Delete runs that began more than so many days ago, with their attempts."""
    from tiltyard.reports.words import counted

    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
    with open_store(data_dir) as store:
        runs = [run for run in chosen(store, suite) if run.started_at < before and run.state != "running"]
        if not runs:
            click.echo(f"nothing is older than {days} days")
            return
        agree(yes, f"delete {len(runs)} runs, the oldest of {runs[-1].started_at[:10]}?")
        gone = store.delete([run.id for run in runs])
    click.echo(f"{counted(gone, 'run')} deleted")


@results.command("clear-cache", epilog="Example:  tiltyard results clear-cache --test-type tools")
@SUITE
@YES
@DATA_DIR
def clear_cache(suite: str | None, yes: bool, data_dir: Path | None) -> None:
    """Let finished runs be asked again by the same command. Nothing is deleted."""
    from tiltyard.reports.words import counted

    with open_store(data_dir) as store:
        runs = [run for run in chosen(store, suite) if run.state == "finished"]
        known = store.forgotten()
        fresh = [run.id for run in runs if run.id not in known]
        if not fresh:
            click.echo("no finished run is cached")
            return
        agree(yes, f"ask {counted(len(fresh), 'finished run')} again next time? All stays stored.")
        store.forget(fresh)
    click.echo(f"{counted(len(fresh), 'run')} will be asked again; all results stay")


def agree(yes: bool, question: str) -> None:
    """Ask, unless told not to. Raises UsageError where nobody can answer, or says no."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} nobody is here to say yes", "add --yes")
    if not click.confirm(question):
        raise UsageError("nothing was done", "--yes does it without asking")
