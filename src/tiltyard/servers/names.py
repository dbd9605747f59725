"""What model names, file names and parameter words give away, and which names mean the same model.

Names are somebody else's text: they hold slashes, colons, spaces, emoji, and may be very long. Nothing here
asks a server; identity proper (digests, tensor shapes) is in the dialects and `moe.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tiltyard.errors import ModelNotFound

SLIP_IN = 5  # letters that a word has at least in which a slip is told from another word
OFFERED = 3  # names that a message offers
LONGEST_SHOWN = 80  # characters of a name in a message
DATE = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")  # of a cloud's snapshot
A_PATH = re.compile(r"^(?:[/~.]|[A-Za-z]:\\)")
WEIGHTS = re.compile(r"\.(gguf|safetensors|bin)$", re.IGNORECASE)
QUANT = re.compile(
    r"(?:^|[-._@:/])((?:UD-|i1-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|BF16|F16|FP16|F32|MXFP4(?:_MOE)?|NVFP4"
    r"|FP8|AWQ|GPTQ(?:-Int[48])?|W[48]A(?:8|16)|INT[48]|[2-8]bit|bnb-4bit))(?=[-._@:/]|$)",
    re.IGNORECASE,
)
AMOUNT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMBT]?)\s*$", re.IGNORECASE)
TIMES = re.compile(r"^\s*\d+\s*x\s*\d+(?:\.\d+)?\s*[MBT]\s*$", re.IGNORECASE)
ACTIVE = re.compile(r"(?:^|[-_ ])A(\d+(?:\.\d+)?)([MB])(?=[-_. :@]|$)", re.IGNORECASE)
ACTIVE_BY_NAME = "active parameters by its name"  # note of a model: nobody told them
SCALES = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def shown(name: str) -> str:
    """A name fit for one line of a message: control characters escaped, the middle of a long one left out."""
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name)
    if len(safe) <= LONGEST_SHOWN:
        return safe
    half = LONGEST_SHOWN // 2 - 2
    return f"{safe[:half]} … {safe[-half:]}"


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that look most like this one, best first."""
    names = list(dict.fromkeys(known))
    if not names:
        return []
    wanted = name[:300].casefold()
    folded = {each: each.casefold() for each in names}
    inside = [each for each in names if wanted and wanted in folded[each]]
    by_fold = {folded[each]: each for each in names}
    close = [
        by_fold[each] for each in difflib.get_close_matches(wanted, list(by_fold), n=OFFERED, cutoff=0.4)
    ]
    return list(dict.fromkeys([*inside, *close]))[:OFFERED]


def mistyped(name: str, known: Iterable[str]) -> bool:
    """Is the name a listed one but for a slip in one longer word: a letter wrong, missing, too many, or two
    swapped? Digits, marks and short words tell models apart, so there nothing is a slip.
    """
    wanted = re.split(r"([a-z]+)", _fold(name))
    for each in known:
        listed = re.split(r"([a-z]+)", _fold(each))
        differ = [(a, b) for a, b in zip(wanted, listed, strict=False) if a != b]
        if len(wanted) == len(listed) and len(differ) == 1 and _slip(*differ[0]):
            return True
    return False


def _slip(a: str, b: str) -> bool:
    if max(len(a), len(b)) < SLIP_IN or not (a.isalpha() and b.isalpha()):
        return False
    same = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[same:], b[same:]
    return b in (a[1:], a[1:2] + a[:1] + a[2:]) or a[1:] == b[1:] or a == b[1:]


def not_found(name: str, known: Sequence[str], where: str) -> ModelNotFound:
    """The error for a model that is not there, with the nearest names as its remedy."""
    message = f"{where} has no model {shown(name)!r}"
    near = nearest(name, known)
    if near:
        return ModelNotFound(message, "did you mean " + " or ".join(shown(each) for each in near) + "?")
    if known:
        listed = ", ".join(shown(each) for each in list(known)[:5])
        return ModelNotFound(message, f"it has {listed}{' …' if len(known) > 5 else ''}")
    return ModelNotFound(message, "it has no models at all: load or pull one first")


def match(name: str, known: Sequence[str]) -> str | None:
    """The known name that is meant: the very same, else the only one that means the same model."""
    if name in known:
        return name
    for rule in (_fold, _without_latest, _stem):
        wanted = rule(name)
        hits = [each for each in known if rule(each) == wanted and _one_publisher(name, each)]
        if len(hits) == 1:
            return hits[0]
    return None


