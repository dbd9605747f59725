"""Experts are counted from the tensors, and `<arch>` is general.architecture."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from tiltyard.servers.gguf_file import read_gguf
from tiltyard.servers.moe import Experts, from_metadata, totals, whole
from tiltyard.servers.ollama import detailed, listed_model

INFO = {"general.architecture": "qwen3moe", "qwen3moe.expert_count": 128, "qwen3moe.expert_used_count": 8}


def test_experts_stand_under_the_architecture_not_the_family() -> None:
    assert from_metadata(INFO) == Experts(True, 128, 8)
    assert from_metadata({**INFO, "general.architecture": "qwen3"}).moe is False


def test_a_dense_model_lacks_the_key() -> None:
    assert from_metadata({"general.architecture": "llama"}).moe is False
    assert from_metadata({"general.architecture": "llama", "llama.expert_count": 1}).moe is False
    assert from_metadata({}).moe is None


def test_a_key_that_lacks_where_not_all_are_shown_tells_nothing() -> None:
    assert from_metadata({"general.architecture": "gptoss"}, complete=False).moe is None
    assert from_metadata(INFO, complete=False) == Experts(True, 128, 8)
    few = {"general.architecture": "gptoss", "general.parameter_count": 116_800_000_000}
    layers = {"gptoss.block_count": 36}
    for item, more, moe in (({}, layers, False), ({}, {}, None), ({"remote_host": "x"}, layers, None)):
        listed = listed_model({"name": "gpt-oss:120b", **item}, None, None)
        model = detailed(listed, {"model_info": {**few, **more}})
        assert model.moe is moe
        assert model.active_parameters == (None if moe is None else 116_800_000_000)


def test_active_parameters_are_exact() -> None:
    tensors = [
        {"name": "token_embd.weight", "shape": [10, 100]},
        {"name": "blk.0.ffn_gate_exps.weight", "shape": [10, 4, 128]},
        {"name": "blk.0.ffn_gate_shexp.weight", "shape": [10, 4]},
    ]
    assert totals(tensors, Experts(True, 128, 8)) == (1000 + 5120 + 40, 1000 + 320 + 40)
    assert totals(tensors[:1], Experts(False)) == (1000, 1000)
    assert totals(tensors, Experts(True, 128, None)) == (6160, None)


def test_old_files_number_the_experts_in_the_tensor_name() -> None:
    tensors = [{"name": f"blk.0.ffn_gate.{i}.weight", "shape": [8]} for i in range(8)]
    assert totals(tensors, Experts(True, 8, 2)) == (64, 16)


def test_a_file_and_its_server_count_alike(tmp_path: Path) -> None:
    sizes = {"blk.0.ffn_up_exps.weight": 10, "blk.0.attn_q.weight": 5}
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(str(path), "qwen3moe")
    writer.add_expert_count(3)
    writer.add_expert_used_count(2)
    for name, size in sizes.items():
        writer.add_tensor(name, np.zeros(size, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    told = [{"name": name, "shape": [size]} for name, size in sizes.items()]
    model = read_gguf(path, hashed=False)
    assert (model.parameters, model.active_parameters) == totals(told, Experts(True, 3, 2)) == (15, 12)


def test_experts_that_cannot_be_told_apart_leave_the_active_share_unknown() -> None:
    assert totals([{"name": "odd.weight", "shape": [8]}], Experts(True, 8, 2)) == (8, None)


def test_odd_lists_give_nothing() -> None:
    assert totals([], Experts(False)) is None
    assert totals([{"name": "x", "shape": None}], Experts(False)) is None
    assert totals(["x"], Experts(False)) is None
    assert (whole(True), whole("7"), whole(0), whole(float("nan")), whole(3.0)) == (None, None, None, None, 3)
