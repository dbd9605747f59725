"""Which files a set of questions is made of: those named, and those of a folder by their endings.

What a folder holds beside them that people keep questions in is counted in a note, so that nobody misses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tiltyard.errors import UsageError
from tiltyard.suites.regular import regular

READ = (".csv", ".jsonl", ".tsv", ".ndjson")  # in a folder, in any case
NO_TEXT = (
    ".parquet", ".arrow", ".feather", ".xlsx", ".xls", ".ods", ".gz", ".bz2", ".xz", ".zst", ".zip",
)  # fmt: skip
PERHAPS = (*READ, ".json", *NO_TEXT)  # that people keep questions in
SAVE_AS = "to be saved as CSV or JSONL"


def files_in(paths: Sequence[Path], pattern: str | None = None) -> list[Path]:
    """The files that some paths stand for; folders are searched for `pattern`. Raises UsageError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = read_in(path, pattern)
            if not inside:
                wanted = pattern or " or ".join(f"*{ending}" for ending in READ[:3])
                others = [each for each in path.glob("*") if is_perhaps(each)]
                raise UsageError(
                    f"{path} holds no file like {wanted}" + (f", but {counted(others)}" if others else ""),
                    remedy(others) if others else "name a file, or set --csv-pattern",
                )
            found += inside
        elif path.exists():
            regular(path)
            found.append(path)
        else:
            raise UsageError(f"there is no file or folder {path}", "check the path")
    return list(dict.fromkeys(found))


def read_in(folder: Path, pattern: str | None) -> list[Path]:
    """The files of a folder that are read, in order."""
    if pattern:
        return sorted({each for each in folder.glob(pattern) if each.is_file()})
    return sorted(each for each in folder.glob("*") if each.suffix.lower() in READ and each.is_file())


def passed_over(paths: Sequence[Path], pattern: str | None = None) -> str | None:
    """A note on the files of the folders that may hold questions and are not read."""
    folders = list(dict.fromkeys(path for path in paths if path.is_dir()))
    read = set(files_in(paths, pattern))
    others = {folder: [x for x in folder.glob("*") if x not in read and is_perhaps(x)] for folder in folders}
    having = [folder for folder in folders if others[folder]]
    if not having:
        return None
    left = [each for folder in having for each in others[folder]]
    where = str(having[0]) if len(having) == 1 else f"{len(having):,} folders"
    return f"not read, in {where}: {counted(left)}: {remedy(left)}"


def is_perhaps(path: Path) -> bool:
    return path.suffix.lower() in PERHAPS and path.is_file()


def counted(files: Sequence[Path]) -> str:
    """How many, and of which endings."""
    endings = sorted(Counter(each.suffix.lower() for each in files).items())
    said = ", ".join(f"{ending} {count:,}" for ending, count in endings)
    return f"{len(files):,} file{'s' if len(files) > 1 else ''} ({said})"


def remedy(files: Sequence[Path]) -> str:
    no_text = sum(each.suffix.lower() in NO_TEXT for each in files)
    name = f"name {'them' if len(files) > 1 else 'it'} or set --csv-pattern"
    if no_text == len(files):
        return SAVE_AS
    return f"{name}; those that are no text are {SAVE_AS}" if no_text else name


def names_of(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its stem, with as many folders as it takes to tell it from the others."""
    names = [path.stem for path in paths]
    depth = 0
    while len(set(names)) < len(names) and depth < 20:
        depth += 1
        twice = {name for name, count in Counter(names).items() if count > 1}
        names = [
            "/".join((*path.resolve().parts[-1 - depth : -1], path.stem)) if name in twice else name
            for name, path in zip(names, paths, strict=True)
        ]
    if len(set(names)) < len(names):  # the same stem twice in one folder
        names = [
            path.name if names.count(name) > 1 else name for name, path in zip(names, paths, strict=True)
        ]
    return names