def same_model(asked: str, served: str | None) -> bool:
    """Is `served`, the name in an answer, a name of the model asked for? A missing one says nothing.

    The same are: names in another case, with `:latest`, folders, a publisher, or a file ending; a name
    and its snapshot of a full date; a name that leaves the quantization open and a file or a variant
    (`@q4_k_m`) that tells it. Any further word or number is another model, and so is another tag.
    """
    if not served or served == asked:
        return True
    a, b = _parts(asked), _parts(served)
    if (a.base, a.tag) != (b.base, b.tag):
        return False
    if a.date and b.date and a.date != b.date:
        return False
    left_open = (not a.quant and b.optional) or (not b.quant and a.optional)
    if a.quant != b.quant and not left_open:
        return False
    return _one_publisher(asked, served)


def _one_publisher(one: str, other: str) -> bool:
    """Do two names tell no different publishers? The folders of a path on a disk are none."""
    a, b = _parts(one), _parts(other)
    shorter = min(len(a.folders), len(b.folders))
    return a.is_path or b.is_path or a.folders[:shorter] == b.folders[:shorter]


class _Parts(NamedTuple):
    """What a name consists of, lower case; what is not in it is the empty string."""

    folders: tuple[str, ...]  # the innermost first
    base: str
    tag: str
    quant: str
    optional: bool  # the quantization is told by a file's name or a variant: a model's name may leave it out
    date: str
    is_path: bool  # of a file or a folder on the server's disk: its folders are no publishers


def _parts(name: str) -> _Parts:
    *folders, last = re.split(r"[/\\]", _fold(name).rstrip("/\\"))
    is_file = WEIGHTS.search(last) is not None
    last = WEIGHTS.sub("", last).removesuffix(":latest")
    dated = DATE.search(last)
    last = last[: dated.start()] if dated else last.removesuffix("-latest")
    last, _, variant = last.partition("@")
    base, _, tag = last.partition(":")
    quant, base = variant, base.removesuffix("-gguf")
    if QUANT.fullmatch(tag):
        quant, tag = tag, ""
    found = next((each for each in QUANT.finditer(base) if each.end() == len(base)), None)
    if not quant and found is not None and found.start() > 0:
        quant, base = found[1], base[: found.start()]
    return _Parts(
        folders=tuple(reversed(folders)),
        base=base,
        tag=tag,
        quant=quant,
        optional=is_file or bool(variant),
        date="".join(dated.groups()) if dated else "",
        is_path=is_file or A_PATH.match(name.strip()) is not None,
    )


def _fold(name: str) -> str:
    return name.strip().casefold()


def _without_latest(name: str) -> str:
    return _fold(name).removesuffix(":latest")


def _stem(name: str) -> str:
    """The last part of a path, without folders and file ending."""
    last = re.split(r"[/\\]", _without_latest(name))[-1]
    return WEIGHTS.sub("", last)


def quantization(name: str) -> str | None:
    """The quantization that a name gives away (`Q4_K_M`, `UD-Q4_K_XL`, `AWQ`, `4bit`), upper case."""
    found = QUANT.findall(WEIGHTS.sub("", name))
    if not found:
        return None
    word = str(found[-1])
    return word if word[:1].isdigit() else word.upper().replace("INT", "Int").replace("BNB-4BIT", "bnb-4bit")


def without_quantization(name: str) -> str:
    """What a name shares with those of the same model's other quantizations."""
    return _without_latest(QUANT.sub("", WEIGHTS.sub("", name)))


def amount(words: object) -> int | None:
    """A number of parameters from words such as `7.6B`, `270M`, or a plain number.

    `8x7B` is none: what experts share counts once, so the product is too many.
    """
    if isinstance(words, int | float) and not isinstance(words, bool):
        return int(words) if words > 0 else None
    if not isinstance(words, str):
        return None
    found = AMOUNT.match(ACTIVE.sub("", words))
    if not found:
        return None
    number, scale = found.groups()
    return round(float(number) * SCALES[scale.upper()]) or None


def active_amount(words: object) -> int | None:
    """Active parameters from words such as `26B-A4B` or `qwen3-30b-a3b`; None where they do not say."""
    if not isinstance(words, str):
        return None
    found = ACTIVE.search(words)
    return round(float(found[1]) * SCALES[found[2].upper()]) if found else None


def tells_experts(words: object) -> bool:
    """Do a server's words for the size count experts, as `8x7B` does?"""
    return isinstance(words, str) and TIMES.match(words) is not None


def told(notes: Iterable[str]) -> tuple[str, ...]:
    """A model's notes, after its active parameters were told by who knows them."""
    return tuple(note for note in notes if note != ACTIVE_BY_NAME)
