"""`tiltyard demo`: the whole path on tiny models, without any server, GPU or network.

Makes three models of different speed, measures them on the embedded engine in a store of its own, shows the
board and writes the report. The second time, what was measured is there already.
"""

from __future__ import annotations

from pathlib import Path

import click

BUDGET_S = 15.0  # per model: three of them stay well within a minute


@click.command(epilog="Example:  tiltyard demo --folder /tmp/tilt")
@click.option(
    "--folder",
    default="demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the models, the store and the report go.",
)
@click.option("--fresh", is_flag=True, help="Measure again what is already there.")
def demo(*, folder: Path, fresh: bool) -> None:
    """See it work on three tiny models, without any server."""
    from tiltyard.cli.conducting import run_suite
    from tiltyard.cli.data_dir import in_words, open_store
    from tiltyard.cli.options import Common
    from tiltyard.cli.report import write_report
    from tiltyard.cli.showing_board import show_board
    from tiltyard.store.board import tables

    models = make_models(folder / "models")
    common = Common(model=tuple(map(str, models)), data_dir=folder, fresh=fresh)
    run_suite("speed", {"profile": "quick", "budget_s": BUDGET_S}, common)
    click.echo()
    with open_store(folder) as store:
        show_board(tables(store.board(), resort=True), there=in_words(folder))
        page = write_report((), folder / "report.html", store)
    click.echo(f"\nThe report: {page}  ({page.stat().st_size / 1000:.0f} kB, opens without network)")
    click.echo("These are toys. Yours: tiltyard servers, then tiltyard run speed --model NAME")


def make_models(folder: Path) -> list[Path]:
    """The three presets as files; those that are there are kept."""
    from tiltyard.servers.tiny import PRESETS, write_model

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.gguf" for name in PRESETS]
    for path, spec in zip(paths, PRESETS.values(), strict=True):
        if not path.is_file():
            click.echo(f"making {path.name}", err=True)
            unfinished = path.with_suffix(".part")
            write_model(unfinished, spec)
            unfinished.replace(path)
    return paths
