"""What a person can write wrong: options, settings files, environment, paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.baddays.conftest import Tiltyard, fixed, refused

NOWHERE = "http://127.0.0.1:9"  # nothing here may depend on a server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--requests", "-3"), "--requests"),
        (("--requests", "0"), "--requests"),
        (("--requests", "many"), "--requests"),
        (("--output-tokens", "-1"), "--output-tokens"),
        (("--rate", "-2"), "--rate"),
        (("--rate", "nan"), "'nan' is not a finite number"),
        (("--seconds", "inf"), "'inf' is not a finite number"),
        (("--budget", "0"), "--budget"),
        (("--width", "-0.1"), "--width"),
        (("--temperature", "-1"), "--temperature"),
        (("--baseline", "-1"), "--baseline"),
        (("--min-success", "2"), "--min-success"),
        (("--min-success", "nan"), "'nan' is not a finite number"),
        (("--gap-timeout", "-1"), "--gap-timeout"),
        (("--first-byte-timeout", "nan"), "'nan' is not a finite number"),
        (("--context", "0"), "--context"),
        (("--concurrency", "x"), "cannot read 'x' in concurrency"),
        (("--concurrency", "1,2"), "takes one concurrency, not 2"),
        (("--concurrency", "0"), "at least 1"),
        (("--concurrency", "inf"), "whole numbers"),
        (("--profile", "depth", "--depths", "1,zwei"), "cannot read 'zwei' in depths"),
        (("--profile", "serve", "--rates", "1,-2"), "a rate must be above zero"),
        (("--slo", "fast"), "cannot read the limit 'fast'"),
        (("--slo", "ttft=-5ms"), "cannot read the limit"),
        (("--slo", "ttft=0"), "at least one limit above zero"),
        (("--profile", "fixed", "--poisson"), "need a rate"),
        (("--profile", "fixed", "--rate", "1", "--concurrency", "2"), "either a rate or a concurrency"),
        (("--prompt", "hi", "--prompt-tokens", "3"), "a prompt has its own size"),
        (("--profile", "warp"), "'warp' is not one of"),
        (("--tokenizer", "gone.json"), "gone.json"),
        (("--frobnicate",), "--frobnicate"),
    ],
)
def test_an_option_that_cannot_be_meant(tiltyard: Tiltyard, options: tuple[str, ...], says: str) -> None:
    """Before any server is asked: none listens there."""
    refused(tiltyard("run", "speed", "--server", NOWHERE, "--model", "m", *options), 2, says)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("run", "sped"), "No such command 'sped'"),
        (("rum",), "No such command 'rum'"),
        (("board", "--sort", "colour"), "colour"),
        (("show", "nope"), "no run 'nope'"),
        (("show",), "RUN"),
        (("rm", "nope", "--yes"), "no run 'nope'"),
        (("compare", "a", "b"), "no run 'a'"),
        (("export", "--format", "xls"), "xls"),
        (("import", "gone.jsonl"), "gone.jsonl"),
        (("report",), "nothing to report"),
        (("simulate", "--dialect", "klingon"), "unknown dialect 'klingon'"),
        (("simulate", "--fault", "meteor"), "unknown fault 'meteor'"),
        (("run", "speed", "--server", NOWHERE, "-m", "m", "--dialect", "olama"), "did you mean ollama"),
        (("run", "speed", "--server", "not a url", "-m", "m"), "'not a url' is not the address"),
        (("run", "speed", "--server", "ftp://host", "-m", "m"), "is not the address of a server"),
        (("run", "speed", "--server", "http://host:99999", "-m", "m"), "is not the address of a server"),
        (("run", "speed", "--server", "http://127.0.0.1:0", "-m", "m"), "is not the address of a server"),
        (("run", "speed", "--server", "http://..", "-m", "m"), "'http://..' is not the address of a server"),
        (("servers", "--server", f"http://{'a' * 70}.local"), "is not the address of a server"),
        (("simulate", "--host", ".."), "cannot listen: "),
        (("run", "mcq", "--csv-pattern", "t*.csv", "-m", "m"), "name a folder"),
        (("run", "speed", "-m", "caf\udce9"), "is not UTF-8"),
    ],
)
def test_a_command_that_cannot_be_meant(tiltyard: Tiltyard, command: tuple[str, ...], says: str) -> None:
    done = tiltyard(*command, env={"TILTYARD_SERVERS": "", "OLLAMA_HOST": "127.0.0.1:9"})
    refused(done, 2, says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"server = ", "line 1: not TOML, at key 'server'"),
        (b"\n\nservr = 'x'", "line 3: unknown setting 'servr'"),
        (b"gap_timeout_s = 'long'", "line 1: gap_timeout_s: Expected float"),
        (b"\ngap_timeout_s = -1", "line 2: gap_timeout_s must be above 0"),
        (b"[keys]\n'my.host' = 3", "line 2: keys: Expected str, got int for 'my.host'"),
        (b"\xff\xfe", "not UTF-8"),
        (b"server = 'ftp://host'", "line 1: server: 'ftp://host'"),
        (b"\nserver = 'http://a b'", "line 2: server: 'http://a b'"),
    ],
)
def test_a_broken_settings_file_is_named_with_line_and_key(
    tiltyard: Tiltyard, tmp_path: Path, text: bytes, says: str
) -> None:
    (tmp_path / "tiltyard.toml").write_bytes(text)
    refused(tiltyard("run", "speed", "-m", "m"), 2, "tiltyard.toml", says)
    refused(tiltyard("config", "show"), 2, "tiltyard.toml", says)


def test_an_unknown_variable_of_ours(tiltyard: Tiltyard) -> None:
    done = tiltyard("runs", env={"TILTYARD_GAP_TIMOUT_S": "3"})
    refused(done, 2, "unknown setting TILTYARD_GAP_TIMOUT_S", "did you mean TILTYARD_GAP_TIMEOUT_S?")
    refused(tiltyard("runs", env={"TILTYARD_GAP_TIMEOUT_S": "soon"}), 2, "TILTYARD_GAP_TIMEOUT_S")


@pytest.mark.slow
def test_model_files_that_are_none(tiltyard: Tiltyard, tmp_path: Path) -> None:
    refused(tiltyard("run", "speed", "-m", "./gone.gguf"), 3, "no model file at", "check the path")
    (tmp_path / "folder.gguf").mkdir()
    refused(tiltyard("run", "speed", "-m", "./folder.gguf"), 3, "is a folder", "*.gguf")
    (tmp_path / "text.gguf").write_text("no model at all" * 100)
    refused(tiltyard("run", "speed", "-m", "./text.gguf"), 3, "is not a GGUF file")
    (tmp_path / "empty.gguf").touch()
    refused(tiltyard("run", "speed", "-m", "./empty.gguf"), 3, "empty.gguf")
    made = tiltyard("make-model", "whole.gguf", "--preset", "tilt-swift")
    assert made.code == 0, made.err
    whole = (tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    refused(tiltyard("run", "speed", "-m", "./cut.gguf"), 3, "is cut short", "download it again")
    (tmp_path / "head.gguf").write_bytes(whole[:3000])
    refused(tiltyard("run", "speed", "-m", "./head.gguf"), 3, "in the middle of its header", "download it")


def test_the_engine_takes_no_web_address(tiltyard: Tiltyard) -> None:
    refused(tiltyard(*fixed(NOWHERE, "--dialect", "embedded")), 3, "127.0.0.1:9")
