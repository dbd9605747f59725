"""The words of a question: templates with {question}, {options} and {letters}, and worked examples before it.

Templates are files, the shipped ones beside this module; their text is a setting, so the fingerprint
holds it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tiltyard.errors import UsageError
from tiltyard.records import Message
from tiltyard.suites.mcq.layouts import LETTERS
from tiltyard.suites.regular import regular

SHIPPED = {False: "plain.txt", True: "reasons.txt"}  # by --cot
LONGEST = 100_000  # characters of a template
_PLACES = re.compile(r"\{(question|options|letters)\}")
_OTHERS = re.compile(r"(?<!\w)\{(?!(?:question|options|letters)\})([A-Za-z_]\w+)\}")  # not \boxed{answer}
REMEDY = "write {question} and {options} where they shall stand; {letters} may stand too"


def shipped_template(reasons: bool) -> str:
    """The text of a template of ours."""
    return files("tiltyard.suites.mcq").joinpath("data", SHIPPED[reasons]).read_text(encoding="utf-8")


def read_template(path: Path) -> str:
    """The text of a user's template. Raises UsageError."""
    regular(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "check the path given to --prompt"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from None
    return checked_template(text, str(path))


def checked_template(text: str, where: str) -> str:
    """The same text; raises UsageError for one that does not ask the question."""
    missing = [f"{{{name}}}" for name in ("question", "options") if f"{{{name}}}" not in text]
    if missing:
        raise UsageError(f"{where} has no {' and no '.join(missing)}", REMEDY)
    if len(text) > LONGEST:
        raise UsageError(f"{where} is longer than {LONGEST:,} characters", "shorten it")
    return text


def unknown_places(template: str) -> list[str]:
    """What looks like a place in a template and is none: it would be asked as it stands."""
    return list(dict.fromkeys(f"{{{name}}}" for name in _OTHERS.findall(template)))


def rendered(template: str, question: str, options: Sequence[str]) -> str:
    """The prompt of one question; what stands in the question itself is never replaced."""
    letters = LETTERS[: len(options)]
    values = {
        "question": question,
        "options": "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)),
        "letters": ", ".join(letters[:-1]) + f" or {letters[-1]}",
    }
    return _PLACES.sub(lambda match: values[match[1]], template).strip()


def example(template: str, question: str, options: Sequence[str], letter: str) -> tuple[Message, Message]:
    """A question with its answer, as a turn of the conversation."""
    return (
        Message(role="user", content=rendered(template, question, options)),
        Message(role="assistant", content=f"Answer: {letter}"),
    )
