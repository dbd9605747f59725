"""Reads the question and answer files of the Berkeley Function Calling Leaderboard from a local folder.

Every line is checked once, with file and line in each complaint; afterwards items are read by their place,
one by one. Only single-turn categories in Python are asked; others are named as skipped, never counted.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from tiltyard.errors import UsageError
from tiltyard.suites.regular import regular

NAME = re.compile(r"BFCL_v(\d+)_(\w+)\.json")
VERSIONS = (3, 4)
OLD_NAMES = {
    "simple": "simple_python",
    "java": "simple_java",
    "javascript": "simple_javascript",
}  # version 3's
WITH_ANSWERS = (
    "simple_python", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
WITHOUT = ("irrelevance", "live_irrelevance", "live_relevance")
CATEGORIES = (*WITH_ANSWERS, *WITHOUT)
PLACES = (".", "data", "bfcl_eval/data")  # below the given folder, also in an unpacked wheel
LONGEST_LINE = 4 << 20

Kind = TypeVar("Kind")


class Function(msgspec.Struct, frozen=True):
    """A function's description; its types have the data set's own names."""

    name: str
    parameters: dict[str, Any]
    description: str = ""


class Said(msgspec.Struct, frozen=True):
    role: str
    content: str


class Question(msgspec.Struct, frozen=True):
    """One line of a question file."""

    id: str
    question: list[list[Said]]
    function: list[Function]


class Answer(msgspec.Struct, frozen=True):
    """One line of an answer file: a call each, with the acceptable values of every parameter."""

    id: str
    ground_truth: list[dict[str, dict[str, list[Any]]]]


class Category(NamedTuple):
    """A category's files, and where each line of them begins."""

    name: str
    questions: Path
    answers: Path | None
    places: array[int]
    answer_places: array[int]  # in the order of the questions
    hash: str
    broken: tuple[str, ...] = ()  # what is wrong with questions left out

    def read(self, number: int) -> tuple[Question, Answer | None]:
        """Question and answer by their number."""
        question = msgspec.json.decode(line_at(self.questions, self.places[number]), type=Question)
        if self.answers is None:
            return question, None
        return question, msgspec.json.decode(line_at(self.answers, self.answer_places[number]), type=Answer)


class Folder(NamedTuple):
    """What can be asked, the names of what is there but cannot, and what is wrong with what was left out."""

    categories: tuple[Category, ...]
    skipped: tuple[str, ...]
    hash: str
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(category.places) for category in self.categories)

    def find(self, number: int) -> tuple[Category, int]:
        """The category and the place in it of an item's number."""
        for category in self.categories:
            if number < len(category.places):
                return category, number
            number -= len(category.places)
        raise IndexError(number)


def line_at(path: Path, place: int) -> bytes:
    with path.open("rb") as file:
        file.seek(place)
        return file.readline(LONGEST_LINE)


def open_folder(path: Path, wanted: Sequence[str] = ()) -> Folder:
    """Check and index a folder. A category that does not hold is left out where it was not asked for by name.

    Raises UsageError with file and line for one that was, and where nothing is left.
    """
    names = list(map(now_called, wanted))
    unknown = [name for name in names if name not in CATEGORIES]
    if unknown:
        raise UsageError(
            f"{unknown[0]} cannot be asked: only single questions in Python are",
            "choose from: " + ", ".join(CATEGORIES),
        )
    files, others = question_files(path)
    missing = [name for name in names if name not in files]
    if missing:
        raise no_file(path, missing[0], files, others)
    chosen = [name for name in CATEGORIES if name in files and (not names or name in names)]
    if not chosen:
        raise UsageError(
            f"{path}: none of its files can be asked: {', '.join(sorted(files))}",
            "it needs single-turn questions in Python, such as BFCL_v4_simple_python.json",
        )
    categories: list[Category] = []
    broken: list[UsageError] = []
    for name in chosen:
        try:
            categories.append(category_of(name, files[name]))
        except UsageError as error:
            broken.append(error)
    if broken and (names or not categories):
        raise broken[0]
    skipped = tuple(sorted(name for name in files if name not in CATEGORIES))
    digest = hashlib.sha256("".join(category.hash for category in categories).encode()).hexdigest()[:16]
    told = [said for category in categories for said in category.broken]
    odd = () if names else map(of_odd_version, others)
    return Folder(tuple(categories), skipped, digest, (*odd, *map(str, broken), *told))


def now_called(category: str) -> str:
    """The name of a category in the newest version."""
    return OLD_NAMES.get(category, category)


def no_file(path: Path, name: str, files: Collection[str], others: Sequence[Path]) -> UsageError:
    """What is said of a category without a file; one of a version that is not known is named."""
    for other in others:
        if (match := NAME.fullmatch(other.name)) and now_called(match[2]) == name:
            return UsageError(f"no file for {name}: {of_odd_version(other)}", "known are versions 3 and 4")
    return UsageError(f"{path} has no file for {name}", "it has: " + ", ".join(sorted(files)))


def of_odd_version(file: Path) -> str:
    return f"{file}: of a version that is not known"


