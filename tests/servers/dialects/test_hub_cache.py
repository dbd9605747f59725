"""Identity from a model's own folder, for servers that tell only its name."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.servers.dialects.conftest import Canned
from tiltyard.records import Model
from tiltyard.servers import Address
from tiltyard.servers.hub_cache import NOTE, completed
from tiltyard.servers.mlx import Mlx
from tiltyard.servers.names import ACTIVE_BY_NAME
from tiltyard.servers.vllm import Vllm

Serve = Callable[..., Canned]
REVISION = "0123456789abcdef0123456789abcdef01234567"
MLX_CONFIG = {
    "model_type": "qwen3",
    "max_position_embeddings": 40960,
    "quantization": {"group_size": 64, "bits": 4},
    "torch_dtype": "bfloat16",
}
MOE_CONFIG = {
    "model_type": "mixtral",
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 32768,
    "torch_dtype": "bfloat16",
}
SHAPES = {"model.embed.weight": [100, 10], "model.layers.0.mlp.experts.0.up.weight": [400, 10]}


def weights(path: Path, shapes: Mapping[str, list[int]]) -> int:
    """A safetensors file of zeroes, two bytes a weight; returns its size."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))
    return path.stat().st_size


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def keep(hub: Path, name: str, config: Mapping[str, Any], revision: str = REVISION) -> Path:
    home = hub / ("models--" + name.replace("/", "--"))
    folder = home / "snapshots" / revision
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / "main").write_text(REVISION)
    return folder


def described(server: Any, name: str) -> Model:
    async def main() -> Model:
        try:
            await server.identify()
            found: Model = await server.describe(name)
            return found
        finally:
            await server.close()

    return asyncio.run(main())


def test_mlx_tells_a_name_and_the_folder_the_rest(serve: Serve, hub: Path) -> None:
    size = weights(keep(hub, "mlx/Qwen3-8B", MLX_CONFIG) / "model.safetensors", {"w": [8]})
    listed = {"object": "list", "data": [{"id": "mlx/Qwen3-8B", "object": "model", "created": 1}]}
    canned = serve({"GET /health": {"status": "ok"}, "GET /v1/models": listed})
    model = described(Mlx(Address(url=canned.url)), "mlx/Qwen3-8B")
    assert (model.digest, model.architecture, model.quantization) == (REVISION, "qwen3", "4bit")
    assert (model.context_max, model.size_bytes, model.moe) == (40960, size, False)
    assert model.parameters is None  # packed: shapes do not count them
    assert model.notes == (NOTE,)


def test_vllm_says_where_its_weights_are(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"text_config": MOE_CONFIG, "model_type": "seer"}))
    size = weights(folder / "model-1.safetensors", SHAPES)
    item = {"id": "alias", "owned_by": "vllm", "root": str(folder), "max_model_len": 8192}
    canned = serve({"GET /v1/models": {"data": [item]}, "GET /version": {"version": "0.17.1"}})
    model = described(Vllm(Address(url=canned.url)), "alias")
    assert (model.name, model.architecture, model.moe) == ("alias", "seer", True)
    assert (model.parameters, model.active_parameters) == (5000, 2000)
    assert model.bits_per_weight == pytest.approx(size * 8 / 5000)
    assert (model.quantization, model.digest) == ("BF16", None)
    assert (model.context_max, model.context_loaded) == (8192, 8192)  # what it serves with, not what it could


def test_other_quantizations_and_dense_weights(hub: Path) -> None:
    awq = {"model_type": "qwen2", "quantization_config": {"quant_method": "awq", "bits": 4}}
    keep(hub, "a/b", awq)
    assert completed(Model(name="a/b")).quantization == "AWQ 4bit"
    weights(keep(hub, "a/plain", {"model_type": "llama", "dtype": "float16"}) / "m.safetensors", SHAPES)
    dense = completed(Model(name="a/plain", active_parameters=1, notes=(ACTIVE_BY_NAME,)))
    assert ACTIVE_BY_NAME not in dense.notes
    assert (dense.quantization, dense.parameters, dense.active_parameters) == ("F16", 5000, 5000)


def test_a_second_copy_of_the_weights_counts_once(hub: Path) -> None:
    """Mistral's own file beside the shards, or beside the one file, holds the same weights."""
    folder = keep(hub, "a/shards", {"model_type": "mistral"})
    parts = [weights(folder / f"model-{i}.safetensors", {f"w{i}": [300]}) for i in (1, 2)]
    weights(folder / "consolidated.safetensors", {"w1": [300], "w2": [300]})
    index = {"weight_map": {f"w{i}": f"model-{i}.safetensors" for i in (1, 2)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    model = completed(Model(name="a/shards"))
    assert (model.parameters, model.size_bytes) == (600, sum(parts))
    (folder / "model-2.safetensors").unlink()
    part = completed(Model(name="a/shards"))
    assert (part.architecture, part.parameters, part.size_bytes) == ("mistral", None, None)
    folder = keep(hub, "a/one", {"model_type": "mistral"})
    size = weights(folder / "model.safetensors", SHAPES)
    weights(folder / "consolidated.safetensors", SHAPES)
    model = completed(Model(name="a/one"))
    assert (model.parameters, model.size_bytes) == (5000, size)


def test_one_of_several_revisions_is_main_or_none(hub: Path) -> None:
    keep(hub, "a/two", MLX_CONFIG, "f" * 40)
    assert completed(Model(name="a/two")).digest == "f" * 40  # main points to what is not here
    keep(hub, "a/two", MLX_CONFIG, "e" * 40)
    assert completed(Model(name="a/two")).digest is None
    keep(hub, "a/two", MLX_CONFIG)
    assert completed(Model(name="a/two")).digest == REVISION


@pytest.mark.parametrize(
    "name",
    ["qwen", "../../etc/passwd", "..", "a/../b", "/etc", "/nowhere", "a\0b/c", "/a\0b", "x" * 5000, ""],
)
def test_names_lead_nowhere_else(hub: Path, name: str) -> None:
    assert completed(Model(name=name)) == Model(name=name)


def test_broken_folders_give_nothing(hub: Path) -> None:
    folder = keep(hub, "a/broken", {})
    (folder / "config.json").write_text("{")
    assert completed(Model(name="a/broken")) == Model(name="a/broken")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "m.safetensors").write_bytes(b"\xff" * 20)
    assert completed(Model(name="a/broken")) == Model(name="a/broken")
    (folder / "config.json").write_text("[1]")
    (folder / "m.safetensors").unlink()
    assert completed(Model(name="a/broken")).architecture is None


def test_a_server_elsewhere_is_not_described_by_a_folder_here(serve: Serve, hub: Path) -> None:
    keep(hub, "a/b", MLX_CONFIG)
    canned = serve({"GET /v1/models": {"data": [{"id": "a/b", "owned_by": "vllm"}]}})
    near, far = Vllm(Address(url=canned.url)), Vllm(Address(url=canned.url))
    far.info = replace(far.info, local=False)
    assert described(near, "a/b").digest == REVISION
    assert described(far, "a/b").digest is None
