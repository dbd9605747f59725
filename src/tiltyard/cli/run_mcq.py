"""`tiltyard run mcq`: the options of the multiple-choice suite, and the settings of a harness it replaces.

What they mean is in `suites/mcq/`. Environment variables such as MODEL_NAME and BATCH_SIZE are read by
`settings/`; a flag outweighs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from tiltyard.cli.conducting import run_jobs, serving
from tiltyard.cli.options import Common, Number
from tiltyard.cli.run_graded import check_opponent, graded_options, split_options
from tiltyard.errors import UsageError
from tiltyard.records import Json

if TYPE_CHECKING:
    from tiltyard.suites.mcq.reading import QuestionSet

SHOWN = 20  # bad rows
READINGS = ("letter", "text", "index0", "index1")  # as in suites/mcq/layouts.py, which help need not import
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

EPILOG = """\b
Examples:
  tiltyard run mcq --model qwen3:8b                   the sample set: 8 subjects
  tiltyard run mcq ./mmlu --model qwen3:8b            every CSV file of a folder, results by file
  tiltyard run mcq gpqa.csv -m M --rotations          every order of the options
  tiltyard run mcq exam.jsonl -m M --few-shot 5 --cot
  tiltyard run mcq ./mmlu -m M --limit 300 --json     for programs"""


@click.command(epilog=EPILOG)
@click.argument("paths", nargs=-1, metavar="[DIR|FILE ...]", type=click.Path(path_type=Path))
@click.option("--csv-pattern", metavar="GLOB", help="Which files of a folder.  [default: csv, tsv, jsonl]")
@click.option(
    "--answers", type=click.Choice(READINGS), help="How the files write answers; seen by itself mostly."
)
@click.option("--lenient", is_flag=True, help="Go on where more than 5 % of the rows are bad.")
@click.option("--prompt", "prompt_file", type=FILE, help="Template with {question}, {options}, {letters}.")
@click.option("--few-shot", type=click.IntRange(0, 50), help="So many first rows of each file as examples.")
@click.option("--examples", type=FILE, help="Take the examples from this file instead.")
@click.option("--cot", is_flag=True, default=None, help="Ask for reasons before the answer.")
@click.option("--shuffle/--no-shuffle", default=None, help="Draw the order of options; on unless told.")
@click.option("--rotations", is_flag=True, default=None, help="Ask each question in every rotation.")
@click.option("--logprobs/--no-logprobs", default=None, help="Calibration; on where the server can.")
@click.option("--base-url", metavar="URL", help="The same as --server.")
@click.option("--max-retries", type=click.IntRange(0), help="The same as --retries.")
@click.option("--batch-size", type=click.IntRange(1), help="The same as --concurrency.")
@click.option("--rate-limit-delay", type=Number(min=0), help="Seconds of rest after each batch; 0.")
@click.option("--output-dir", type=click.Path(path_type=Path), help="Folder of the log file.")
@click.option(
    "--verbose", is_flag=True, default=None, help="A line for every answer; whole replies in the log."
)
@graded_options
def mcq(paths: tuple[Path, ...], **options: Any) -> None:
    """Does it choose the right option? Your questions, or the sample set."""
    from tiltyard.cli.harness_settings import with_environment
    from tiltyard.cli.run_log import log_event, log_folder, log_skipped, logging_to
    from tiltyard.suites.mcq.questions import question_set

    if options["csv_pattern"] and not any(path.is_dir() for path in paths):
        raise UsageError("--csv-pattern chooses among the files of a folder", "name a folder, as in ./mmlu")
    options = with_environment(options)
    own = {name: options.pop(name) for name in OWN}
    common, settings = split_options(options)
    common = with_source(common, own)
    settings = {**renamed(own), **settings}
    settings |= content(paths, own, settings)
    checked(settings)
    check_opponent("mcq", settings, common)
    folder = log_folder(own["output_dir"], common.data_dir)
    with serving(common) as heard, logging_to(folder, bool(own["verbose"])) as path:
        click.echo(f"log: {path}", err=True)
        questions = question_set(settings["files"]["questions"], settings.get("answers"))
        log_skipped(questions.bad[:SHOWN], questions.bad_count)
        run_jobs({"mcq": settings}, common, True, [log_event, *heard])


OWN = (
    "csv_pattern",
    "lenient",
    "prompt_file",
    "examples",
    "base_url",
    "max_retries",
    "batch_size",
    "rate_limit_delay",
    "output_dir",
    "verbose",
)  # fmt: skip


def with_source(common: Common, own: dict[str, Any]) -> Common:
    """The server also under its other names; of two settings that of the stronger source."""
    from tiltyard.cli.choosing import only_files
    from tiltyard.cli.harness_settings import ollama_named

    server = own["base_url"] if common.server is None else common.server
    if server is not None or only_files(common):
        return replace(common, server=server)
    if (server := ollama_named()) is not None:
        return replace(common, server=server, environment=(*common.environment, "--server", server))
    return replace(common, server=server)


def renamed(own: dict[str, Any]) -> dict[str, Json]:
    """Settings under the names that all graded suites use."""
    names = {"max_retries": "retries", "batch_size": "concurrency", "rate_limit_delay": "pause_s"}
    return {name: own[other] for other, name in names.items() if own[other] is not None}


def content(paths: tuple[Path, ...], own: dict[str, Any], settings: dict[str, Json]) -> dict[str, Json]:
    """What is asked: files and template, by place and by content. Raises UsageError; tells of bad rows."""
    from tiltyard.cli.progress import clean
    from tiltyard.suites.mcq.files import files_in, passed_over
    from tiltyard.suites.mcq.prompts import read_template, shipped_template, unknown_places
    from tiltyard.suites.mcq.questions import question_set
    from tiltyard.suites.regular import regular

    chosen = [path.resolve() for path in files_in(paths, own["csv_pattern"])]
    if note := passed_over(paths, own["csv_pattern"]):
        click.echo(clean(note), err=True)
    answers = settings.get("answers")
    questions = question_set(chosen, answers)
    tell(questions)
    check_share(questions, own["lenient"])
    found: dict[str, Json] = {"files": {"questions": [str(path) for path in chosen]}}
    found |= {"items": questions.hash, "item_count": len(questions)}
    if own["examples"] is not None:
        regular(own["examples"])
        found["files"]["examples"] = str(own["examples"].resolve())
        found["examples"] = question_set([own["examples"].resolve()], answers).hash
    path = own["prompt_file"]
    found["prompt"] = read_template(path) if path else shipped_template(bool(settings.get("cot")))
    if path:
        found["files"]["prompt"] = str(path.resolve())
    if path and (others := unknown_places(found["prompt"])):
        said = f"warning: {path}: {', '.join(others[:SHOWN])}: sent as it stands"
        click.echo(clean(f"{said}; filled in are {{question}}, {{options}} and {{letters}}"), err=True)
    return found


def checked(settings: dict[str, Json]) -> None:
    """Raise UsageError for what cannot be meant, before a server is looked for."""
    from tiltyard.suites.graded import read_asking
    from tiltyard.suites.mcq.questions import Choosing, question_set, shots_of

    asking = read_asking(settings, Choosing)
    shots_of(asking, question_set(asking.files["questions"], asking.answers))


def defaults() -> dict[str, Json]:
    """The settings of a run of the sample set without any options."""
    return content((), {"csv_pattern": None, "lenient": False, "examples": None, "prompt_file": None}, {})


def tell(questions: QuestionSet) -> None:
    """Notes and bad rows, a line each, on standard error."""
    from tiltyard.cli.progress import clean

    for note in questions.notes:
        click.echo(clean(note), err=True)
    for bad in questions.bad[:SHOWN]:
        click.echo(f"skipped: {clean(str(bad))}", err=True)
    if questions.bad_count > SHOWN:
        click.echo(f"skipped: {questions.bad_count - SHOWN} more", err=True)


def check_share(questions: QuestionSet, lenient: bool) -> None:
    """Raise UsageError for a set without a question, or with too many bad rows."""
    from tiltyard.suites.mcq.reading import MOST_BAD

    if not len(questions):
        first = f": {questions.bad[0]}" if questions.bad else ""
        raise UsageError(f"not one question was found{first}", "docs/mcq.md has the formats")
    if questions.bad_share > MOST_BAD and not lenient:
        total = len(questions) + questions.bad_count
        raise UsageError(
            f"{questions.bad_count} of {total} rows are bad ({questions.bad_share:.0%})",
            "correct them, or go on without them: --lenient",
        )
