"""The identity of a model file, read from its GGUF header: no tensor data is touched, no numpy imported.

A header of 150,000 tokens is hopped over in tens of milliseconds (`docs/decisions/0010-gguf-identity.md` has
the figures and says why the `gguf` package's own reader is used for the tests only). The digest is the
SHA-256 of the whole file, remembered by path, size and modification time. Split files are refused.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tiltyard.errors import EngineError, ModelNotFound
from tiltyard.records import Json, Model, Record
from tiltyard.servers import moe, names
from tiltyard.servers.ggml_types import FILE_TYPES, GGML_TYPES

GUESSED = 1024  # flag in the file type: the name was guessed from the tensors

SCALARS: Mapping[int, str] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
STRING, ARRAY = 8, 9
KEPT_ARRAY = 256  # longer arrays of numbers, and all arrays of strings, are kept as their length only

SPLIT_NAME = re.compile(r"-(\d{5})-of-(\d{5})$")
GIVE_A_FILE = "give the path of a *.gguf file"
EMBEDDERS = ("bert", "nomic-bert", "jina-bert-v2", "gemma-embedding", "t5encoder")


class Length(NamedTuple):
    """Stands for an array that was hopped over."""

    entries: int


class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    kind: int  # ggml type id
    offset: int  # from the start of the tensor data

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int | None:
        """Bytes in the file; None for a tensor type that is not known here."""
        if self.kind not in GGML_TYPES:
            return None
        _, block, size = GGML_TYPES[self.kind]
        return self.elements // block * size


class Header(Record, frozen=True):
    """Everything before the tensor data."""

    version: int
    metadata: Mapping[str, Json]
    tensors: tuple[Tensor, ...]
    data_start: int

    @property
    def architecture(self) -> str | None:
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """A whole number under `<architecture>.key`, or None."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def chat_template(self) -> str | None:
        value = self.metadata.get("tokenizer.chat_template")
        return value if isinstance(value, str) and value.strip() else None


# ------------------------------------------------------------------ the file's bytes


class _Cursor:
    """A place in the mapped file. Running off its end raises IndexError: the file is cut short or damaged."""

    def __init__(self, data: mmap.mmap, order: str) -> None:
        self.data = data
        self.at = 0
        self.u32 = struct.Struct(order + "I")
        self.u64 = struct.Struct(order + "Q")
        self.scalars = {kind: struct.Struct(order + code) for kind, code in SCALARS.items()}

    def take(self, form: struct.Struct) -> Json:
        end = self.at + form.size
        if end > len(self.data):
            raise IndexError("end of file")
        (value,) = form.unpack_from(self.data, self.at)
        self.at = end
        return value

    def skip(self, count: int) -> int:
        """Move on by `count` bytes; returns where it was."""
        start = self.at
        if count > len(self.data) - start:
            raise IndexError("end of file")
        self.at = start + count
        return start

    def text(self) -> str:
        length = self.take(self.u64)
        start = self.skip(length)
        return self.data[start : start + length].decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Json:
        if kind == STRING:
            return self.text()
        if kind == ARRAY and depth < 4:
            return self._array(depth)
        if kind not in self.scalars:
            raise IndexError(f"value type {kind}")
        return self.take(self.scalars[kind])

    def _array(self, depth: int) -> Json:
        kind, count = self.take(self.u32), self.take(self.u64)
        if kind == STRING:
            self._skip_strings(count)
            return Length(count)
        if kind in self.scalars and count > KEPT_ARRAY:
            self.skip(count * self.scalars[kind].size)
            return Length(count)
        return [self.value(kind, depth + 1) for _ in range(count)]

    def _skip_strings(self, count: int) -> None:
        # The hot loop: half a million strings in a large vocabulary.
        data, at, unpack = self.data, self.at, self.u64.unpack_from
        try:
            for _ in range(count):
                at += 8 + unpack(data, at)[0]
        except struct.error:
            raise IndexError("end of file") from None
        if at > len(data):
            raise IndexError("end of file")
        self.at = at


