"""`tiltyard simulate` as a process: addresses, files, flags, a clean stop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.simulator.conftest import call, chat_body
from tiltyard.errors import UsageError
from tiltyard.servers.simulator import SimConfig, load_config, spawn
from tiltyard.servers.simulator.config import parse_model

TOML = """
seed = 5
dialects = ["ollama", "openai"]
faults = ["no_done@/2"]

[[models]]
name = "written"
ttft_ms = 20
token_ms = 2
capabilities = ["completion", "thinking"]

[[models.script]]
when = "hello"
say = [[1.0, "good day"]]

[[models.answers]]
when = "2+2"
right = "4"
"""


def test_config_files(tmp_path: Path) -> None:
    toml = tmp_path / "sim.toml"
    toml.write_text(TOML)
    config = load_config(toml)
    assert (config.seed, config.models[0].ttft_ms, config.models[0].script[0].when) == (5, 20.0, "hello")
    written = tmp_path / "sim.json"
    written.write_text(json.dumps({"models": [{"name": "x"}], "delay": False}))
    assert load_config(written) == SimConfig(models=(parse_model("x"),), delay=False)


@pytest.mark.parametrize("text", ["sede = 5", "seed = ", "seed = 'x'", "[[models]]\nttft_ms = 5"])
def test_broken_config_says_where(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load_config(path)


def test_the_file_that_the_documentation_shows(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    path = tmp_path / "lab.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    config = load_config(path)
    assert (config.seed, config.dialects, config.models[0].ability) == (7, ("ollama", "openai"), 0.7)
    assert [say.when for say in config.models[0].script] == ["ping", "coin", "weather"]


def test_model_flags() -> None:
    model = parse_model("quick:8b:ttft_ms=200,token_ms=20,slots=256,capabilities=completion+thinking")
    assert (model.name, model.ttft_ms, model.slots, model.thinks) == ("quick:8b", 200.0, 256, True)
    assert parse_model("sim-moe:30b-a3b:load_ms=5").experts == 128
    with pytest.raises(UsageError, match="speed"):
        parse_model("m:speed=5")


def test_spawned_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")
    path = tmp_path / "sim.toml"
    path.write_text(TOML)
    with spawn(path) as sim:
        assert "OPENAI_API_KEY" not in psutil.Process(sim.pid).environ()
        assert list(sim.urls)[:2] == ["ollama", "openai"]
        answer = call(sim.url("openai"), "/v1/chat/completions", chat_body("written", max_tokens=50))
        assert answer.said() == "good day"
        assert call(sim.url("ollama"), "/api/tags").json()["models"][0]["name"] == "written"
    assert sim.process.returncode == 0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tiltyard", "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_flags_that_do_not_fit() -> None:
    assert run("--only", "ollama,lama").returncode == 2
    assert "unknown dialect 'lama'" in run("--only", "ollama,lama").stderr
    assert "list-faults" in run("--fault", "nonsense", "--json").stderr


@pytest.mark.slow
def test_list_of_faults() -> None:
    assert "error_midstream" in run("--list-faults").stdout
    assert "stall" in json.loads(run("--list-faults", "--json").stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
def test_ctrl_c_stops_cleanly() -> None:
    command = [
        sys.executable,
        "-m",
        "tiltyard",
        "simulate",
        "--dialect",
        "openai",
        "--model",
        "a b/ü:ttft_ms=1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline()]
        while "truth" not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()
        assert any("http://127.0.0.1:" in line for line in lines)


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_by_its_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for flags, remedy in (
            (("--dialect", "openai", "--port", port), "choose another --port\n"),
            (("--dialect", "openai", "--port-base", port), "choose another --port-base\n"),
            (("--dialect", "openai", "--host", "192.0.2.1"), "choose another host or port\n"),
        ):
            words = [sys.executable, "-m", "tiltyard", "simulate", *flags]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 2
            assert done.stderr.startswith(("error: cannot listen: ", "warning: "))
            assert done.stderr.endswith(remedy)
