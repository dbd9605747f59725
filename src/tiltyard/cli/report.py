"""`tiltyard report`: write one HTML file that needs nothing else.

Chooses the runs and reads them from the store; the page itself is `reports/html.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.data_dir import DATA_DIR, open_store

if TYPE_CHECKING:
    from tiltyard.records import Attempt, Run
    from tiltyard.store.store import Store

EPILOG = """\b
Examples:
  tiltyard report                              the newest runs of every model, to tiltyard-report.html
  tiltyard report latest --open                the newest run, shown in the browser
  tiltyard report 3f2a 9c41 --output two.html  two runs by the beginning of their ids"""


@click.command(epilog=EPILOG)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--output",
    "-o",
    default="tiltyard-report.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
)
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
@DATA_DIR
def report(*, runs: tuple[str, ...], output: Path, open_it: bool, data_dir: Path | None) -> None:
    """Write one self-contained HTML file: the board, curves, distributions and how to measure it again.

    RUN is the beginning of a run id, or `latest`; without any, the newest run of every model is taken.
    """
    with open_store(data_dir, to_read=True) as store:
        path = write_report(runs, output, store)
    click.echo(f"{path}  ({path.stat().st_size / 1000:.0f} kB)")
    if open_it:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def write_report(runs: tuple[str, ...], output: Path, store: Store) -> Path:
    """Write the report over these runs (none: the newest of every model).

    Raises UsageError when there is nothing to report; the file is written as an export is.
    """
    from tiltyard.cli.transfer import write_file
    from tiltyard.errors import UsageError
    from tiltyard.reports.html import render
    from tiltyard.reports.sharing import shared

    chosen = [store.run(name) for name in dict.fromkeys(runs)] if runs else newest_of_each(store)
    if not chosen:
        raise UsageError("there is nothing to report yet", "measure something: tiltyard run speed")
    ranks = store.ranks([run.id for run in chosen])
    page = render(
        [shared(run) for run in chosen], store.attempts, lambda run_id: sample(store, run_id), ranks
    )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write {output}: {error.strerror}", "name another file with --output"
        ) from error
    write_file(output, [page])
    return output


def newest_of_each(store: Store) -> list[Run]:
    """The runs on `tiltyard board`, cloud models too; of what has no row there, the newest broken-off run."""
    from tiltyard.store.board import Wanted

    rows = {row.run_id for row in store.board(Wanted(newest_only=True, cloud=True))}
    runs = [run for run in store.runs() if run.state != "running" and run.summary is not None]
    chosen = [run for run in runs if run.id in rows]
    known = {_row_of(run) for run in chosen}
    for run in runs:
        if run.state != "finished" and _row_of(run) not in known:
            known.add(_row_of(run))
            chosen.append(run)
    return chosen


def _row_of(run: Run) -> tuple[str | None, ...]:
    """What is one row on the board: a model as it is served in one place, and what it was asked."""
    from tiltyard.reports.html import served_model
    from tiltyard.stats.pairing import item_set

    return *served_model(run), run.suite, item_set(run.settings)


def sample(store: Store, run_id: str) -> Attempt | None:
    """One attempt with its answer: the first."""
    return store.attempt(run_id, 1) if store.counts([run_id])[run_id] else None