def question_files(path: Path) -> tuple[Mapping[str, Path], Sequence[Path]]:
    """Question files by category, and those of another version. Raises UsageError where there are none that
    can be read.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is no folder", "--bfcl takes the folder with BFCL_v4_*.json")
    found: dict[str, tuple[int, Path]] = {}
    others: list[Path] = []
    for place in PLACES:
        for file in sorted((path / place).glob("BFCL_v*.json")):
            match = NAME.fullmatch(file.name)
            if match is None or int(match[1]) not in VERSIONS:
                others.append(file)
                continue
            version, name = int(match[1]), now_called(match[2])
            if version >= found.get(name, (0, file))[0]:
                found[name] = version, file
        if found:
            return {name: file for name, (_, file) in found.items()}, others
    if others:
        raise UsageError(of_odd_version(others[0]), "known are versions 3 and 4")
    raise UsageError(f"{path} has no files BFCL_v4_*.json", "the bfcl-eval wheel has them in bfcl_eval/data")


def category_of(name: str, questions: Path) -> Category:
    """Index one category, checking every line. Raises UsageError with file and line."""
    digest = hashlib.sha256()
    places, ids = array("q"), dict[str, int]()
    for number, place, line in lines_of(questions, digest):
        where = f"{questions}, line {number}"
        question = checked(line, Question, where)
        if question.id in ids:
            raise UsageError(f"{where}: the id {question.id} occurs twice", "remove one of them")
        if len(question.question) != 1:
            raise UsageError(
                f"{where}: {len(question.question)} turns where one was expected", "use other files"
            )
        if not question.function and name in WITH_ANSWERS:
            raise UsageError(f"{where}: it has no function", "use the files as they were published")
        odd = next((each.name for each in question.function if not well_formed(each)), None)
        if odd is not None:
            raise UsageError(f"{where}: the parameters of {odd[:80]} are no description", "use other files")
        ids[question.id] = len(places)
        places.append(place)
    if not places:
        raise UsageError(f"{questions} is empty", "use the files as they were published")
    if name in WITHOUT:
        return Category(name, questions, None, places, array("q"), digest.hexdigest())
    answers = questions.parent / "possible_answer" / questions.name
    found, twice = answer_places(answers, questions, ids, digest)
    kept = [at for name, at in ids.items() if name not in twice]
    if not kept:
        raise UsageError(next(iter(twice.values())), "remove one of the two answers")
    places, found = (array("q", (each[at] for at in kept)) for each in (places, found))
    return Category(name, questions, answers, places, found, digest.hexdigest(), tuple(twice.values()))


def well_formed(function: Function) -> bool:
    """Are `properties` an object of objects and `required` a list of names, where they are there?"""
    properties, required = function.parameters.get("properties", {}), function.parameters.get("required", [])
    return (
        isinstance(properties, dict)
        and all(isinstance(each, dict) for each in properties.values())
        and isinstance(required, list)
        and all(isinstance(each, str) for each in required)
    )


def answer_places(
    answers: Path, questions: Path, ids: Mapping[str, int], digest: Any
) -> tuple[array[int], dict[str, str]]:
    """Where each question's answer is, and what is said of those with two. Raises UsageError where one is
    missing.
    """
    if not answers.exists():
        raise UsageError(f"{answers} is missing", f"it has the answers to {questions.name}")
    found, twice = array("q", [-1]) * len(ids), dict[str, str]()
    for number, place, line in lines_of(answers, digest):
        answer = checked(line, Answer, f"{answers}, line {number}")
        if any(len(call) != 1 for call in answer.ground_truth) or not answer.ground_truth:
            raise UsageError(f"{answers}, line {number}: not one function per call", "use other files")
        if answer.id in ids and found[ids[answer.id]] >= 0:
            why = "is answered twice, and which answer is meant cannot be told: the question is not asked"
            twice.setdefault(answer.id, f"{answers}, line {number}: {answer.id} {why}")
        elif answer.id in ids:
            found[ids[answer.id]] = place
    without = next((name for name, at in ids.items() if found[at] < 0), None)
    if without is not None:
        raise UsageError(f"{answers} has no answer to {without}", f"it must answer all of {questions.name}")
    return found, twice


def lines_of(path: Path, digest: Any) -> Iterator[tuple[int, int, bytes]]:
    """Number, place and text of each line that is not blank; without a byte order mark."""
    regular(path)
    try:
        with path.open("rb") as file:
            place = len(BOM_UTF8) if file.read(len(BOM_UTF8)) == BOM_UTF8 else 0
            file.seek(place)
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
                if len(line) > LONGEST_LINE:
                    raise UsageError(f"{path}, line {number}: longer than 4 MiB", "JSON lines are expected")
                digest.update(line)
                if line.strip():
                    yield number, place, line
                place += len(line)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check --bfcl") from None


def checked(line: bytes, kind: type[Kind], where: str) -> Kind:
    """A line as a record; raises UsageError with its place."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(
            f"{where}: {error}", "the files are JSON lines, as in versions 3 and 4 of the leaderboard"
        ) from None