def read_header(path: Path) -> Header:
    """The header of a GGUF file.

    Raises ModelNotFound where there is no such file, EngineError where it is not a whole GGUF file.
    """
    size = _size(path)
    with path.open("rb") as file:
        start = file.read(8)
        if start[:4] != b"GGUF" or len(start) < 8:
            raise EngineError(f"{path} is not a GGUF file{_looks_like(start)}", GIVE_A_FILE)
        # A big-endian file shows its small version number in the upper half.
        order = "<" if struct.unpack("<I", start[4:])[0] & 0xFFFF else ">"
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            try:
                header = _parse(_Cursor(data, order))
            except (IndexError, MemoryError, OverflowError) as error:
                raise EngineError(
                    f"{path} ends in the middle of its header or is damaged ({error})", "download it again"
                ) from None
    if header.version not in (2, 3):
        raise EngineError(
            f"{path} has GGUF version {header.version}; versions 2 and 3 can be read", "convert it again"
        )
    needed = max((header.data_start + t.offset + (t.nbytes or 0) for t in header.tensors), default=0)
    if needed > size:
        raise EngineError(f"{path} is cut short: {size:,} of {needed:,} bytes", "download it again")
    return header


def _parse(cursor: _Cursor) -> Header:
    cursor.skip(4)
    version = cursor.take(cursor.u32)
    if version not in (2, 3):
        return Header(version=version, metadata={}, tensors=(), data_start=0)
    n_tensors, n_values = cursor.take(cursor.u64), cursor.take(cursor.u64)
    metadata: dict[str, Json] = {}
    for _ in range(n_values):
        key = cursor.text()
        metadata[key] = cursor.value(cursor.take(cursor.u32))
    tensors = []
    for _ in range(n_tensors):
        name, n_dims = cursor.text(), cursor.take(cursor.u32)
        if n_dims > 8:
            raise IndexError(f"a tensor of {n_dims} dimensions")
        shape = tuple(cursor.take(cursor.u64) for _ in range(n_dims))
        tensors.append(Tensor(name, shape, cursor.take(cursor.u32), cursor.take(cursor.u64)))
    alignment = metadata.get("general.alignment")
    step = alignment if isinstance(alignment, int) and alignment > 0 else 32
    return Header(
        version=version,
        metadata=metadata,
        tensors=tuple(tensors),
        data_start=-(-cursor.at // step) * step,
    )


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            inside = sorted(file.name for file in path.glob("*.gguf"))[:3]
            hint = f"name a file in it, such as {path / inside[0]}" if inside else GIVE_A_FILE
            raise ModelNotFound(f"{path} is a folder, not a GGUF file", hint)
        return path.stat().st_size
    except (OSError, ValueError) as error:  # missing, not readable, or a name that the system cannot hold
        near = names.nearest(path.name, _neighbours(path.parent))
        remedy = f"did you mean {', '.join(near)}?" if near else "check the path"
        reason = getattr(error, "strerror", None) or error
        raise ModelNotFound(f"no model file at {names.shown(str(path))} ({reason})", remedy) from None


def _neighbours(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.lower().endswith(".gguf")]
    except OSError:
        return []


def _looks_like(start: bytes) -> str:
    if not start:
        return ": it is empty"
    if start.startswith(b"version "):
        return ": it is a Git LFS pointer, the model itself was not downloaded"
    if start.lstrip().lower().startswith((b"<!doc", b"<html")):
        return ": it is a web page"
    if start[:2] == b"PK" or start[:4] == b"\x80\x02\x8a\x0a":
        return ": it is a PyTorch file"
    return ""


# ------------------------------------------------------------------ the identity


def read_gguf(path: Path | str, *, hashed: bool = True) -> Model:
    """The identity of a model file, named by its file's stem.

    `hashed=False` leaves the digest out (a listing need not read gigabytes). Raises as `read_header`
    does, and for split files, adapters and projectors, which are no models by themselves.
    """
    path = Path(path).expanduser()
    header = read_header(path)
    _refuse_parts(path, header)
    size = path.stat().st_size
    experts = moe.from_metadata(header.metadata)
    sizes = ((tensor.name, tensor.elements) for tensor in header.tensors)
    parameters, active = moe.counted(sizes, experts) or (None, None)
    quantization, notes = _quantization(path, header)
    if header.chat_template is None:
        notes = (*notes, "no chat template in the file: the engine falls back to its own (ChatML)")
    return Model(
        name=path.stem,
        digest=digest(path) if hashed else None,
        architecture=header.architecture,
        moe=experts.moe,
        parameters=parameters,
        active_parameters=active,
        quantization=quantization,
        bits_per_weight=size * 8 / parameters if parameters else None,
        context_max=header.number("context_length"),
        size_bytes=size,
        capabilities=_capabilities(header),
        path=str(path.resolve()),
        notes=notes,
    )


def _refuse_parts(path: Path, header: Header) -> None:
    split = SPLIT_NAME.search(path.stem)
    parts = header.metadata.get("split.count")
    if split or (isinstance(parts, int) and parts > 1):
        of = int(split[2]) if split else parts
        raise EngineError(
            f"{path.name} is one part of a model split into {of} files",
            "join them: llama-gguf-split --merge FIRST-PART OUT.gguf",
        )
    kind = header.metadata.get("general.type")
    if kind not in (None, "model") or header.architecture in ("clip", None):
        what = kind if kind not in (None, "model") else header.architecture or "file of no architecture"
        raise EngineError(
            f"{path.name} is no language model but a {what}", "give the language model's own file"
        )
    if not header.tensors:
        raise EngineError(f"{path.name} holds no weights, only a vocabulary", "give a whole model file")


def _quantization(path: Path, header: Header) -> tuple[str | None, tuple[str, ...]]:
    """The name of the quantization: what the file says, else its commonest tensor type, else its name."""
    label = names.quantization(path.stem)
    file_type = header.metadata.get("general.file_type")
    if isinstance(file_type, int):
        name = FILE_TYPES.get(file_type & ~GUESSED, "-")
        if name != "-":
            differs = label is not None and label != name
            return name, ((f"its file name says {label}",) if differs else ())
    weights: Counter[str] = Counter()
    for tensor in header.tensors:
        if len(tensor.shape) > 1 and tensor.kind in GGML_TYPES:
            weights[GGML_TYPES[tensor.kind][0]] += tensor.elements
    if weights:
        return weights.most_common(1)[0][0], ()
    return label, ()


def _capabilities(header: Header) -> tuple[str, ...]:
    if header.architecture in EMBEDDERS or header.number("pooling_type") is not None:
        return ("embedding",)
    template = header.chat_template or ""
    found = ["completion", "schema"]  # the grammar is the engine's, whatever the model
    if "tools" in template or "tool_call" in template:
        found.append("tools")
    if any(word in template for word in ("<think", "enable_thinking", "reasoning_content", "thinking")):
        found.append("thinking")
    return tuple(found)


# ------------------------------------------------------------------ the digest


class _Remembered(msgspec.Struct):
    size: int
    mtime_ns: int
    sha256: str


def digest(path: Path, *, cache: Path | None = None) -> str:
    """SHA-256 of the whole file (64 hex digits): what Ollama and model hubs call it, too.

    A file of the same path, size and modification time is not read again.
    """
    book = (cache or cache_folder()) / "digests.json"
    key, stat = str(path.resolve()), path.stat()
    known = _load_book(book)
    old = known.get(key)
    if old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return old.sha256
    with path.open("rb") as file:
        value = hashlib.file_digest(file, "sha256").hexdigest()
    known = {place: entry for place, entry in known.items() if os.path.exists(place)}
    known[key] = _Remembered(stat.st_size, stat.st_mtime_ns, value)
    _save_book(book, known)
    return value


def cache_folder() -> Path:
    """Where things are kept that can be made again: the platform's cache folder."""
    import platformdirs

    return platformdirs.user_cache_path("tiltyard")


def _load_book(book: Path) -> dict[str, _Remembered]:
    try:
        return msgspec.json.decode(book.read_bytes(), type=dict[str, _Remembered])
    except (OSError, msgspec.DecodeError):  # a lost cache costs time, nothing else
        return {}


def _save_book(book: Path, known: dict[str, _Remembered]) -> None:
    aside = book.with_suffix(f".{os.getpid()}")
    try:
        book.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(msgspec.json.encode(known))
        os.replace(aside, book)  # whole or not at all: several processes may write it
    except (OSError, UnicodeEncodeError):  # a read-only home, a path that is no UTF-8: hash again next time
        aside.unlink(missing_ok=True)


def is_model_path(name: str) -> bool:
    """Whether a model name means a file: it ends in .gguf, or is an existing file that starts as one."""
    if name.lower().endswith(".gguf"):
        return True
    try:
        with Path(name).expanduser().open("rb") as file:
            return file.read(4) == b"GGUF"
    except (OSError, ValueError, RuntimeError):  # no such file, a name no system can hold, no such home
        return False
