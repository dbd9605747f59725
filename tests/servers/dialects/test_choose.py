"""From words to a server and a model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tiltyard.errors import ModelNotFound, NoServer, UsageError
from tiltyard.records import Dialect, Model, ServerInfo
from tiltyard.servers.choose import choose, choose_among, is_file, is_missing_file
from tiltyard.servers.discover import Found
from tiltyard.servers.simulator import SimConfig, SimModel, running


def found(dialect: Dialect, *names: str, loaded: str | None = None) -> Found:
    url = f"http://{dialect}"
    models = tuple(Model(name=name, loaded=name == loaded) for name in names)
    return Found(url=url, info=ServerInfo(dialect=dialect, url=url), models=models)


OLLAMA, STUDIO = (
    found("ollama", "qwen3:8b", "phi4:latest"),
    found("lmstudio", "qwen3-8b", "gemma", loaded="gemma"),
)


def test_the_only_server_that_has_it() -> None:
    assert choose_among("gemma", [OLLAMA, STUDIO]) is STUDIO
    assert choose_among("phi4", [OLLAMA, STUDIO]) is OLLAMA


def test_the_exact_name_comes_before_similar_ones() -> None:
    other = found("lmstudio", "phi4")
    assert choose_among("phi4", [OLLAMA, other]) is other
    assert choose_among("phi4:latest", [OLLAMA, other]) is OLLAMA


def test_of_several_the_one_that_has_it_in_memory() -> None:
    here, there = found("ollama", "m"), found("vllm", "m", loaded="m")
    assert choose_among("m", [here, there]) is there
    assert choose_among("m", [here, there], "ollama") is here


def test_otherwise_the_choice_is_the_users() -> None:
    with pytest.raises(UsageError, match="none of them has it in memory") as caught:
        choose_among("m", [found("ollama", "m"), found("vllm", "m")])
    assert "http://ollama" in caught.value.remedy
    assert "http://vllm" in caught.value.remedy
    with pytest.raises(UsageError, match="more than one has it in memory"):
        choose_among("m", [found("ollama", "m", loaded="m"), found("vllm", "m", loaded="m")])


def test_nowhere_to_be_found() -> None:
    with pytest.raises(ModelNotFound) as caught:
        choose_among("qwen3:8", [OLLAMA, STUDIO])
    assert "qwen3:8b" in caught.value.remedy
    with pytest.raises(NoServer, match="no model server"):
        choose_among("m", [])
    with pytest.raises(NoServer, match="no mlx server was found; http://vllm speaks vllm") as nobody:
        choose_among("m", [found("vllm", "m")], "mlx")
    assert "--dialect vllm" in nobody.value.remedy


@pytest.mark.parametrize("name", ["a/b:c", "../../m", "with space", "🦙", "y" * 300])
def test_odd_names(name: str) -> None:
    assert choose_among(name, [found("ollama", name)]).url == "http://ollama"
    with pytest.raises(ModelNotFound):
        choose_among(name, [OLLAMA])


def test_a_file_is_a_file_and_a_name_in_gguf_may_be_a_servers(tmp_path: Path) -> None:
    real = tmp_path / "m.gguf"
    real.write_bytes(b"GGUF")
    bare = tmp_path / "no ending"
    bare.write_bytes(b"GGUF....")
    serving = [found("llamacpp", "served.gguf")]
    assert is_file(str(real))
    assert is_file(str(bare))
    assert is_missing_file("missing.gguf", serving)
    for name in ("served.gguf", "qwen3:8b", "x" * 5000):
        assert not is_file(name)
        assert not is_missing_file(name, serving)


@pytest.mark.parametrize("name", ["a/b:c", "with space", "🦙 llama", "y" * 300, "..", "a%2Fb?c#d"])
def test_odd_names_reach_a_real_server_and_come_back(name: str) -> None:
    config = SimConfig(models=(SimModel(name=name, loaded=True),), delay=False, dialects=("ollama", "openai"))
    with running(config) as sim:
        for dialect in ("ollama", "openai"):

            async def main(url: str) -> str:
                server, model = await choose(name, url)
                await server.close()
                return model.name

            assert asyncio.run(main(sim.url(dialect))) == name


def test_a_model_that_a_named_server_has_not() -> None:
    with running(SimConfig(delay=False, dialects=("ollama",))) as sim, pytest.raises(ModelNotFound) as caught:
        asyncio.run(choose("sim-dense:8b", sim.url("ollama")))
    assert "sim-dense:7b" in caught.value.remedy
