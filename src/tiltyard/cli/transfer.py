"""`tiltyard export` and `import`: results to other programs, and whole runs from machine to machine.

The formats are in `reports/export.py` and `reports/bundle.py`; here files are opened and runs chosen.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.data_dir import DATA_DIR, in_words, open_store

if TYPE_CHECKING:
    from tiltyard.records import Run
    from tiltyard.reports.bundle import Packed
    from tiltyard.store.store import Bundle, Store

SHELLS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # where a shell hands over a pipe

EXPORT_EPILOG = """\b
Examples:
  tiltyard export --format csv --output results.csv   a row per attempt, all runs
  tiltyard export --format md latest                  a row per run, to paste
  tiltyard export --format jsonl -o runs.jsonl 3f2a   one run, whole, for another machine
  tiltyard export --format llmperf -o results latest  CSV and JSON as llmperf names them, into a folder"""

IMPORT_EPILOG = """\b
Example:
  tiltyard import runs.jsonl    what `tiltyard export --format jsonl` wrote elsewhere"""


@click.command(epilog=EXPORT_EPILOG)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["json", "csv", "md", "jsonl", "llmperf"]),
    default="json",
    show_default=True,
    help="json: runs and attempts; csv: attempts; md: a table of runs; jsonl: everything, for import; "
    "llmperf: a folder of files under that tool's names.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The file to write; of llmperf the folder.  [default: standard output; llmperf: this folder]",
)
@DATA_DIR
def export(*, runs: tuple[str, ...], kind: str, output: Path | None, data_dir: Path | None) -> None:
    """Write results as JSON, CSV, Markdown or JSONL.

    RUN is the beginning of a run id, or `latest`; without any, all runs are written.
    """
    from tiltyard.reports.sharing import shared
    from tiltyard.reports.words import clean

    with open_store(data_dir, to_read=True) as store:
        found = [store.run(name) for name in dict.fromkeys(runs)] if runs else store.runs()
        chosen = [shared(run) for run in found]
        if kind == "llmperf":
            write_llmperf(store, chosen, output or Path())
            return
        parts = exported(store, chosen, kind)
        if output is None:
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
            if sys.stdout.isatty():  # names and answers may hold what a terminal obeys
                parts = (clean(part.replace("\r\n", "\n"), len(part)) for part in parts)
            sys.stdout.writelines(parts)
        else:
            write_file(output, parts)
            click.echo(f"{output}  ({len(chosen)} runs, {output.stat().st_size / 1000:,.0f} kB)", err=True)


def write_llmperf(store: Store, runs: list[Run], folder: Path) -> None:
    """Three files for each run: rows, summary, individual responses; those of all runs, or none.

    Raises UsageError.
    """
    import json

    from tiltyard.reports import llmperf
    from tiltyard.suites.tabled import beside

    told: list[str] = []
    with made(folder), contextlib.ExitStack() as together:
        for run in runs:
            rows = list(llmperf.rows(run, store.attempts(run.id, with_exchanges=True), beside))
            table, stem = llmperf.csv_name(run), llmperf.json_stem(run, rows)
            summary = json.dumps(llmperf.summary(run, rows), indent=1, ensure_ascii=False)
            answers = json.dumps(rows, ensure_ascii=False)
            together.enter_context(written(folder / table, llmperf.as_csv(rows)))
            together.enter_context(written(folder / f"{stem}_summary.json", [summary]))
            together.enter_context(written(folder / f"{stem}_individual_responses.json", [answers]))
            told.append(f"{folder / stem}_*.json, {table}")
    for line in told:
        click.echo(line, err=True)


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """A folder, there within the block; what was made of it stays where something is in it afterwards."""
    from tiltyard.errors import UsageError

    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be a folder: {error.strerror}", "choose another -o") from None
    try:
        yield
    finally:
        for each in new:
            with contextlib.suppress(OSError):
                each.rmdir()


def exported(store: Store, runs: list[Run], kind: str) -> Iterator[str]:
    """The text of an export, part by part."""
    from tiltyard.reports.bundle import Packed, write_bundle
    from tiltyard.reports.export import as_csv, as_json, as_markdown

    if kind == "jsonl":
        return write_bundle(
            Packed(
                run=run,
                attempts=tuple(store.attempts(run.id, with_exchanges=True, all_tries=True)),
                samples=tuple(store.samples(run.id)),
            )
            for run in reversed(runs)  # oldest first, so that the order is the same over there
        )
    form = {"json": as_json, "csv": as_csv, "md": as_markdown}[kind]
    return form(runs, lambda run_id: zip(store.attempts(run_id), store.endings(run_id), strict=True))


def write_file(path: Path, parts: Iterable[str]) -> None:
    """Write the file whole or not at all, as `written` does."""
    with written(path, parts):
        pass


@contextlib.contextmanager
def written(path: Path, parts: Iterable[str]) -> Iterator[None]:
    """A file that is complete when the block begins, and takes its place when the block ends well.

    A pipe or a device, such as /dev/stdout, is written to and stays what it is; so does a link. Raises
    UsageError where it cannot be written, TiltyardError on a full disk.
    """
    ordinary = path.is_file() or not path.exists()
    target = path.resolve() if ordinary else path
    partial = target.with_name(target.name + ".partial") if ordinary else path
    try:
        with refusals(path), partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(parts)
        yield
        if ordinary:
            with refusals(path):
                partial.replace(target)
    finally:
        if ordinary:  # still there only where the writing failed
            with contextlib.suppress(OSError):
                partial.unlink()


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Say what the system refuses as an error of ours; a reader that has left is no such thing."""
    from tiltyard.cli import OUTPUT_ERRORS
    from tiltyard.errors import TiltyardError, UsageError

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        kind = TiltyardError if error.errno in OUTPUT_ERRORS else UsageError
        raise kind(f"cannot write {path}: {error.strerror}", "choose another place with --output") from error


