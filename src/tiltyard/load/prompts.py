"""Prompts of a wanted size in tokens, by the best count that the server offers; no tokenizer is downloaded.

The text is made of common English words of four letters, which nearly every tokenizer takes as one token and
a byte tokenizer as five, so that its size is a line through two points. Every prompt begins with random words
of its own, at the very start, so that no prefix cache can flatter, unless sharing is asked for. How answers
are measured is none of this module's business.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tiltyard.errors import UsageError, install
from tiltyard.records import Exchange, Message, Record, Request, TokenSource, Usage
from tiltyard.servers.preflight import ask

if TYPE_CHECKING:
    from tiltyard.servers import Server

NONCE_WORDS = 8  # of 256: 64 bits
SENTENCE = 12  # words before a full stop
WIDTH = 5  # characters of a word and its space
BLOCK = 5 * SENTENCE
SMALL, LARGE = BLOCK, 5 * BLOCK  # words of filler in the probes
TEMPLATE_GUESS = 12  # tokens that a chat template adds, where nothing tells
HEAD = 0.5  # of what a template adds, what comes before the prompt
TASK = "\n\nTell a very long story with these words."
TASK_FROM = 64  # smaller prompts have no room for it
TOLERANCE = 0.02
TOLERANCE_TOKENS = 4


class Scale(Record, frozen=True, kw_only=True):
    """Tokens of a prompt = fixed + per_word * words, and `task` more where it ends with the task."""

    fixed: float  # of the chat template
    per_word: float
    task: float = 10.0
    rung: TokenSource
    reports_cache: bool = False  # the server says how much of a prompt was cached

    def words_for(self, tokens: int) -> int:
        """Words that make a prompt of that many tokens; at least one."""
        task = self.task if tokens >= TASK_FROM else 0.0
        return max(round((tokens - self.fixed - task) / self.per_word), 1)


@cache
def vocabulary() -> tuple[str, ...]:
    """256 words of four letters."""
    return tuple(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())


def nonce(words: int = NONCE_WORDS) -> str:
    """Random words, each followed by a space; from the system's entropy whatever the seed."""
    known = vocabulary()
    return "".join([known[byte] + " " for byte in os.urandom(words)])


