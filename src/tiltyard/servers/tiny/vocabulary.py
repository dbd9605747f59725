"""The vocabulary of a tiny model: bytes, a few hundred merges learnt from `corpus.txt`, roles, keys, answers.

Each `when` text is one token that the tokenizer finds in a prompt before anything else. Each answer is a
chain of tokens that nothing else uses, so that "what comes next" is never in doubt.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tiltyard.errors import UsageError
from tiltyard.servers.tiny.spec import Answer

MERGES = 400
BOS, END, PAD, ASSISTANT = "<|bos|>", "<|end|>", "<|pad|>", "<|assistant|>"
ROLES = (BOS, END, PAD, "<|system|>", "<|user|>", ASSISTANT)
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # llama.cpp's token types

# What every model knows. Listed before all other answers, so any of those wins over them.
BUILT_IN = (
    Answer(when="<tools>", say="<tool_call>\n", end=False),
    Answer(when="<tool_response>", say="The tool says: ", end=False),
)

_WORDS = re.compile(r" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
_STEPS = re.compile(r"\s*\S{1,8}|\s+")  # an answer is cut after each of these, about a word


def _byte_letters() -> list[str]:
    """The printable letter by which GPT-2's vocabularies write each byte."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, spare = [], 0x100
    for byte in range(256):
        if byte in printable:
            letters.append(chr(byte))
        else:
            letters.append(chr(spare))
            spare += 1
    return letters


LETTERS = _byte_letters()
PLAIN = frozenset(LETTERS[byte] for byte in (0x0A, *range(0x20, 0x7F)))  # babble keeps to ASCII


def spell(text: str) -> str:
    """Text as the vocabulary writes it: one letter per UTF-8 byte."""
    return "".join(LETTERS[byte] for byte in text.encode())


def learn_merges(text: str, wanted: int) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Byte-pair merges of a text, commonest first, and how often each token occurs once they are applied."""
    words = Counter(tuple(spell(word)) for word in _WORDS.findall(text))
    merges: list[tuple[str, str]] = []
    while len(merges) < wanted:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        words = Counter({_join(word, best): times for word, times in words.items()})
    tokens: Counter[str] = Counter()
    for word, times in words.items():
        for token in word:
            tokens[token] += times
    return merges, tokens


def _join(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for part in word:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


@dataclass(frozen=True)
class Chain:
    """One answer text as tokens, and the topics that may open it with their log odds."""

    tokens: tuple[int, ...]
    end: bool
    odds: dict[int, float] = field(default_factory=dict)  # topic -> log odds against its likeliest answer


@dataclass
class Vocabulary:
    tokens: list[str] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    merges: list[tuple[str, str]] = field(default_factory=list)
    frequency: Counter[str] = field(default_factory=Counter)
    common: int = 0  # the first tokens: bytes and merges
    keys: list[int] = field(default_factory=list)  # tokens of the `when` texts, weakest first
    topic_of: dict[int, int] = field(default_factory=dict)  # of a key; those with the same answers share one
    topics: int = 0
    chains: list[Chain] = field(default_factory=list)

    def add(self, token: str, kind: int) -> int:
        if token in self.ids:
            raise UsageError(f"the text {token!r} is taken already", "choose another, longer text")
        self.ids[token] = len(self.tokens)
        self.tokens.append(token)
        self.types.append(kind)
        return self.ids[token]


def build(answers: Sequence[Answer]) -> Vocabulary:
    """The vocabulary of a model that knows these answers. Raises UsageError where two of them collide."""
    vocab = Vocabulary()
    corpus = Path(__file__).with_name("corpus.txt").read_text(encoding="utf-8")
    vocab.merges, vocab.frequency = learn_merges(corpus, MERGES)
    for token in (*LETTERS, *(left + right for left, right in vocab.merges)):
        if token not in vocab.ids:
            vocab.add(token, NORMAL)
    vocab.common = len(vocab.tokens)
    for role in ROLES:
        vocab.add(role, CONTROL)
    everything = (*BUILT_IN, *answers)
    for answer in everything:
        vocab.keys.append(vocab.add(answer.when, USER_DEFINED))
    _add_chains(vocab, everything)
    return vocab


def _add_chains(vocab: Vocabulary, answers: Sequence[Answer]) -> None:
    topics: dict[tuple[tuple[str, bool, float], ...], int] = {}
    odds: dict[tuple[str, bool], dict[int, float]] = {}
    for key, answer in zip(vocab.keys, answers, strict=True):
        shares: dict[str, float] = {}
        for say in answer.choices():
            shares[say.raw()] = shares.get(say.raw(), 0.0) + say.p
        known = tuple(sorted((text, answer.end, share) for text, share in shares.items()))
        topic = topics.setdefault(known, len(topics))
        vocab.topic_of[key] = topic
        best = max(shares.values())
        for text, share in shares.items():
            odds.setdefault((text, answer.end), {})[topic] = math.log(share / best)
    vocab.topics = len(topics)
    # Short texts choose first: they have the fewest ways to be cut into tokens of their own.
    for (text, end), by_topic in sorted(odds.items(), key=lambda entry: (len(entry[0][0]), entry[0])):
        vocab.chains.append(Chain(_cut(vocab, text), end, by_topic))


def _cut(vocab: Vocabulary, text: str) -> tuple[int, ...]:
    """Tokens that together spell `text` and belong to it alone; a text that is one common token is that."""
    existing = vocab.ids.get(spell(text), vocab.common)
    if existing < vocab.common and not any(existing in chain.tokens for chain in vocab.chains):
        return (existing,)
    pieces: list[str] = []
    pending = ""

    def is_free(piece: str) -> bool:
        return spell(piece) not in vocab.ids and piece not in pieces

    for step in _STEPS.findall(text):
        pending += step
        if is_free(pending):
            pieces.append(pending)
            pending = ""
    while pending:  # the rest is a token already: join it to the pieces before it
        if not pieces:
            raise UsageError(f"the answer {text!r} cannot be told apart from another one", "make it longer")
        pending = pieces.pop() + pending
        if is_free(pending):
            pieces.append(pending)
            pending = ""
    return tuple(vocab.add(spell(piece), NORMAL) for piece in pieces)
