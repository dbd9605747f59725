"""Tiny models with hand-set weights: of known speed class and known ability, under the real engine.

`write_model` makes a GGUF of a few megabytes that llama.cpp runs like any other. It babbles, or answers
chosen prompts with chosen probabilities; `docs/models.md` tells what that is good for, and how the weights
do it is in `weights.py`. Nothing is downloaded, nothing is trained. numpy is imported only while writing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tiltyard.errors import UsageError
from tiltyard.records import Model
from tiltyard.servers.gguf_file import read_gguf
from tiltyard.servers.tiny.spec import PRESETS, SIZES, Answer, Call, Say, TinySpec, check

__all__ = [
    "PRESETS",
    "SIZES",
    "Answer",
    "Call",
    "Say",
    "TinySpec",
    "read_answers",
    "write_model",
]


def write_model(path: Path | str, spec: TinySpec) -> Model:
    """Write a model file and return its identity. Raises UsageError where the spec cannot be met."""
    from tiltyard.servers.tiny.writing import write

    check(spec)
    path = Path(path).expanduser()
    write(path, spec)
    return read_gguf(path)


def read_answers(path: Path | None = None) -> tuple[Answer, ...]:
    """The answers in a JSON file: a list of objects as `Answer` says. Without a path: built-in examples."""
    source = path or Path(__file__).with_name("answers.json")
    try:
        return msgspec.json.decode(source.read_bytes(), type=tuple[Answer, ...])
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}", "check the path") from None
    except msgspec.DecodeError as error:
        form = 'write [{"when": "some words", "say": "the answer"}, ...]'
        raise UsageError(f"{source}: {error}", form) from None
