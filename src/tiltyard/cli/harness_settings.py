"""Settings under the names of a multiple-choice harness that people come from: MODEL_NAME and so on.

Such plain names may mean anything to other programs, so only `tiltyard run mcq` listens to them, and what
serves /metrics to those of its address. A flag outweighs the environment, which outweighs `.env`.
OLLAMA_BASE_URL is a setting like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tiltyard.errors import UsageError
from tiltyard.settings import load_settings, variable, where_set


class Plain(NamedTuple):
    """One variable: the option that it stands for, how its text is read, what it means."""

    option: str
    read: Callable[[str], Any]
    help: str
    decides: bool = True  # what is asked, and how: it belongs into the command that asks it again
    other: str = ""  # the option's usual name, where it has two
    heard_by: str = "`run mcq` alone"


def integer(text: str, least: int, most: float, words: str) -> int:
    """A whole number, written as one: 4.0 and 1e3 are none."""
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", text) or not least <= int(text) <= most:
        raise ValueError(f"it must be {words}")
    return int(text)


def whole(least: int) -> Callable[[str], int]:
    return lambda text: integer(text, least, float("inf"), f"a whole number, {least} or more")


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError("it must be a finite number, 0 or more")
    return number


def port(text: str) -> int:
    return integer(text, 0, 65_535, "a port: a whole number from 0 to 65535")


def switch(text: str) -> bool:
    word = text.casefold()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError("it must be true or false")


VARIABLES: Mapping[str, Plain] = {
    "MODEL_NAME": Plain("model", lambda text: (text,), "The model, where no --model is given."),
    "OUTPUT_DIR": Plain("output_dir", Path, "Folder of the log file.", decides=False),
    "VERBOSE": Plain("verbose", switch, "A line for every answer; whole replies in the log.", decides=False),
    "MAX_RETRIES": Plain(
        "max_retries", whole(0), "Further tries where a request fails on its way.", other="retries"
    ),
    "RATE_LIMIT_DELAY": Plain("rate_limit_delay", seconds, "Seconds of rest after each batch."),
    "BATCH_SIZE": Plain("batch_size", whole(1), "Questions at once.", other="concurrency"),
    "METRICS_PORT": Plain(
        "metrics_port",
        port,
        "Serve /metrics there, during the run and after it.",
        decides=False,
        heard_by="`run mcq` and `serve`",
    ),
    "METRICS_HOST": Plain(
        "metrics_host",
        str,
        "Address that /metrics listens on; 127.0.0.1 unless set.",
        decides=False,
        heard_by="`serve` and every run with --metrics-port",
    ),
    "CSV_PATTERN": Plain("csv_pattern", str, "Which files of a folder are read."),
}


TWO_NAMES = {"retries": "max_retries", "concurrency": "batch_size", "server": "base_url"}


def check_names(options: Mapping[str, Any]) -> None:
    """Raise UsageError where the two names of one setting were given two values."""
    for pair in TWO_NAMES.items():
        values = {options[name] for name in pair if options.get(name) is not None}
        if len(values) > 1:
            one, other = (f"--{name.replace('_', '-')}" for name in pair)
            raise UsageError(f"{one} and {other} are one setting, and have two values", f"give {one} alone")


def with_environment(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with those that were not given taken from the environment. Raises UsageError.

    `environment` among them are the words that would have given them: those that decide what is asked.
    """
    check_names(options)
    found, words = dict(options), []
    for name, plain in VARIABLES.items():
        named = plain.option == "model" and (found.get("models") or found.get("all_models"))
        given = named or any(found.get(each) not in (None, ()) for each in (plain.option, plain.other))
        if not given and (text := (variable(name) or "").strip()):
            found[plain.option] = value_of(name, plain, text)
            words += [f"--{plain.option.replace('_', '-')}", text] if plain.decides else []
    return {**found, "environment": tuple(words)}


def environment(name: str) -> Any:
    """The value of one variable; None where it is not set. Raises UsageError."""
    text = (variable(name) or "").strip()
    return value_of(name, VARIABLES[name], text) if text else None


def value_of(name: str, plain: Plain, text: str) -> Any:
    try:
        return plain.read(text)
    except ValueError as error:
        reason = str(error) if str(error).startswith("it must") else "it must be a number"
        where = where_set(name)
        remedy = (
            f"unset {name}" if where == "environment" else f"change or delete the line {name}= in {where}"
        )
        raise UsageError(f"{where} ({name}): {text!r}: {reason}", remedy) from None


def ollama_named() -> str | None:
    """The address in OLLAMA_BASE_URL, where that names Ollama's, and no source as strong names the server."""
    settings = load_settings()
    named = "OLLAMA_BASE_URL" in settings.origin("ollama_url")
    return settings.ollama_url if named and settings.rank("ollama_url") > settings.rank("server") else None


def shown() -> list[dict[str, str | None]]:
    """Every variable with its text and where it is set, for `tiltyard config show`."""
    rows: list[dict[str, str | None]] = []
    for name, plain in VARIABLES.items():
        text = variable(name)
        origin, help_ = where_set(name) if text else None, f"Heard by {plain.heard_by}. {plain.help}"
        rows.append({"name": name, "value": text, "origin": origin, "help": help_})
    return rows
