"""Which models on which servers a command measures, and what it says where there is nobody to measure."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tests.servers.dialects.conftest import Asked, Canned, Page, chunk, events
from tiltyard.servers.discover import survey
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import SimDialect
from tiltyard.servers.tiny import TinySpec, write_model

pytestmark = pytest.mark.slow

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
    models = tuple(SimModel(name=name, stops_at=6, loaded=True) for name in names)
    return SimConfig(models=models, dialects=("openai",), delay=False)


@pytest.mark.parametrize("words", [("speed",), ("mcq",), ("speed", "--all")])
def test_nobody_to_ask_and_nothing_named(tiltyard: Tiltyard, words: tuple[str, ...]) -> None:
    if any(each.info for each in asyncio.run(survey())):
        pytest.skip("a model server runs on one of the known ports of this machine")
    done = tiltyard("run", *words)
    assert done.code == 3
    assert "no model server runs on this machine's known ports" in done.err


def test_this_machine_is_one_however_it_is_called(tiltyard: Tiltyard) -> None:
    with running(config("m")) as server:
        url = server.url("openai")
        for place, cached in ((url, None), (url.replace("127.0.0.1", "localhost"), True)):
            done = tiltyard("run", "speed", "--model", "m", "--server", place, *SMALL)
            assert done.code == 0, done.err
            assert done.summary().get("cached") is cached
            assert done.summary()["server"]["url"] == url
    assert len(json.loads(tiltyard("board", "--json").out)["rows"]) == 1


def test_a_folder_of_files_is_no_model(tiltyard: Tiltyard, tmp_path: Path) -> None:
    folder = tmp_path / "my models"
    write_model(folder / "a.gguf", TinySpec())
    with running(config("m")) as server:
        for env in ({"TILTYARD_SERVERS": server.url("openai")}, {}):
            done = tiltyard("run", "speed", "--model", "./my models", env=env)
            assert done.code == 3
            assert "my models is a folder, not a GGUF file" in done.err
            assert "a.gguf" in done.err


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


def told(name: str) -> dict[str, object]:
    details = {"family": "llama", "parameter_size": "8B", "quantization_level": "Q4_K_M"}
    return {"name": name, "size": 5_000_000_000, "digest": f"sha256:{name}", "details": details}


def shown(asked: Asked) -> Page:
    if asked.body["model"] == "broken":
        return Page({"error": "unreadable manifest"}, 500)
    able = "embedding" if asked.body["model"] == "embed" else "completion"
    return Page({"model_info": {"general.architecture": "llama"}, "capabilities": [able]})


def answered(asked: Asked) -> Page:
    said = {"model": asked.body["model"], "message": {"role": "assistant", "content": "hi"}, "done": False}
    counts = {"prompt_eval_count": 3, "prompt_eval_duration": 10**6, "eval_count": 2, "eval_duration": 10**6}
    last = said | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    lines = [json.dumps(line).encode() + b"\n" for line in (said, last | counts)]
    return Page(b"".join(lines), kind="application/x-ndjson")


@pytest.fixture
def ailing() -> Iterator[str]:
    """An Ollama with three models, one of which it cannot describe."""
    canned = Canned(
        {
            "GET /api/version": {"version": "0.32.7"},
            "GET /api/tags": {"models": [told("one"), told("broken"), told("two")]},
            "GET /api/ps": {"models": []},
            "POST /api/show": shown,
            "POST /api/chat": answered,
        }
    )
    yield canned.url
    canned.close()


@pytest.fixture
def embedding() -> Iterator[Callable[..., str]]:
    """An Ollama whose list does not tell what its models can do."""
    opened: list[Canned] = []

    def serve(*names: str) -> str:
        pages: dict[str, Any] = {"GET /api/version": {"version": "0.32.7"}, "GET /api/ps": {"models": []}}
        pages |= {"GET /api/tags": {"models": [told(name) for name in names]}}
        opened.append(Canned(pages | {"POST /api/show": shown, "POST /api/chat": answered}))
        return opened[-1].url

    yield serve
    for canned in opened:
        canned.close()


@pytest.mark.parametrize("found", [False, True])
def test_models_that_only_embed_are_not_asked(
    tiltyard: Tiltyard, embedding: Callable[..., str], found: bool
) -> None:
    def run(url: str) -> Any:
        place, env = ((), {"TILTYARD_SERVERS": url}) if found else (("--server", url), {})
        return tiltyard("run", "speed", "--all", *place, *SMALL, env=env)

    both = run(embedding("one", "embed"))
    assert both.code == 0, both.err
    assert [line["model"] for line in both.lines() if line["event"] == "summary"] == ["one"]
    none = run(embedding("embed"))
    assert none.code == 3
    assert "no model" in none.err


@pytest.mark.parametrize("found", [False, True])
def test_a_model_that_only_embeds_is_no_choice(
    tiltyard: Tiltyard, embedding: Callable[..., str], found: bool
) -> None:
    def run(url: str, *words: str) -> Any:
        place, env = ((), {"TILTYARD_SERVERS": url}) if found else (("--server", url), {})
        return tiltyard("run", "speed", *words, *place, *SMALL, env=env)

    only = run(embedding("one", "embed"))
    assert only.code == 0, only.err
    assert [line["model"] for line in only.lines() if line["event"] == "summary"] == ["one"]
    several = run(embedding("one", "two", "embed"))
    assert "which of 2 models? one, two" in several.err
    named = run(embedding("one", "two", "embed"), "--model", "embed")
    assert named.code == 3
    assert "only embeds" in named.err
    assert "take a model that chats: one, two" in named.err
    assert "no model that chats" in run(embedding("embed")).err


SAID = "left out: broken: describing broken failed: HTTP 500: unreadable manifest"


def test_a_model_that_cannot_be_described_does_not_hide_the_others(tiltyard: Tiltyard, ailing: str) -> None:
    for end in ((), ("--json",)):
        done = tiltyard("models", "--server", ailing, *end)
        assert (done.code, done.err) == (0, SAID + "\n")
        assert "one" in done.out
        assert "two" in done.out
        assert "broken" not in done.out


@pytest.mark.parametrize("words", [("--all",), ("--models", "one,broken,two")])
@pytest.mark.parametrize("found", [False, True])
def test_a_model_that_cannot_be_described_does_not_keep_the_others_from_being_measured(
    tiltyard: Tiltyard, ailing: str, words: tuple[str, ...], found: bool
) -> None:
    place = ("--dialect", "ollama") if found else ("--server", ailing)
    done = tiltyard("run", "speed", *words, *place, *SMALL, env={"TILTYARD_SERVERS": ailing} if found else {})
    assert SAID in done.err
    assert [line["model"] for line in done.lines() if line["event"] == "summary"] == ["one", "two"]
    assert done.code == 3  # one that was asked for is not measured
    assert "error: describing broken failed" in done.err


def test_where_no_model_can_be_described_that_is_the_error(tiltyard: Tiltyard, ailing: str) -> None:
    done = tiltyard("run", "speed", "--model", "broken", "--server", ailing, *SMALL)
    assert (done.code, done.out) == (3, "")
    assert "error: describing broken failed: HTTP 500: unreadable manifest" in done.err
    typo = tiltyard("run", "speed", "--models", "one,twoo", "--server", ailing, *SMALL)
    assert (typo.code, typo.out) == (3, "")  # a name that is none is said before anything is measured
    assert "did you mean two" in typo.err


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


def test_who_hangs_is_named_though_another_server_answers(tiltyard: Tiltyard, hung: str) -> None:
    with running(config("a")) as sim:
        env = {"TILTYARD_SERVERS": f"{sim.url('openai')},{hung}", "COLUMNS": "300"}
        missing = tiltyard("run", "speed", "--model", "b", *SMALL, env=env)
        every = tiltyard("run", "speed", "--all", *SMALL, env=env)
    assert missing.code == 3
    assert "has no model 'b'" in missing.err
    assert f"{hung}: something accepts connections here but does not answer in time" in missing.err
    assert every.code == 0
    assert f"left out: {hung}: something accepts connections here" in every.err


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


@pytest.fixture
def gateway() -> Iterator[str]:
    """It lists one model, serves others too, and answers under their makers' names."""
    chunks = [chunk("gpt-4o-2024-08-06", content="hi"), chunk("gpt-4o-2024-08-06", finish="stop")]
    canned = Canned(
        {
            "GET /v1/models": {"data": [{"id": "claude-sonnet", "object": "model", "owned_by": "them"}]},
            "POST /v1/chat/completions": Page(events(*chunks), kind="text/event-stream"),
        }
    )
    yield canned.url
    canned.close()


