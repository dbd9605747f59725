"""What makes two runs one: the weights behind a name, as far as a server tells them."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.store.conftest import make_run
from tiltyard.records import Model, Run, ServerInfo
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.store.fingerprint import fingerprint

LLAMA = Model(
    name="local",
    path="/models/Qwen3-30B-A3B-Q4_K_M.gguf",
    architecture="qwen3moe",
    parameters=30_500_000_000,
    size_bytes=18_000_000_000,
)
OTHER = [
    {"path": "/models/gemma-3-4b-it-Q4_K_M.gguf"},
    {"architecture": "gemma3"},
    {"parameters": 3_900_000_000},
    {"size_bytes": 2_500_000_000},
]


def served(model: Model, dialect: str = "llamacpp") -> Run:
    return make_run(model=model, server=ServerInfo(dialect=dialect, url="http://10.0.0.2:8080"))  # type: ignore[arg-type]


def same(one: Run, other: Run) -> bool:
    return fingerprint(one, movable=False) == fingerprint(other, movable=False)


@pytest.mark.parametrize("changes", OTHER)
def test_other_weights_under_the_same_name_are_another_model(changes: dict[str, object]) -> None:
    assert not same(served(LLAMA), served(replace(LLAMA, **changes)))


@pytest.mark.parametrize("changes", OTHER)
def test_a_digest_alone_tells_which_weights_they_are(changes: dict[str, object]) -> None:
    known = replace(LLAMA, digest="a" * 64)
    assert same(served(known), served(replace(known, **changes)))


def test_what_a_server_tells_only_of_a_loaded_model_does_not_make_it_another() -> None:
    seen = replace(LLAMA, loaded=True, moe=True, active_parameters=3_000_000_000, vram_bytes=1, notes=("n",))
    assert same(served(LLAMA), served(seen))


@pytest.mark.parametrize(("dialect", "router"), [("llamacpp", True), ("lmstudio", False), ("ollama", False)])
def test_a_model_is_the_same_before_and_after_it_is_loaded(dialect: str, router: bool) -> None:
    config = SimConfig(models=(SimModel(name="m"),), dialects=(dialect,), router=router, speedup=200.0)  # type: ignore[arg-type]

    async def seen(url: str) -> list[Model]:
        server = await connect(url)
        try:
            before = await server.describe("m")
            await server.load("m")
            return [before, await server.describe("m")]
        finally:
            await server.close()

    with running(config) as simulator:
        before, after = (replace(each, digest=None) for each in asyncio.run(seen(simulator.url())))
    assert (before.loaded, after.loaded) == (False, True)
    one, other = served(before, dialect), served(after, dialect)
    assert fingerprint(one, movable=True) == fingerprint(other, movable=True)


def test_a_variant_whose_size_is_not_told_today_is_the_same() -> None:
    """LM Studio tells the size of the variant that is chosen there; the quantization is told of all."""
    one = Model(name="qwen3@q8_0", quantization="Q8_0", size_bytes=8_000_000_000)
    assert same(served(one, "lmstudio"), served(replace(one, size_bytes=None), "lmstudio"))


@pytest.mark.parametrize(
    ("model", "stored"),
    [
        (Model(name="m", quantization="Q4_K_M"), "d1fef240741cd679"),
        (replace(LLAMA, digest="a" * 64), "f2c41c2e3d667b8f"),
    ],
)
def test_runs_of_earlier_versions_are_found_where_nothing_more_is_known(model: Model, stored: str) -> None:
    assert fingerprint(served(model, "openai"), movable=False) == stored
