"""Which models on which servers a command measures, and what it says where there is nobody to measure."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.tiny import TinySpec, write_model

Tiltyard = Callable[..., Finished]
SMALL = ("--profile", "fixed", "--requests", "2", "--output-tokens", "2", "--json")


@pytest.fixture
def hung() -> Iterator[str]:
    """Somebody who takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def config(*names: str) -> SimConfig:
    models = tuple(SimModel(name=name, natural_tokens=4, loaded=True) for name in names)
    return SimConfig(models=models, dialects=("openai",), delay=False)


def test_all_is_every_model_of_every_server_also_where_names_are_shared(tiltyard: Tiltyard) -> None:
    with running(config("a", "b")) as one, running(config("a")) as two:
        urls = [one.url("openai"), two.url("openai")]
        env = {"TILTYARD_SERVERS": ",".join(urls)}
        done = tiltyard("run", "speed", "--all", "--dialect", "openai", *SMALL, env=env)
        assert done.code == 0, done.err
        summaries = [event for event in done.lines() if event["event"] == "summary"]
        measured = [(summary["server"]["url"], summary["model"]) for summary in summaries]
        assert measured == [(urls[0], "a"), (urls[0], "b"), (urls[1], "a")]
        named = tiltyard("run", "speed", "--model", "a", "--dialect", "openai", *SMALL, env=env)
    assert named.code == 2
    assert "2 servers have 'a'" in named.err


@pytest.mark.parametrize("words", [("--model", "a"), (), ("--all",)])
def test_somebody_who_hangs_is_named_by_run_as_by_servers(
    tiltyard: Tiltyard, hung: str, words: tuple[str, ...]
) -> None:
    env = {"TILTYARD_SERVERS": hung, "COLUMNS": "300"}
    for command in (("servers",), ("run", "speed", *words)):
        done = tiltyard(*command, env=env)
        assert done.code == 3
        assert "no usable model server was found" in done.err
        assert hung in done.out + done.err
        assert "something accepts connections here but does not answer in time" in done.out + done.err
        assert "it may hang: look at its log" in done.err


@pytest.mark.parametrize("words", [(), ("--dialect", "ollama")], ids=["anybody", "ollama"])
def test_who_hangs_is_waited_for_as_long_as_was_said(
    tiltyard: Tiltyard, hung: str, words: tuple[str, ...]
) -> None:
    place = ("--server", hung, "--model", "a", *words)
    done = tiltyard("run", "speed", *place, "--first-byte-timeout", "0.5")
    assert done.code == 3
    assert f"{hung}: no answer within 0.5 s" in done.err


@pytest.mark.parametrize(
    "command", [("run", "speed", "--model", "a"), ("run", "mcq", "--model", "a"), ("servers",), ("models",)]
)
def test_an_empty_address_is_no_address_and_not_any(tiltyard: Tiltyard, command: tuple[str, ...]) -> None:
    done = tiltyard(*command, "--server", "")
    assert done.code == 2
    assert "'' is not the address of a server" in done.err


@pytest.mark.engine
def test_a_configured_server_is_not_asked_for_files(tiltyard: Tiltyard, tmp_path: Path) -> None:
    write_model(tmp_path / "m.gguf", TinySpec(name="m"))
    with running(config("a")) as sim:
        env = {"TILTYARD_SERVER": sim.url("openai"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = tiltyard("run", "speed", "--models", "./m.gguf,a", *SMALL, env=env)
        assert done.code == 0, done.err
        summaries = [event for event in done.lines() if event["event"] == "summary"]
        assert [summary["server"]["dialect"] for summary in summaries] == ["embedded", "openai"]
        alone = tiltyard("run", "speed", "--model", "./m.gguf", *SMALL, env=env)
        assert alone.summary()["cached"], alone.err
        typed = tiltyard("run", "speed", "--model", "./m.gguf", "--server", sim.url("openai"), *SMALL)
        assert typed.code != 0
        assert "has no model" in typed.err
    runs = json.loads(tiltyard("runs", "--json").out)["runs"]
    commands = {run["command"] for run in runs}
    assert commands == {f"TILTYARD_SERVER={sim.url('openai')} " + " ".join(
        ["tiltyard", "run", "speed", "--models", "./m.gguf,a", *SMALL]
    )}  # fmt: skip