def test_a_gateways_unlisted_name_is_taken_as_written(tiltyard: Tiltyard, gateway: str) -> None:
    run = ("run", "speed", "--server", gateway, *SMALL)
    done = tiltyard(*run, "--model", "my-deployment", "--dialect", "openai")
    assert done.code == 0, done.err
    assert f"{gateway} does not list 'my-deployment', which is taken as written" in done.err
    summary = done.summary()
    assert summary["endings"] == {"ok": 2}
    assert {note for note in summary["notes"] if "2 of 2" in note} == {
        "answered by gpt-4o-2024-08-06, which may be another model than the one asked for (2 of 2)",
        "the server's list lacks this model: nothing is known but the name (2 of 2)",
    }
    guessed = tiltyard(*run, "--model", "my-deployment")  # nobody said that it is a gateway
    slipped = tiltyard(*run, "--model", "claude-sonet", "--dialect", "openai")
    for refused in (guessed, slipped):
        assert refused.code == 3
        assert "claude-sonnet" in refused.err


@pytest.mark.parametrize("dialect", ["llamacpp", "mlx", "sglang", "lmstudio", "ollama"])
def test_a_dialect_that_the_server_does_not_speak_is_refused(tiltyard: Tiltyard, dialect: str) -> None:
    with running(config("m")) as server:
        place = ("--server", server.url("openai"), "--dialect", dialect)
        done = tiltyard("run", "speed", "--model", "m", *place, *SMALL)
        assert done.code == 3
        assert "--dialect openai" in done.err
        assert server.truth() == []
    assert json.loads(tiltyard("runs", "--json").out)["runs"] == []


