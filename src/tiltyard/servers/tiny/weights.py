"""The weights of a tiny model: set by hand where it matters, random elsewhere.

A genuine forward pass: sampling, seeds, grammars, tool parsing, stop strings, caching and batching are the
engine's own. Training plays no part. The comment below says what the numbers of the residual stream mean.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import UsageError
from tiltyard.servers.tiny.spec import HEAD_DIM, TinySpec
from tiltyard.servers.tiny.vocabulary import ASSISTANT, BOS, END, PLAIN, Chain, Vocabulary

Array = NDArray[Any]

# The residual stream of `dim` numbers is divided so:
#     0       one constant for every token: output column 0 is a logit bias
#     1       the strength of a key: 0 for common tokens, 1 for BOS, 2 and more for a `when` token
#     part A  the code of the current token, a unit vector; layer 0 reads it
#     part B  the topic of the strongest key so far, copied there by the attention of layer 0
#     part C  what the other, random layers write: babble depends on its context, and costs real work
# The rows of the output matrix then say "after token X comes Y" (part A) and "after the assistant's role,
# with topic K in part B, comes the first token of K's answer".

CODE = 8.0  # length of a code in the residual stream
KEY_STEP = 12.0  # attention logits between one key's strength and the next
FINEST_STEP = 0.02  # smallest difference of strengths that a 16-bit key cache still tells apart
NEVER = -30.0  # logit of tokens that babble must not emit
SURE = 30.0  # logit of the token that an answer wants next
UNLIKE = -15.0  # an answer's tokens get at most this where they are not wanted
CONTEXT_NOISE = 0.11  # what part C adds to the log of the sum of babble's weights, measured under the engine
DAMPED = 0.1  # scale of what random layers write: the last norm must hardly depend on it


@dataclass(frozen=True)
class Parts:
    a: slice
    b: slice
    c: slice
    width: int  # of A and of B

    @classmethod
    def of(cls, dim: int) -> Parts:
        width = 3 * (dim - 2) // 8
        return cls(slice(2, 2 + width), slice(2 + width, 2 + 2 * width), slice(2 + 2 * width, dim), width)


def tensors(vocab: Vocabulary, spec: TinySpec) -> dict[str, Array]:
    """Every tensor by its GGUF name; matrices are [out, in]. Raises UsageError where dim is too small."""
    rng = np.random.default_rng(spec.seed)
    parts = Parts.of(spec.dim)
    codes, topics = _codes(vocab, parts, rng)
    strengths, step = _strengths(vocab, spec.dim)
    out = {"token_embd.weight": _embedding(spec.dim, parts, codes, strengths)}
    for layer in range(spec.layers):
        block = _layer(spec.dim, parts, rng)
        if layer == 0:
            _wire_topics(block, spec.dim, parts, step)
        for name, matrix in block.items():
            out[f"blk.{layer}.{name}.weight"] = matrix.astype(np.float16)
        for name in ("attn_norm", "ffn_norm"):
            out[f"blk.{layer}.{name}.weight"] = np.ones(spec.dim, np.float32)
    out["output_norm.weight"] = np.ones(spec.dim, np.float32)
    # 32 bits: a logit is a small difference of large terms, and the odds of an answer hang on it.
    out["output.weight"] = _Logits(vocab, spec, parts, codes, topics).rows(rng).astype(np.float32)
    return out


def _codes(vocab: Vocabulary, parts: Parts, rng: np.random.Generator) -> tuple[Array, Array]:
    """A unit vector per token and per topic. Number 0 is kept for "an answer ends here"."""
    codes = rng.normal(size=(len(vocab.tokens), parts.width))
    topics = rng.normal(size=(vocab.topics, parts.width))
    codes[:, 0] = 0
    topics[:, 0] = 0
    if vocab.topics < parts.width:  # few enough to be quite independent of each other
        topics[:, 1:] = np.linalg.qr(topics[:, 1:].T)[0].T
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    for key, topic in vocab.topic_of.items():
        codes[key] = topics[topic]
    for chain in vocab.chains:
        if chain.end:
            codes[chain.tokens[-1]] = np.eye(parts.width)[0]
    return codes, topics


def _strengths(vocab: Vocabulary, dim: int) -> tuple[Array, float]:
    """How strongly each token asks to be the topic; later keys more. Also the step between two keys."""
    room = math.sqrt(dim - CODE**2) - 3.0  # they start at 2, and number 0 needs some room too
    step = min(1.0, room / len(vocab.keys))
    if step < FINEST_STEP:
        limit = int(room / FINEST_STEP)
        raise UsageError(
            f"{len(vocab.keys)} prompts to know are too many for dim {dim}",
            f"at most {limit} fit: use a larger dim, or several models",
        )
    strengths = np.zeros(len(vocab.tokens))
    strengths[vocab.ids[BOS]] = 1.0
    for rank, key in enumerate(vocab.keys):
        strengths[key] = 2.0 + step * rank
    return strengths, step


def _embedding(dim: int, parts: Parts, codes: Array, strengths: Array) -> Array:
    # Each row has squared length dim, so the first RMS norm leaves it as it is.
    rows = np.zeros((len(codes), dim))
    rows[:, parts.a] = CODE * codes
    rows[:, 1] = strengths
    rows[:, 0] = np.sqrt(dim - CODE**2 - strengths**2)
    return rows.astype(np.float16)


def _layer(dim: int, parts: Parts, rng: np.random.Generator) -> dict[str, Array]:
    """A random layer that reads everything and writes a little, to part C only."""
    shapes = {
        "attn_q": (dim, dim),
        "attn_k": (dim, dim),
        "attn_v": (dim, dim),
        "attn_output": (dim, dim),
        "ffn_gate": (2 * dim, dim),
        "ffn_up": (2 * dim, dim),
        "ffn_down": (dim, 2 * dim),
    }
    scale = np.float32(dim**-0.5)
    block = {name: rng.standard_normal(shape, np.float32) * scale for name, shape in shapes.items()}
    for name in ("attn_output", "ffn_down"):
        block[name][: parts.c.start] = 0
        block[name] *= np.float32(DAMPED)
    return block


def _wire_topics(block: dict[str, Array], dim: int, parts: Parts, step: float) -> None:
    """Make the attention of layer 0 look at the strongest key and copy its code to part B, in every head."""
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        block[name][:] = 0
    # The last rotary pair of a head turns too slowly for the position to matter.
    slow = np.arange(HEAD_DIM - 2, dim, HEAD_DIM)
    block["attn_q"][slow, 0] = KEY_STEP / step * math.sqrt(HEAD_DIM) / math.sqrt(dim - CODE**2)
    block["attn_k"][slow, 1] = 1.0
    block["attn_v"][: parts.width, parts.a] = np.eye(parts.width)
    block["attn_output"][parts.b, : parts.width] = np.eye(parts.width)


class _Logits:
    """The output matrix. `unit` makes a code's own row give exactly 1 after the last norm."""

    def __init__(self, vocab: Vocabulary, spec: TinySpec, parts: Parts, codes: Array, topics: Array) -> None:
        self.vocab, self.spec, self.parts, self.codes, self.topics = vocab, spec, parts, codes, topics
        shrink = (1 + CODE**2 / spec.dim) ** -0.5  # by the last norm, part C left out
        self.unit = 1 / (CODE * shrink)
        self.constant = math.sqrt(spec.dim - CODE**2) * shrink

    def rows(self, rng: np.random.Generator) -> Array:
        vocab, spec, parts = self.vocab, self.spec, self.parts
        rows = np.zeros((len(vocab.tokens), spec.dim))
        bias = np.full(len(vocab.tokens), NEVER)
        spread = rng.normal(size=(vocab.common, parts.width))
        spread[:, 0] = 0
        rows[: vocab.common, parts.a] = spread * self.unit
        width = spec.dim - parts.c.start
        rows[: vocab.common, parts.c] = rng.normal(
            scale=3 / math.sqrt(width * spec.layers), size=(vocab.common, width)
        )
        claimed = {token for chain in vocab.chains for token in chain.tokens}
        babble = [i for i in range(vocab.common) if set(vocab.tokens[i]) <= PLAIN and i not in claimed]
        total = sum(vocab.frequency.values())
        bias[babble] = [math.log((vocab.frequency[vocab.tokens[i]] + 0.05) / total) for i in babble]
        end = vocab.ids[END]
        bias[end] = self._end_bias(babble, spread, bias)
        self._write_chains(rows, bias)
        rows[end, parts.a.start] = 2 * SURE * self.unit
        rows[:, 0] = bias / self.constant
        return rows

    def _end_bias(self, babble: list[int], spread: Array, bias: Array) -> float:
        """The logit of <|end|> that makes a babbled turn last `mean_tokens` on average, part C left out.

        Babble is a Markov chain over its tokens; its mean length solves a linear system. The logit is found
        by repeating: a length is nearly proportional to the inverse of the chance to end.
        """
        # The commonest carry the mean; all of them would only take longer.
        likely = sorted(babble, key=lambda i: -bias[i])[:250]
        weights = np.exp(bias[likely] + self.codes[likely] @ spread[likely].T)  # [from, to]
        first = np.exp(bias[likely] + self.codes[self.vocab.ids[ASSISTANT]] @ spread[likely].T)
        goal = self.spec.mean_tokens
        end = 1 / goal * weights.sum(axis=1).mean()
        for _ in range(6):
            step = weights / (weights.sum(axis=1, keepdims=True) + end)
            lengths = np.linalg.solve(np.eye(len(likely)) - step, np.ones(len(likely)))
            mean = 1 + first @ lengths / (first.sum() + end)
            end *= (mean - 1) / (goal - 1)
        return math.log(end) + CONTEXT_NOISE

    def _write_chains(self, rows: Array, bias: Array) -> None:
        vocab, parts = self.vocab, self.parts
        assistant = self.codes[vocab.ids[ASSISTANT]]
        openers = [self._opener(chain) for chain in vocab.chains]
        followed = {before for chain in vocab.chains for before in chain.tokens[:-1]}
        likeness = max(
            [self._likeness([vocab.ids[ASSISTANT], *sorted(followed)])]
            + [self._leak(chain, row) for chain, row in zip(vocab.chains, openers, strict=True)]
        )
        if likeness > 0.97:
            raise UsageError(
                f"dim {self.spec.dim} cannot keep {vocab.topics} kinds of answers apart", "use a larger dim"
            )
        gain = (SURE - UNLIKE) / (1 - likeness)
        for chain, row in zip(vocab.chains, openers, strict=True):
            first = chain.tokens[0]
            rows[first] = 0
            rows[first, parts.a] = gain * self.unit * assistant
            rows[first, parts.b] = self.unit * (gain * row + self._odds(chain))
            bias[first] = SURE - 2 * gain
            for before, after in itertools.pairwise(chain.tokens):
                rows[after] = 0
                rows[after, parts.a] = gain * self.unit * self.codes[before]
                bias[after] = SURE - gain

    def _opener(self, chain: Chain) -> Array:
        """The shortest vector of part B that gives 1 for each topic that may open the chain."""
        members = self.topics[list(chain.odds)]
        row: Array = np.linalg.lstsq(members, np.ones(len(members)), rcond=None)[0]
        return row

    def _odds(self, chain: Chain) -> Array:
        """The shortest vector of part B that gives each of these topics its log odds."""
        members = self.topics[list(chain.odds)]
        wanted = np.array(list(chain.odds.values()))
        found: Array = np.linalg.lstsq(members, wanted, rcond=None)[0]
        if not np.allclose(members @ found, wanted, atol=1e-3) or len(members) >= self.parts.width:
            raise UsageError(
                f"{len(members)} sets of answers share one text: too many for dim {self.spec.dim}",
                "use a larger dim, or fewer different probabilities",
            )
        return found

    def _leak(self, chain: Chain, row: Array) -> float:
        """The most that any other topic gets from a row meant for this chain's topics."""
        given = self.topics @ row
        given[list(chain.odds)] = -1
        return float(given.max())

    def _likeness(self, wanted: list[int]) -> float:
        """The greatest cosine between a code that an answer waits for and any other token's code."""
        # Keys share codes with each other and are never sampled, so only their likeness to `wanted` counts.
        most = -1.0
        for start in range(0, len(wanted), 256):
            some = wanted[start : start + 256]
            cosines = self.codes[some] @ self.codes.T
            cosines[np.arange(len(some)), some] = -1
            most = max(most, float(cosines.max()))
        return most
