"""`tiltyard calibrate`: the instrument's own error and ceiling on this machine, kept for later runs.

Measuring is `load/calibrate.py`; here are the words, and the place in the store.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tiltyard.cli.data_dir import DATA_DIR, open_store
from tiltyard.cli.loop import loop_run
from tiltyard.errors import RunFailed, install
from tiltyard.records import Json

EPILOG = """\b
Examples:
  tiltyard calibrate                 about half a minute
  tiltyard calibrate --seconds 5     a quick look
  tiltyard calibrate --suites        models of known ability through the graded suites
  tiltyard calibrate --json          for programs"""


@click.command(epilog=EPILOG)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), default=15.0, show_default=True, help="Time to measure."
)
@click.option("--suites", is_flag=True, help="Instead: do models of known ability get the scores they must?")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@DATA_DIR
def calibrate(seconds: float, suites: bool, as_json: bool, data_dir: Path | None) -> None:
    """Measure the instrument itself: its errors against a server whose timing is known, and its ceiling.

    The result is kept and attached to every later run on this machine. Leave the machine alone meanwhile.
    """
    if suites:
        calibrate_suites(as_json, data_dir)
        return
    from tiltyard.load.calibrate import calibrate as measure

    store = open_store(data_dir)
    try:
        result = loop_run(measure(seconds, lambda text: click.echo(f"  {text} ...", err=True)))
        known = store.calibration() or {}
        if "ability" in known:  # measured by `--suites`, and still true
            result["ability"] = known["ability"]
        store.set_calibration(result)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(result, separators=(",", ":")))
    else:
        show(result)


def calibrate_suites(as_json: bool, data_dir: Path | None) -> None:
    """Put models of known ability through the graded suites; kept beside what is known of the timing."""
    from tiltyard.cli import ability

    def tell(text: str) -> None:
        click.echo(f"  {text} ...", err=True)

    with (
        open_store(data_dir) as store,
        tempfile.TemporaryDirectory(prefix="tiltyard-") as folder,
    ):
        results = loop_run(ability.abilities(Path(folder), tell))
        store.set_calibration({**(store.calibration() or {}), "ability": results})
    if as_json:
        click.echo(json.dumps({"ability": results}, separators=(",", ":")))
    else:
        ability.show(results)
    wrong = [result["suite"] for result in results if not result["holds"]]
    if wrong:
        raise RunFailed(
            f"{', '.join(wrong)}: the score is not the ability that the model was made with",
            "tiltyard verify says whether the suites' content holds",
        )


def show(result: Mapping[str, Json]) -> None:
    """The result for a person."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Tiltyard's own error and ceiling here", title_justify="left")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("p99", justify="right")
    for name, key, unit in (
        ("error of TTFT", "ttft_error_ms", "ms"),
        ("error of TTFT, relative", "ttft_error_pct", "%"),
        ("error of a token's time", "token_error_ms", "ms"),
        ("error of time per token", "tpot_error_ms", "ms"),
        ("error of the decode rate", "decode_error_pct", "%"),
    ):
        part = result[key]
        table.add_row(name, amount(part["p50"], unit), amount(part["p99"], unit))
    table.add_row("error of the p99 gap", "", amount(result["gap_p99_error_ms"], "ms"))
    engine: Any = result["engine"]
    if engine:
        apart = engine["apart_pct"]
        table.add_row(
            "decode rate, client and llama.cpp", amount(apart["p50"], "%"), amount(apart["p99"], "%")
        )
    console = Console()
    console.print(table)
    top, requests, part = result["ceiling"], result["requests"], result["part_load"]
    least = "" if top["limited_by"] == "client" else "at least "
    console.print(
        f"ceiling: {least}{top['chunks_per_s']:,} chunks/s and {requests['per_s']:,} requests/s on one core; "
        f"CPU per chunk {top['cpu_us_per_chunk']} us there ({top['chunks_per_read']} chunks "
        f"per read), {part['cpu_us_per_chunk']} us at part load"
    )
    clocks = {"kernel": "the kernel stamps arrivals", "user": "arrivals are stamped in the read callback"}
    console.print(
        f"clock: {result['clock']} ({clocks.get(result['clock'], '')}); event loop: {result['loop']}"
    )
    if result["lost_tokens"]:
        console.print(f"lost: {result['lost_tokens']} tokens did not arrive as they were written")
    if not engine:
        from tiltyard.servers.engine_process import EXTRA

        console.print(f"engine: not installed ({install(EXTRA)}), so only the simulator was used")
    console.print("kept; later runs carry it")


def amount(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4f} {unit}"