@click.command("import", epilog=IMPORT_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA_DIR
def import_(*, file: Path, as_json: bool, data_dir: Path | None) -> None:
    """Take in a bundle from another machine, whole or not at all; runs already here are left out.

    An earlier import of a run that has been carried on since is replaced; what was measured here stays.
    """
    from tiltyard.reports.bundle import read_bundle
    from tiltyard.reports.words import counted
    from tiltyard.suites.regular import regular

    if not given_pipe(file):
        regular(file)
    seen: dict[str, int] = {}
    with open_store(data_dir) as store:
        new, updated = store.take_in(bundles(read_bundle(lines_of(file), str(file)), seen))
        here = store.counts([run_id for run_id in seen if run_id not in (*new, *updated)])
    known = len(here)
    fewer = {run_id: (own, seen[run_id]) for run_id, own in here.items() if own < seen[run_id]}
    if as_json:
        import msgspec

        counts = {"imported": new, "updated": updated, "already_there": known, "fewer_here": fewer}
        sys.stdout.write(msgspec.json.encode(counts).decode() + "\n")
        return
    renewed = f", {len(updated)} brought up to date" if updated else ""
    taken = f"{counted(len(new), 'run')} taken in{renewed}"
    click.echo(f"{taken}, {known} {'was' if known == 1 else 'were'} here already")
    for run_id, (own, theirs) in fewer.items():
        click.echo(
            f"{run_id} is here with {own:,} attempts, {theirs:,} in the file: what was measured here stays "
            f"(to have the file's: tiltyard rm {run_id}{in_words(data_dir)}, then import again)"
        )
    if new or updated:
        click.echo(f"next: tiltyard board{in_words(data_dir)}")


def given_pipe(file: Path) -> bool:
    """Is it a pipe that the shell made, which ends when its writer does? One with a name may have none."""
    return str(file).startswith(SHELLS) and file.is_fifo()


def lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a bundle. Raises UsageError where it cannot be read."""
    from tiltyard.errors import UsageError

    try:
        with file.open("rb") as lines:
            yield from lines
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", "check the file and its disk") from None


def bundles(packed: Iterable[Packed], seen: dict[str, int]) -> Iterator[Bundle]:
    """What was read as what the store takes, noting the ids with their attempts, all tries as one."""
    from tiltyard.store.store import Bundle

    for one in packed:
        seen[one.run.id] = sum(attempt.try_no == 1 for attempt in one.attempts)
        yield Bundle(run=one.run, attempts=one.attempts, samples=one.samples)
