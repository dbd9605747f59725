"""`tiltyard serve`, and `--metrics-port` of every run: figures over HTTP until Ctrl+C.

What is served is in `web/`; here is where it comes from, and how long it lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.data_dir import DATA_DIR, open_store
from tiltyard.cli.options import Filled
from tiltyard.cli.progress import Listener
from tiltyard.records import OUTCOMES, Run

if TYPE_CHECKING:
    from tiltyard.store.sittings import SoFar
    from tiltyard.store.store import Store
    from tiltyard.web.figures import RunFigures

HOST, PORT = "127.0.0.1", 8000
FRESH_S = 1.0  # the store is read at most that often

EPILOG = """\b
Examples:
  tiltyard serve                                      http://127.0.0.1:8000/metrics
  tiltyard serve --metrics-port 9100 --metrics-host 0.0.0.0
  curl -s http://127.0.0.1:8000/metrics               JSON
  curl -s -H 'Accept: text/plain' http://127.0.0.1:8000/metrics      for Prometheus"""


@contextmanager
def serving_run(host: str | None, port: int) -> Iterator[Listener]:
    """Serve the figures of the run inside the block, and after it until Ctrl+C.

    An error that ends the run is said at once, and its exit code is the program's then. An interrupted run
    ends the serving too. Raises UsageError where the address cannot be had, before anything has begun.
    """
    from tiltyard.cli import refused
    from tiltyard.cli.harness_settings import environment
    from tiltyard.errors import Interrupted, TiltyardError
    from tiltyard.web.figures import Figures
    from tiltyard.web.metrics import MetricsServer

    figures, host = Figures(), host or environment("METRICS_HOST") or HOST
    with MetricsServer(figures.all, host, port) as server:
        announce(server.url, host)
        try:
            yield figures.tell
        except TiltyardError as error:
            if isinstance(error, Interrupted) or not figures.runs:  # in which nothing was asked
                raise
            code = refused(str(error), error.remedy, error.exit_code)
            hold(server.url)
            raise click.exceptions.Exit(code) from error
        hold(server.url)


def announce(url: str, host: str) -> None:
    """Say where it listens, and who can see it."""
    from tiltyard.settings.addresses import is_local

    whom = "" if is_local(host) else ", for everybody who reaches this machine"
    click.echo(f"metrics: {url}{whom}", err=True)


def hold(url: str) -> None:
    """Wait, and say for what."""
    with suppress(KeyboardInterrupt):
        click.echo(f"the run is over; {url} goes on until Ctrl+C", err=True)
        wait()


@click.command(epilog=EPILOG)
@click.option("--metrics-port", type=click.IntRange(0, 65535), help=f"{PORT} unless set; 0: any free one.")
@click.option("--metrics-host", type=Filled(), help=f"Address to listen on; {HOST} unless set.")
@DATA_DIR
def serve(metrics_port: int | None, metrics_host: str | None, data_dir: Path | None) -> None:
    """Serve the newest figures of every model and suite in the store, at /metrics, until Ctrl+C."""
    from tiltyard.cli.harness_settings import environment
    from tiltyard.web.metrics import MetricsServer

    with open_store(data_dir) as store:
        source = StoreFigures(store)
        host = metrics_host or environment("METRICS_HOST") or HOST
        named = environment("METRICS_PORT")
        port = metrics_port if metrics_port is not None else PORT if named is None else named
        with MetricsServer(source, host, port) as server, suppress(KeyboardInterrupt):
            announce(server.url, host)
            wait()


def wait() -> None:
    """Until Ctrl+C, which is raised."""
    while True:
        time.sleep(60)


class StoreFigures:
    """The newest run of each model and suite, read again when somebody asks and a second has passed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = threading.Lock()
        self.read_at = -FRESH_S
        self.known: list[RunFigures] = []

    def __call__(self) -> list[RunFigures]:
        with self.lock:
            if time.monotonic() - self.read_at >= FRESH_S:
                self.known = self.read()
                self.read_at = time.monotonic()
            return self.known

    def read(self) -> list[RunFigures]:
        newest: dict[tuple[str, str, str | None], Run] = {}
        for run in self.store.runs():  # newest first
            newest.setdefault((run.suite, run.model.name, run.model.digest), run)
        return [self.figures_of(run) for run in reversed(newest.values())]

    def figures_of(self, run: Run) -> RunFigures:
        from tiltyard.web.figures import RunFigures, closing

        known = closing(run.summary) if run.summary is not None else opening(self.store.so_far(run.id))
        return RunFigures(
            run_id=run.id,
            suite=run.suite,
            model=run.model.name,
            started_at=run.started_at,
            **{**known, "state": run.state},
        )


def opening(found: SoFar) -> dict[str, Any]:
    """The fields that are known of a run without a summary: it is under way, or was killed."""
    graded = {name: count for name, count in found.outcomes.items() if name is not None}
    return {
        "done": sum(found.outcomes.values()),
        "failed": found.failed,
        "retries": found.retries,
        "outcomes": {**dict.fromkeys(OUTCOMES, 0), **graded} if graded else None,
        "mean_duration_s": None if found.mean_e2e_ms is None else found.mean_e2e_ms / 1e3,
    }
