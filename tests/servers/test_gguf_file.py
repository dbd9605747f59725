"""The identity of model files: right, quick, and clear about files that are none."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from pathlib import Path

import gguf
import numpy as np
import pytest

from tiltyard.errors import EngineError, ModelNotFound
from tiltyard.servers.ggml_types import FILE_TYPES, GGML_TYPES
from tiltyard.servers.gguf_file import digest, is_model_path, read_gguf, read_header
from tiltyard.servers.tiny import TinySpec, write_model


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write_model(path, TinySpec())
    return path


def moe_file(
    path: Path, *, file_type: int | None = gguf.LlamaFileType.MOSTLY_Q8_0, arch: str = "qwen3moe"
) -> Path:
    """A model of 8 experts of which 2 work: 1,000 dense weights and 8 x 3,072 routed ones."""
    out = gguf.GGUFWriter(path, arch)
    out.add_expert_count(8)
    out.add_expert_used_count(2)
    out.add_context_length(4096)
    if file_type is not None:
        out.add_file_type(file_type)
    out.add_tensor("token_embd.weight", np.zeros((10, 100), np.float16))
    for name in ("gate", "up", "down"):
        blocks = np.zeros((8, 32, 34), np.uint8)  # 32 x 32 weights as Q8_0
        out.add_tensor(f"blk.0.ffn_{name}_exps.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def test_agrees_with_the_reference_reader(tiny: Path) -> None:
    header = read_header(tiny)
    reference = gguf.GGUFReader(tiny)
    assert [t.name for t in header.tensors] == [t.name for t in reference.tensors]
    assert sum(t.elements for t in header.tensors) == sum(int(t.n_elements) for t in reference.tensors)
    assert [t.nbytes for t in header.tensors] == [int(t.n_bytes) for t in reference.tensors]
    assert header.data_start == reference.data_offset
    assert header.metadata["general.name"] == "tiny"
    assert header.metadata["tokenizer.ggml.tokens"].entries == len(
        reference.fields["tokenizer.ggml.tokens"].data
    )


def test_knows_every_tensor_type_of_the_reference() -> None:
    reference = {int(t): (t.name, *gguf.GGML_QUANT_SIZES[t]) for t in gguf.GGMLQuantizationType}
    assert dict(GGML_TYPES) == reference
    names = {
        int(t): t.name.removeprefix("MOSTLY_").removeprefix("ALL_") for t in gguf.LlamaFileType if t < 1024
    }
    assert dict(FILE_TYPES) == names


def test_identity_of_a_dense_model(tiny: Path) -> None:
    model = read_gguf(tiny)
    assert model.name == "tiny"
    assert (model.architecture, model.moe, model.quantization, model.context_max) == (
        "llama",
        False,
        "F16",
        32768,
    )
    assert model.parameters == model.active_parameters
    assert model.size_bytes == tiny.stat().st_size
    assert model.bits_per_weight == pytest.approx(tiny.stat().st_size * 8 / model.parameters)
    assert model.capabilities == ("completion", "schema", "tools", "thinking")
    assert model.digest == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert model.path == str(tiny)
    assert read_gguf(tiny, hashed=False).digest is None


def test_experts_count_by_the_share_that_works(tmp_path: Path) -> None:
    model = read_gguf(moe_file(tmp_path / "moe.gguf"))
    assert model.moe is True
    assert model.parameters == 1000 + 3 * 8 * 1024
    assert model.active_parameters == 1000 + 3 * 2 * 1024
    assert model.quantization == "Q8_0"
    assert any("no chat template" in note for note in model.notes)


def test_quantization_without_a_file_type_comes_from_the_tensors(tmp_path: Path) -> None:
    assert read_gguf(moe_file(tmp_path / "m-IQ4_XS.gguf", file_type=None)).quantization == "Q8_0"


def test_a_file_name_that_says_otherwise_is_noted(tmp_path: Path) -> None:
    model = read_gguf(moe_file(tmp_path / "m-UD-Q4_K_XL.gguf"))
    assert model.quantization == "Q8_0"
    assert "its file name says UD-Q4_K_XL" in model.notes


def test_digest_is_remembered_until_the_file_changes(tiny: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    first = digest(tiny, cache=book)
    saved = (book / "digests.json").read_bytes()
    assert digest(tiny, cache=book) == first
    assert (book / "digests.json").read_bytes() == saved
    content = bytearray(tiny.read_bytes())
    content[-1] ^= 1  # one bit of one weight
    tiny.write_bytes(content)
    assert digest(tiny, cache=book) != first
    (book / "digests.json").write_text("{broken")
    assert digest(tiny, cache=book) == hashlib.sha256(content).hexdigest()


@pytest.mark.slow
def test_a_folder_whose_name_is_no_utf_8(tiny: Path, tmp_path: Path) -> None:
    book, folder = tmp_path / "book", tmp_path / os.fsdecode(b"odd \xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    first = digest(tiny, cache=book)
    saved = (book / "digests.json").read_bytes()
    assert digest(tiny.rename(folder / tiny.name), cache=book) == first
    assert (book / "digests.json").read_bytes() == saved
    assert list(book.iterdir()) == [book / "digests.json"]


def test_no_such_file_offers_the_nearest(tiny: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        read_gguf(tiny.with_name("tinny.gguf"))
    assert "tiny.gguf" in caught.value.remedy


@pytest.mark.parametrize("name", ["x" * 300 + ".gguf", "emoji 🐎.gguf", "..", "a\0b.gguf", "a/../b c.gguf"])
def test_odd_names_get_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        read_gguf(tmp_path / "folder" / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"hello, I am text", "is not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"GGUF", "is not a GGUF file"),
        (b"GGUF" + struct.pack("<I", 1) + b"\0" * 64, "GGUF version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 62) + b"key", "damaged"),
    ],
)
def test_what_is_not_a_model_is_said_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        read_gguf(path)
    assert says in str(caught.value)
    assert caught.value.remedy


def test_a_cut_file_is_found_out_wherever_it_is_cut(tiny: Path) -> None:
    content = tiny.read_bytes()
    header_end = read_header(tiny).data_start
    for size in (30, header_end // 3, header_end - 64, header_end + 1000, len(content) - 1):
        tiny.write_bytes(content[:size])
        with pytest.raises(EngineError) as caught:
            read_gguf(tiny)
        assert caught.value.remedy == "download it again"


def test_parts_of_a_split_model_are_refused(tmp_path: Path) -> None:
    path = moe_file(tmp_path / "big-00001-of-00003.gguf")
    with pytest.raises(EngineError, match="split into 3 files") as caught:
        read_gguf(path)
    assert "--merge" in caught.value.remedy


def test_a_projector_is_no_language_model(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="clip"):
        read_gguf(moe_file(tmp_path / "mmproj.gguf", arch="clip"))


def test_a_folder_names_a_file_in_it(tiny: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        read_gguf(tiny.parent)
    assert "tiny.gguf" in caught.value.remedy


@pytest.mark.slow
def test_a_name_or_a_path(tiny: Path) -> None:
    blob = tiny.with_name("sha256-0123")  # how Ollama keeps them
    blob.write_bytes(tiny.read_bytes())
    assert is_model_path("anything.gguf")
    assert is_model_path(str(blob))
    assert not is_model_path("qwen3:8b")
    assert not is_model_path("a\0b")


@pytest.mark.slow
def test_a_vocabulary_of_150_000_tokens_is_hopped_over(tmp_path: Path) -> None:
    path = tmp_path / "wide.gguf"
    out = gguf.GGUFWriter(path, "llama")
    out.add_token_list([f"token{i}" for i in range(150_000)])
    out.add_token_merges([f"a{i} b{i}" for i in range(300_000)])
    out.add_token_types([1] * 150_000)
    out.add_tensor("token_embd.weight", np.zeros((2, 32), np.float16))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    began = time.process_time()
    header = read_header(path)
    spent = time.process_time() - began
    assert header.metadata["tokenizer.ggml.merges"].entries == 300_000
    assert len(header.tensors) == 1
    assert spent < 1.0  # about 0.05 s on an idle machine; the reference reader needs many seconds
