"""The commands that read the store: `board`, `runs`, `show`, and `rm`, which deletes from it.

They fetch and choose; how it looks on a terminal is in `showing.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from tiltyard.cli.data_dir import DATA_DIR, in_words, open_store, store_file
from tiltyard.errors import UsageError
from tiltyard.store.board import SortBy

if TYPE_CHECKING:
    from tiltyard.store.board import BoardRow
    from tiltyard.store.store import Store

BOARD_EPILOG = """\b
Examples:
  tiltyard board                           a table per suite, fastest or best first
  tiltyard board --by-model                one row per model: quality and speed
  tiltyard board --suite tools --min-tps 30 --max-gb 10
                                           best at tool calls of what is quick and small enough
  tiltyard board --sort ttft --json        for programs"""

RUNS_EPILOG = """\b
Examples:
  tiltyard runs --model qwen --limit 5
  tiltyard runs --search "binary search"   in models, prompts and answers
  tiltyard runs --recover                  save what a damaged store still holds"""

SHOW_EPILOG = """\b
Examples:
  tiltyard show latest                  one run
  tiltyard show 3f2a 7                  its seventh attempt: prompt, answer, figures
  tiltyard show 3f2a 7 --timeline       each arrival with its time"""

RM_EPILOG = """\b
Examples:
  tiltyard rm 3f2a
  tiltyard rm 3f2a 9c41 --yes"""


def print_json(value: Any) -> None:
    """One JSON value on a line of its own."""
    from tiltyard.cli.progress import one_line

    sys.stdout.write(one_line(value).decode())


@click.command(epilog=BOARD_EPILOG)
@click.option(
    "--sort",
    type=click.Choice(get_args(SortBy)),
    help="What comes first.  [default: score of graded suites, decode of speed]",
)
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--model", metavar="TEXT", help="Only models with TEXT in their name.")
@click.option(
    "--min-tps", type=click.FloatRange(min=0), help="Only models that decode at least so many tokens/s."
)
@click.option(
    "--max-gb",
    type=click.FloatRange(min=0),
    help="Only models whose weights are at most so large (10^9 bytes).",
)
@click.option(
    "--all",
    "all_settings",
    is_flag=True,
    help="Every settings a model was measured with, not only the newest.",
)
@click.option("--cloud", is_flag=True, help="Also models that run in somebody's cloud; they are marked ☁.")
@click.option("--by-model", is_flag=True, help="One row per model, its suites side by side.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="At most so many rows of a table; 25 unless set, with --json all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA_DIR
def board(
    *,
    sort: Any,
    suite: str | None,
    model: str | None,
    min_tps: float | None,
    max_gb: float | None,
    all_settings: bool,
    cloud: bool,
    by_model: bool,
    limit: int | None,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """The leaderboard over everything stored: the newest finished run of each model.

    Runs with different fingerprints (settings, engine version, quantization ...) are never pooled, and other
    questions make another table. Ranks are ranges where models cannot be told apart.
    """
    from tiltyard.reports.sharing import homeless
    from tiltyard.store.board import Wanted, as_mapping, model_mapping, models_of, tables

    if by_model and all_settings:
        raise UsageError("--by-model shows one run of each suite and --all every one", "give one of the two")
    wanted = Wanted(
        suite=suite,
        model=model,
        min_tps=min_tps,
        max_gb=max_gb,
        sort=sort,
        newest_only=not all_settings,
        cloud=cloud,
        limit=limit if as_json and not by_model else None,
    )
    with open_store(data_dir, to_read=True) as store:
        rows = store.board(wanted)
        made = tables(rows, resort=sort is None)
        asked = [] if by_model or as_json else [what_was_asked(table, made, store) for table in made]
    models = models_of(rows, sort)[: limit if as_json else None] if by_model else []
    if as_json:
        found = {"models": map(model_mapping, models)} if by_model else {"rows": map(as_mapping, rows)}
        lists = {name: homeless(list(values)) for name, values in found.items()}
        print_json({"schema": "tiltyard.board/1", **lists})
    elif models:
        from tiltyard.cli.showing_board import show_models

        show_models(models, limit, sort, in_words(data_dir))
    elif rows:
        from tiltyard.cli.showing_board import show_board

        show_board(made, limit, asked, sort, in_words(data_dir))
    elif suite is None and model is None and min_tps is None and max_gb is None:
        click.echo(
            "the board is empty: `tiltyard run speed` measures, `tiltyard board --cloud` adds cloud models"
        )
    else:
        check_suite(suite)
        click.echo("no run passes these filters: `tiltyard board` shows all")


def what_was_asked(table: list[BoardRow], others: list[list[BoardRow]], store: Store) -> str:
    """The items of a table, or its load, in words, where its suite has other tables too; and the version of
    the suite where those are of another.
    """
    from tiltyard.reports.traits import items_name, version_name

    first = table[0]
    alike = [other[0] for other in others if other[0].suite == first.suite]
    if len(alike) < 2:
        return ""
    words = items_name(store.run(first.run_id)) if first.quality is not None else first.item_set or ""
    versions = {row.suite_version for row in alike}
    return ", ".join(filter(None, (words, version_name(first.suite_version, versions))))


def check_suite(name: str | None) -> None:
    """Raises UsageError for a suite that there is not."""
    from tiltyard.suites import check_name

    if name is not None:
        check_name(name)


@click.command(epilog=RUNS_EPILOG)
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--model", metavar="TEXT", help="Only models with TEXT in their name.")
@click.option(
    "--state", type=click.Choice(["running", "finished", "interrupted", "failed"]), help="Only these."
)
@click.option("--search", metavar="TEXT", help="Only runs with TEXT in the model, a prompt or an answer.")
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many.")
@click.option(
    "--recover", "recover_store", is_flag=True, help="Save what a damaged store still holds, and end."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA_DIR
def runs(
    *,
    suite: str | None,
    model: str | None,
    state: Any,
    search: str | None,
    limit: int,
    recover_store: bool,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """List runs, newest first."""
    from msgspec.structs import replace

    from tiltyard.store.run_list import RunFilter

    if recover_store:
        recovered(as_json, data_dir)
        return
    check_suite(suite)
    with open_store(data_dir, to_read=True) as store:
        wanted = RunFilter(suite=suite, model=model, state=state, search=search, limit=limit)
        found = store.runs(wanted)
        counts = store.counts([run.id for run in found])
        whole = len(found) if as_json or len(found) < limit else len(store.runs(replace(wanted, limit=None)))
        hits = store.search(search, 5) if search and not as_json else []
    if as_json:
        print_json({"runs": [{"attempts": counts[run.id], **brief(run)} for run in found]})
    elif found:
        from tiltyard.cli.showing import show_found, show_runs

        show_runs(found, counts, whole)
        show_found(hits)
    else:
        click.echo("no such runs" if search or suite or model or state else "no runs yet: tiltyard run speed")


def brief(run: Any) -> dict[str, Any]:
    """A run without its summary and machine: `show RUN --json` has those."""
    import msgspec

    values: dict[str, Any] = msgspec.to_builtins(run)
    for name in ("summary", "machine", "calibration"):
        del values[name]
    return values


def recovered(as_json: bool, data_dir: Path | None) -> None:
    """Replace a damaged store by what is readable of it, and say what that is."""
    from tiltyard.errors import StoreCorrupt
    from tiltyard.store.recover import recover
    from tiltyard.store.store import Store

    path = store_file(data_dir)
    try:
        with Store.open(path) as store:
            whole = store.whole(thorough=True)
    except StoreCorrupt:
        whole = False
    if whole:
        raise UsageError(f"the store {path} is whole: nothing to recover", "tiltyard runs")
    saved = recover(path)
    if as_json:
        print_json(
            {
                "store": str(path),
                "damaged": str(saved.damaged),
                "rows": saved.rows,
                "unreadable": saved.unreadable,
                "runs_lost": saved.runs_lost,
                "attempts_left": saved.attempts_left,
                "models_lost": saved.models_lost,
                "servers_lost": saved.servers_lost,
                "runs_set_back": saved.set_back,
            }
        )
        return
    click.echo(f"saved {saved.rows['runs']} runs with {saved.rows['attempts']} attempts into {path}")
    if saved.runs_lost:
        click.echo(
            f"left behind: {saved.attempts_left} attempts of {saved.runs_lost} runs whose own lines could "
            "not be read; the damaged file still holds them"
        )
    if saved.models_lost or saved.servers_lost:
        click.echo(
            f"names of {saved.models_lost} models and {saved.servers_lost} servers could not be read: "
            "their runs say (lost) instead"
        )
    click.echo(f"the damaged file is kept: {saved.damaged}")
    if saved.set_back:
        click.echo(
            f"interrupted again, since they lost answers or their summary: {', '.join(saved.set_back)}"
        )
    click.echo("next: repeat the commands of interrupted runs; what was lost is asked again")


@click.command(epilog=SHOW_EPILOG)
@click.argument("run", metavar="RUN")
@click.argument("attempt", required=False, type=click.IntRange(min=1))
@click.option("--timeline", is_flag=True, help="Each arrival of the attempt with its time.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=40, show_default=True, help="At most so many attempts."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA_DIR
def show(
    *, run: str, attempt: int | None, timeline: bool, limit: int, as_json: bool, data_dir: Path | None
) -> None:
    """One run, one attempt, or one exchange's timeline.

    RUN is the beginning of a run id, or `latest`; ATTEMPT its number in the run's list.
    """
    if timeline and attempt is None:
        raise UsageError("--timeline belongs to one attempt", f"tiltyard show {run} 1 --timeline")
    with open_store(data_dir, to_read=True) as store:
        found = store.run(run)
        if attempt is not None:
            one = store.attempt(found.id, attempt)
            if as_json:
                from tiltyard.reports.export import as_mapping

                print_json(as_mapping(one))
            elif timeline:
                from tiltyard.cli.showing import show_timeline

                show_timeline(one)
            else:
                from tiltyard.cli.showing import show_attempt

                show_attempt(found, attempt, one, in_words(data_dir))
            return
        attempts = store.attempts(found.id)
        endings = store.endings(found.id)
    if as_json:
        from tiltyard.reports.export import without_exchanges

        print_json({"run": found, "attempts": list(map(without_exchanges, attempts, endings))})
    else:
        from tiltyard.cli.showing import show_run

        show_run(found, attempts, endings, limit, in_words(data_dir))


@click.command(epilog=RM_EPILOG)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@DATA_DIR
def rm(*, runs: tuple[str, ...], yes: bool, data_dir: Path | None) -> None:
    """Delete runs with all their attempts. There is no way back but an export."""
    from tiltyard.reports.words import counted

    with open_store(data_dir) as store:
        chosen = {run.id: run for run in (store.run(name) for name in runs)}
        counts = store.counts(list(chosen))
        for run in chosen.values():
            attempts = counted(counts[run.id], "attempt")
            click.echo(f"{run.id}  {printable(run.model.name)}  {run.suite}  {attempts}")
        if not yes and not confirmed(len(chosen)):
            raise UsageError("nothing was deleted", "add --yes to delete without being asked")
        store.delete(chosen)
    click.echo(f"{len(chosen)} deleted")


def confirmed(number: int) -> bool:
    if not sys.stdin.isatty():
        return False
    return click.confirm(f"delete {'this run' if number == 1 else f'these {number} runs'}?")


def printable(text: str) -> str:
    from tiltyard.reports.words import clean

    return clean(text, 100).replace("\n", " ")
