"""The structured log of a run: JSON lines in a rotating file, written by a thread of its own.

What is logged is said by the suites through `logging` under the name `tiltyard`; retries and errors come from
the run's events. API keys are taken out; nothing is formatted or written while an answer is being timed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import queue
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.progress import clean
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.records import Json
from tiltyard.settings import data_dir, hide_keys

if TYPE_CHECKING:
    from tiltyard.suites.mcq.reading import Bad

MAX_BYTES = 10 * 1024 * 1024
KEPT = 5
LOOK_S = 0.1
LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # JSON allows them as they are; readers of lines do not
LOGIN = re.compile(r"[^\s/:]+:[^\s/]*@")  # before a server's name
ROOT = "tiltyard"
log = logging.getLogger(f"{ROOT}.run")
rows = logging.getLogger(f"{ROOT}.rows")  # for the file alone: the screen has them before the log begins


class JsonLines(logging.Formatter):
    """asctime, levelname, filename, lineno, message, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "asctime": at.isoformat(timespec="milliseconds"),
            "levelname": record.levelname,
            "filename": record.filename,
            "lineno": record.lineno,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        line = hide_keys(json.dumps(entry, ensure_ascii=False, default=str))
        return LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class LogFile(RotatingFileHandler):
    """Where the file takes no more, as on a full disk, that is said once: a log must not end its run."""

    ended = False
    newest: tuple[logging.LogRecord | None, str] = None, ""

    def format(self, record: logging.LogRecord) -> str:
        """Once: rotation measures the line that is written then."""
        if self.newest[0] is not record:
            self.newest = record, super().format(record)
        return self.newest[1]

    def emit(self, record: logging.LogRecord) -> None:
        if not self.ended:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.ended = True
        click.echo(
            f"warning: the log {self.baseFilename} ends here ({error.strerror}); the run goes on", err=True
        )

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what it did not take is tried again, and has been told
            super().close()


class AnswerLines(logging.Handler):
    """A line for every answer on standard error, for --verbose."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == rows.name:
            return
        fields = getattr(record, "fields", {})
        said = " ".join(f"{k}={v}" for k, v in fields.items() if k in SHORT and v is not None)
        text = f"{record.levelname.lower()} {record.getMessage()} {said}"
        click.echo(hide_keys(clean(text)), err=True)


SHORT = ("item", "outcome", "letter", "expected", "duration_s", "rule", "reason", "error")


class Hand(QueueHandler):
    """Passes records on untouched: the writing thread formats them."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class Unhurried(QueueListener):
    """Looks for records ten times a second: to be woken for each would cost more than to write it."""

    def dequeue(self, block: bool) -> logging.LogRecord:
        try:
            return super().dequeue(False)
        except queue.Empty:
            time.sleep(LOOK_S)
        return super().dequeue(block)


def log_folder(output_dir: Path | None, data: Path | None = None) -> Path:
    """Where log files go: the folder that was named, else beside the store."""
    return output_dir if output_dir is not None else (data or data_dir()) / "logs"


def new_file(folder: Path, stem: str) -> Path:
    """An empty file of that name, or with a number behind it where another run began in the same second."""
    names = itertools.chain((f"{stem}.log",), (f"{stem}_{number}.log" for number in itertools.count(2)))
    while True:
        path = folder / next(names)
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path


@contextmanager
def logging_to(folder: Path, verbose: bool) -> Iterator[Path]:
    """Log into a new file of that folder while the block runs, and the error that ends it.

    Raises UsageError where there can be no such file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = new_file(folder, time.strftime("test_run_%Y%m%d_%H%M%S"))
        file = LogFile(
            path,
            maxBytes=MAX_BYTES,
            backupCount=KEPT,
            encoding="utf-8",
            errors="backslashreplace",  # half a character becomes what JSON itself writes for it
        )
    except OSError as error:
        raise UsageError(
            f"no log can be written to {folder}: {error.strerror}", "choose a folder with --output-dir"
        ) from None
    file.setFormatter(JsonLines())
    handlers: list[logging.Handler] = [file, *([AnswerLines()] if verbose else [])]
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = Unhurried(records, *handlers)
    hand, logger = Hand(records), logging.getLogger(ROOT)
    before = logger.level, logger.propagate
    logger.addHandler(hand)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    listener.start()
    try:
        yield path
    except TiltyardError as error:
        said = LOGIN.sub("***@", str(error))
        log.error("ended by an error", extra={"fields": {"error": said, "remedy": error.remedy}})
        raise
    finally:
        logger.removeHandler(hand)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        listener.stop()
        file.close()


def log_skipped(bad: Sequence[Bad], total: int) -> None:
    """Records of the files that are no questions: those of `bad`, and how many there are."""
    for one in bad:
        rows.warning("row skipped", extra={"fields": one._asdict()})
    if total:
        rows.warning("rows skipped", extra={"fields": {"total": total, "logged": len(bad)}})


def log_event(event: Mapping[str, Json]) -> None:
    """A run's events in the log: its beginning, what is asked again, its end. A listener."""
    kind = event["event"]
    if kind == "job":
        log.info("run begins", extra={"fields": pick(event, "model", "suite", "number", "jobs")})
    elif kind == "retry":
        log.warning("asked again", extra={"fields": pick(event, "model", "item", "reason")})
    elif kind == "say":
        log.debug("%s", event["text"], extra={"fields": pick(event, "model")})
    elif kind == "summary":
        failed = "error" in event
        names = ("model", "run_id", "state", "n", "score", "passed", "failed", "average_duration_s", "error")
        log.log(logging.ERROR if failed else logging.INFO, "run ends", extra={"fields": pick(event, *names)})


def pick(event: Mapping[str, Json], *names: str) -> dict[str, Json]:
    return {name: event[name] for name in names if name in event}