@pytest.mark.parametrize(
    ("spoken", "dialect"),
    [("ollama", "vllm"), ("lmstudio", "vllm"), ("llamacpp", "vllm"), ("llamacpp", "mlx")],
)
def test_a_dialect_known_by_a_list_is_refused_where_another_is_plain(
    tiltyard: Tiltyard, spoken: SimDialect, dialect: str
) -> None:
    with running(SimConfig(models=(SimModel(name="m"),), dialects=(spoken,))) as server:
        place = ("--server", server.url(spoken), "--dialect", dialect)
        done = tiltyard("run", "speed", "--model", "m", *place, *SMALL)
        assert done.code == 3
        assert f"--dialect {spoken}" in done.err
        assert server.truth() == []


def test_a_server_without_a_list_is_measured_as_a_plain_one(tiltyard: Tiltyard) -> None:
    answer = events(chunk("m", content="hi"), chunk("m", finish="stop"))
    canned = Canned({"POST /v1/chat/completions": Page(answer, kind="text/event-stream")})
    try:
        run = ("run", "speed", "--model", "m", "--server", canned.url, *SMALL)
        assert tiltyard(*run, "--dialect", "openai").summary()["endings"] == {"ok": 2}
        refused = tiltyard(*run, "--dialect", "vllm")
        assert refused.code == 3
        assert "try: leave --dialect out, or check the port;" in refused.err
        assert "--dialect openai --server URL" in refused.err
    finally:
        canned.close()
