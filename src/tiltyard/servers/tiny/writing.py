"""The file of a tiny model: metadata, vocabulary and tensors in GGUF, through the `gguf` package's writer.

What the numbers are is decided in `vocabulary.py` and `weights.py`. A file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import gguf
import numpy as np

from tiltyard.errors import UsageError
from tiltyard.servers.tiny import vocabulary as vocabularies
from tiltyard.servers.tiny.spec import HEAD_DIM, TinySpec
from tiltyard.servers.tiny.vocabulary import BOS, END, PAD, Vocabulary
from tiltyard.servers.tiny.weights import tensors


def write(path: Path, spec: TinySpec) -> None:
    """Write the file whole or not at all. Raises UsageError where that is not possible."""
    vocab = vocabularies.build(spec.answers)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(aside, vocab, spec)
        os.replace(aside, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", "choose another path") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def _write(path: Path, vocab: Vocabulary, spec: TinySpec) -> None:
    out = gguf.GGUFWriter(path, "llama")
    out.add_type("model")
    out.add_name(spec.name)
    out.add_description("A tiny model of hand-set weights, made by tiltyard. Nothing was trained.")
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    out.add_context_length(spec.context)
    out.add_embedding_length(spec.dim)
    out.add_block_count(spec.layers)
    out.add_feed_forward_length(2 * spec.dim)
    out.add_head_count(spec.dim // HEAD_DIM)
    out.add_head_count_kv(spec.dim // HEAD_DIM)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_dimension_count(HEAD_DIM)
    out.add_rope_freq_base(1e12)
    _add_vocabulary(out, vocab)
    # The engine takes these as its defaults: with the usual top-k, top-p and min-p filters the rare
    # end of a turn would never be drawn, and babble would run on to max_tokens.
    out.add_sampling_temp(1.0)
    out.add_sampling_top_k(0)
    out.add_sampling_top_p(1.0)
    out.add_sampling_min_p(0.0)
    for name, tensor in tensors(vocab, spec).items():
        out.add_tensor(name, np.ascontiguousarray(tensor))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _add_vocabulary(out: gguf.GGUFWriter, vocab: Vocabulary) -> None:
    out.add_vocab_size(len(vocab.tokens))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(vocab.tokens)
    out.add_token_types(vocab.types)
    out.add_token_merges([f"{left} {right}" for left, right in vocab.merges])
    out.add_bos_token_id(vocab.ids[BOS])
    out.add_eos_token_id(vocab.ids[END])
    out.add_pad_token_id(vocab.ids[PAD])
    out.add_add_bos_token(True)
    out.add_add_eos_token(False)
    out.add_chat_template(Path(__file__).with_name("chat.jinja").read_text(encoding="utf-8"))