class Filler:
    """Sixty seeded words in sentences of twelve, over and over.

    One block is repeated because its tokens can be counted once and for all: where a tokenizer takes some
    words as one token and others as three, only the rest of the last block is left to guess.
    """

    def __init__(self, seed: int = 0) -> None:
        chosen = random.Random(seed).choices(vocabulary(), k=BLOCK)
        rows = [" ".join(chosen[i : i + SENTENCE]) + ". " for i in range(0, BLOCK, SENTENCE)]
        self._block = "".join(rows)

    def take(self, words: int) -> str:
        """Exactly `words` words, without a space at the end."""
        whole, rest = divmod(words, SENTENCE)
        length = whole * (SENTENCE * WIDTH + 1) + rest * WIDTH
        return (self._block * (length // len(self._block) + 1))[:length].rstrip()


class Prompts:
    """Makes prompt texts to a scale. Cheap: a prompt is two slices and eight random bytes."""

    def __init__(self, scale: Scale, filler: Filler, *, shared: bool = False) -> None:
        self.scale = scale
        self.filler = filler
        self.shared = nonce() if shared else None
        self.contexts: dict[int, str] = {}  # by depth: the words that its context begins with

    def sized(self, tokens: int) -> str:
        """A prompt of that many tokens, template included; unlike all others from its first word on, or with
        `shared` alike but for its last words.
        """
        words = self.scale.words_for(tokens)
        if self.shared is not None:
            fresh = min(NONCE_WORDS, max(words // 8, 1))
            common = self.shared + self.filler.take(max(words - fresh - NONCE_WORDS, 0))
            return f"{common} {nonce(fresh).rstrip()}{task(tokens)}"
        own = min(NONCE_WORDS, words)
        rest = words - own
        if not rest:
            return nonce(own).rstrip() + task(tokens)
        return nonce(own) + self.filler.take(rest) + task(tokens)

    def on_top(self, depth: int, tokens: int) -> str:
        """`depth` tokens that are the same each time, the template's head included, then `tokens` fresh ones.

        Without fresh ones: the beginning of that context and the task, together `depth` tokens.
        """
        scale, own = self.scale, self.contexts.setdefault(depth, nonce())
        if not tokens:
            return self.context(own, scale.words_for(depth)) + task(depth)
        shared = max(round((depth - scale.fixed * HEAD) / scale.per_word), NONCE_WORDS)
        fresh = max(scale.words_for(depth + tokens) - shared, 1)
        first = min(NONCE_WORDS, fresh)
        tail = self.filler.take(fresh - first) if fresh > first else ""
        text = f"{self.context(own, shared)} {nonce(first)}{tail}"
        return text.rstrip() + task(depth + tokens)

    def context(self, own: str, words: int) -> str:
        """So many words that begin with `own`: of two sizes, one is the beginning of the other."""
        return own + self.filler.take(max(words - NONCE_WORDS, 1))


def task(tokens: int) -> str:
    """What the model is to do, where the prompt has room to say so."""
    return TASK if tokens >= TASK_FROM else ""


def on_target(wanted: int, counted: int) -> bool:
    """Within 2 % or 4 tokens."""
    return abs(counted - wanted) <= max(TOLERANCE * wanted, TOLERANCE_TOKENS)


# ------------------------------------------------------------------ the ladder of counts


async def find_scale(server: Server, request: Request, filler: Filler, tokenizer: str | None = None) -> Scale:
    """Send `request` with three prompts to be counted; where the server does not, go down the ladder.

    The ladder's lower rungs are in `quiet_scale`.
    """
    counts: list[int] = []
    source: TokenSource = "server"
    reports = False
    for text in probe_texts(filler):
        exchange = await ask(server, replace(request, messages=(Message(role="user", content=text),)))
        if exchange.usage is None or not exchange.usage.prompt_tokens:
            break
        counts.append(exchange.usage.prompt_tokens)
        source = exchange.usage.source
        reports = reports or tells_cached(exchange)
    if len(counts) == 3 and counts[1] - counts[0] >= (LARGE - SMALL) // 2 and source != "estimate":
        return line(counts, source, reports)
    return await quiet_scale(server, request.model, filler, tokenizer)


async def quiet_scale(server: Server, model: str, filler: Filler, tokenizer: str | None = None) -> Scale:
    """A scale without asking the model anything: the server's tokenizer, a local one, or an estimate."""
    texts = probe_texts(filler)
    if "tokenize" in server.can:
        asked = [Request(model=model, messages=(Message(role="user", content=text),)) for text in texts]
        whole = counts_of([await server.count_chat(each) for each in asked])
        if whole is not None:
            return line(whole, "tokenize")
        bare = counts_of([await server.count_tokens(model, text) for text in texts])
        if bare is not None:
            return line([n + TEMPLATE_GUESS for n in bare], "tokenize")
    if tokenizer is not None:
        return line([n + TEMPLATE_GUESS for n in local_counts(tokenizer, texts)], "local")
    return Scale(fixed=TEMPLATE_GUESS, per_word=1 + 1 / SENTENCE, rung="estimate")


def counts_of(counted: Sequence[Usage | None]) -> list[int] | None:
    """The counts of the three probes; None where one is missing or they are no counts."""
    found = [usage.prompt_tokens for usage in counted if usage is not None and usage.prompt_tokens]
    return found if len(found) == 3 and found[1] > found[0] else None


def probe_texts(filler: Filler) -> list[str]:
    """One block, five blocks, one block with the task; each begins differently, with the same words turned
    round.
    """
    words = nonce().split()
    starts = [" ".join(words[i:] + words[:i]) + " " for i in range(3)]
    return [
        starts[0] + filler.take(SMALL),
        starts[1] + filler.take(LARGE),
        starts[2] + filler.take(SMALL) + TASK,
    ]


def tells_cached(exchange: Exchange) -> bool:
    """Does an answer tell how many prompt tokens were processed, or how many were not?

    Ollama does not: what stands there was inferred, for prompts that are certainly new.
    """
    usage, timings = exchange.usage, exchange.timings
    processed = None if timings is None or timings.source == "ollama" else timings.prefill_tokens
    return processed is not None or (usage is not None and usage.cached_tokens is not None)


def line(counts: Sequence[int], rung: TokenSource, reports_cache: bool = False) -> Scale:
    """The line through the counts of the probes."""
    small, large, with_task = counts
    per_word = (large - small) / (LARGE - SMALL)
    return Scale(
        fixed=small - per_word * (SMALL + NONCE_WORDS),
        per_word=per_word,
        task=float(with_task - small),
        rung=rung,
        reports_cache=reports_cache,
    )


def local_counts(path: str, texts: Sequence[str]) -> list[int]:
    """Tokens by a tokenizer.json on this machine; raises UsageError."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        remedy = install("tiltyard[tokenizer]")
        raise UsageError("counting with a tokenizer file needs the extra `tokenizer`", remedy) from None
    tokenizer = Tokenizer.from_str(tokenizer_in(path))
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


def tokenizer_in(path: str) -> str:
    """What a tokenizer.json holds; raises UsageError for a file that is none."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        known = msgspec.json.decode(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"no tokenizer in {path}: {error}", "give the path of a tokenizer.json") from None
    if not isinstance(known, dict) or "model" not in known:
        raise UsageError(f"{path} is not a tokenizer file", "give the path of a tokenizer.json")
    return text
