"""The stored command makes the same run where nothing is set: what the environment decided is in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Finished
from tiltyard.cli.options import Common
from tiltyard.cli.reproducing import whole_command
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running
from tiltyard.settings import load_settings

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
SMALL = ("--profile", "fixed", "--requests", "2", "--output-tokens", "2", "--json")


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in ("a", "b"))
    with running(SimConfig(models=models, dialects=("openai", "ollama"), delay=False)) as simulator:
        yield simulator


def stored(tiltyard: Tiltyard) -> tuple[dict[str, str], list[str]]:
    """The newest run's command: what it sets before it, and its words."""
    words = shlex.split(json.loads(tiltyard("runs", "--json").out)["runs"][0]["command"])
    start = words.index("tiltyard")
    return dict(word.split("=", 1) for word in words[:start]), words[start + 1 :]


def again(tiltyard: Tiltyard) -> dict[str, object]:
    """What the newest run's command comes to where nothing else is set."""
    sets, words = stored(tiltyard)
    done = tiltyard(*words, env=sets)
    assert done.code == 0, done.err
    return done.summary()


def test_settings_are_flags_and_what_has_no_flag_stands_before_the_command(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    file, url = tmp_path / "tiltyard.toml", sim.url("openai")
    file.write_text("first_byte_timeout_s = 90\n", encoding="utf-8")
    env = {
        "TILTYARD_SERVER": url,
        "TILTYARD_GAP_TIMEOUT_S": "33.5",
        "TILTYARD_CONNECT_TIMEOUT_S": "7",
        "TILTYARD_SERVERS": "http://127.0.0.1:9",
        "TILTYARD_API_KEY": "sk-nobody-may-read",
    }
    typed = ["run", "speed", "--dialect", "openai", "--model", "a", *SMALL]
    first = tiltyard(*typed, env=env).summary()
    file.unlink()
    flags = ["--server", url, "--first-byte-timeout", "90", "--gap-timeout", "33.5"]
    assert stored(tiltyard) == ({"TILTYARD_CONNECT_TIMEOUT_S": "7"}, [*typed[:2], *flags, *typed[2:]])
    second = again(tiltyard)
    same = ("run_id", "started_at")
    assert ([second[name] for name in same], second["cached"]) == ([first[name] for name in same], True)


def test_what_is_typed_outweighs_settings_and_stands_alone(tiltyard: Tiltyard, sim: Running) -> None:
    env = {"TILTYARD_SERVER": "http://127.0.0.1:9", "TILTYARD_GAP_TIMEOUT_S": "3"}
    place = ("--server", sim.url("openai"), "--dialect", "openai")
    typed = ["run", "speed", *place, "--model", "b", "--gap-timeout", "44", *SMALL]
    assert tiltyard(*typed, env=env).code == 0
    assert stored(tiltyard) == ({}, typed)


def test_plain_names_that_mcq_hears_are_flags(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"{name} and one?,1,2,3,4,B\n", encoding="utf-8")
    env = {
        "OLLAMA_BASE_URL": sim.url("ollama"),
        "MODEL_NAME": "a",
        "CSV_PATTERN": "t*.csv",
        "MAX_RETRIES": "1",
        "BATCH_SIZE": "7",
        "VERBOSE": "true",
        "OUTPUT_DIR": "logs here",
    }
    typed = ["run", "mcq", ".", "--concurrency", "2", "--json"]
    first = tiltyard(*typed, env=env)
    assert first.code == 0, first.err
    flags = ["--model", "a", "--max-retries", "1", "--csv-pattern", "t*.csv", "--server", sim.url("ollama")]
    assert stored(tiltyard) == ({}, [*typed[:2], *flags, *typed[2:]])
    second = again(tiltyard)
    assert (second["run_id"], second["cached"]) == (first.summary()["run_id"], True)


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("OLLAMA_HOST", "OLLAMA_BASE_URL", "TILTYARD_SERVER", "TILTYARD_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_where_servers_are_searched_stands_before_the_command(nothing_set: pytest.MonkeyPatch) -> None:
    typed = ["run", "speed", "-m", "two words"]
    assert whole_command(typed, Common(model=("two words",)), load_settings()) == (
        "tiltyard run speed -m 'two words'"
    )
    nothing_set.setenv("OLLAMA_HOST", "0.0.0.0:11500")
    nothing_set.setenv("TILTYARD_SERVERS", "http://h:1/a b?key=QUERYSECRET9, http://i:2")
    assert whole_command(typed, Common(model=("two words",)), load_settings()) == (
        "TILTYARD_SERVERS='http://h:1/a b,http://i:2' TILTYARD_OLLAMA_URL=http://127.0.0.1:11500 "
        "tiltyard run speed -m 'two words'"
    )
    assert whole_command(typed, Common(server="http://j:3"), load_settings()).startswith("tiltyard")
    assert whole_command(typed, Common(model=("./m.gguf",)), load_settings()).startswith("tiltyard")


def test_a_files_command_has_no_server(nothing_set: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing_set.setenv("TILTYARD_SERVER", "http://h:1")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    for typed in (["run", "speed", "-m", "m.gguf"], ["demo"]):
        assert whole_command(typed, Common(model=("m.gguf",)), load_settings()).startswith("tiltyard")
    typed = ["run", "speed", "--models", "m.gguf,a"]
    assert whole_command(typed, Common(models="m.gguf,a"), load_settings()) == (
        "TILTYARD_SERVER=http://h:1 tiltyard run speed --models m.gguf,a"
    )
    typed = ["run", "speed", "-m", "served.gguf"]
    assert whole_command(typed, Common(model=("served.gguf",)), load_settings()) == (
        "tiltyard run speed --server http://h:1 -m served.gguf"
    )


def test_a_command_without_these_flags_has_all_before_it(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("TILTYARD_GAP_TIMEOUT_S", "20")
    nothing_set.setenv("TILTYARD_SERVER", "http://h:1")
    assert whole_command(["demo", "--fresh"], Common(), load_settings()) == (
        "TILTYARD_SERVER=http://h:1 TILTYARD_GAP_TIMEOUT_S=20 tiltyard demo --fresh"
    )
