"""Who is there is known by bodies, side by side, within a second."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import best_of
from tests.servers.dialects.conftest import NOT_FOUND, Canned, Page
from tiltyard.errors import NoServer, NotAModelServer, Unauthorized, UsageError
from tiltyard.servers import Address
from tiltyard.servers.connect import AT_ONCE, connect, open_server
from tiltyard.servers.discover import PORTS, Found, addresses, look, survey
from tiltyard.servers.recognise import recognise
from tiltyard.servers.simulator import DIALECT_NAMES, SimConfig, running
from tiltyard.servers.simulator.config import SimDialect
from tiltyard.servers.wire import Reply

Serve = Callable[..., Canned]

VERSION, TAGS = {"version": "0.32.7"}, {"models": []}
PROPS = {"build_info": "b1", "total_slots": 1, "default_generation_settings": {}}
TABBY = {"total_slots": 4, "chat_template": "{{ x }}", "default_generation_settings": {"n_ctx": 32768}}
LOCKED = Page({"error": "who are you?"}, 401)
LOADING = Page({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)


def models(**fields: Any) -> dict[str, Any]:
    return {"data": [{"id": "m", "object": "model", "created": 1, **fields}]}


def recognised(pages: dict[str, Any], banner: str = "uvicorn", missing: Page = NOT_FOUND) -> str | None:
    async def get(path: str) -> Reply:
        page = pages.get(path, missing)
        page = page if isinstance(page, Page) else Page(page)
        return Reply(status=page.status, headers={"server": banner}, body=page.data)

    return asyncio.run(recognise(get))


@pytest.mark.parametrize(
    ("pages", "dialect"),
    [
        ({"/api/version": VERSION, "/api/tags": TAGS}, "ollama"),
        ({"/api/v1/models": {"models": []}}, "lmstudio"),
        ({"/api/v0/models": {"data": [{"id": "m", "state": "loaded"}]}}, "lmstudio"),
        ({"/props": PROPS}, "llamacpp"),
        ({"/props": {"total_slots": 1, "default_generation_settings": {"n_predict": -1}}}, "llamacpp"),
        ({"/props": TABBY, "/v1/models": models(owned_by="tabbyAPI")}, "openai"),
        ({"/health": LOADING}, "llamacpp"),
        ({"/v1/models": models(owned_by="llamacpp", meta={})}, "openai"),  # behind a proxy that passes /v1
        ({"/v1/models": models(owned_by="llamacpp"), "/props": LOCKED}, "llamacpp"),
        ({"/v1/models": models(owned_by="llamacpp"), "/props": Page(b"", 502)}, "llamacpp"),
        ({"/v1/models": models(owned_by="llamacpp"), "/props": Page(b"", 403)}, "openai"),
        ({"/v1/models": models(), "/models": models(status={"value": "unloaded"})}, "llamacpp"),
        ({"/v1/models": models(owned_by="vllm", max_model_len=9)}, "vllm"),
        ({"/v1/models": models(owned_by="me", max_model_len=9)}, "vllm"),
        ({"/get_model_info": {"model_path": "/m"}, "/v1/models": models(owned_by="sglang")}, "sglang"),
        ({"/server_info": {"model_path": "/m"}, "/v1/models": models(owned_by="sglang")}, "sglang"),
        ({"/get_server_info": LOCKED, "/v1/models": models(owned_by="sglang")}, "sglang"),
        ({"/v1/models": models(owned_by="sglang")}, "openai"),
        ({"/v1/models": models(owned_by="somebody")}, "openai"),
        ({"/v1/models": models(), "/health": {"status": "ok"}}, "openai"),
        ({"/models": models()}, "openai"),
        ({"/v1/models": {"data": []}}, "openai"),
        ({}, None),
    ],
)
def test_marks(pages: dict[str, Any], dialect: str | None) -> None:
    assert recognised(pages) == dialect


def test_mlx_is_known_by_its_banner_and_bare_entries() -> None:
    pages = {"/v1/models": models(), "/health": {"status": "ok"}}
    assert recognised(pages, banner="BaseHTTP/0.6 Python/3.12") == "mlx"
    assert recognised({**pages, "/v1/models": models(owned_by="x")}, banner="BaseHTTP/0.6") == "openai"


def test_imitations_of_ollama_do_not_win() -> None:
    ollama = {"/api/version": VERSION, "/api/tags": TAGS}
    assert recognised({**ollama, "/props": PROPS}) == "llamacpp"  # llama-server has /api/tags, too
    assert recognised({"/api/version": VERSION, "/v1/models": models(owned_by="proxy")}) == "openai"
    proxy = {"/api/version": VERSION, "/api/tags": tagged("m"), "/v1/models": models(owned_by="proxy")}
    assert recognised(proxy) == "openai"  # it has nothing else of Ollama's
    for whole in (TAGS, LOCKED, Page(b"", 502)):
        assert recognised({**proxy, "/api/ps": whole}) == "ollama"


def tagged(*names: str) -> dict[str, Any]:
    return {"models": [{"name": name, "model": name} for name in names]}


@pytest.mark.parametrize(
    ("tags", "by_v1"),
    [
        (tagged("koboldcpp", "koboldcpp"), models(owned_by="koboldcpp")),  # KoboldCpp
        (tagged("m"), models(owned_by="koboldcpp")),
        (tagged("m:latest"), models(owned_by="lemonade")),  # Lemonade
        (tagged("m"), models(owned_by="lemonade")),
        (tagged("m:latest"), {"data": [{"id": "m", "object": "model"}]}),  # LocalAI
        (tagged("m"), {"data": [{"id": "m", "object": "model"}]}),
        (tagged("m"), {"data": [{"id": "m", "object": "model", "owned_by": "library"}]}),
        (tagged(), models(owned_by="library")),
    ],
)
def test_who_imitates_all_of_ollama_is_known_by_its_list(tags: Any, by_v1: Any) -> None:
    pages = {"/api/version": VERSION, "/api/tags": tags, "/api/ps": TAGS, "/v1/models": by_v1}
    assert recognised(pages) == "openai"


@pytest.mark.parametrize(
    ("tags", "by_v1"),
    [
        (tagged("m"), models(owned_by="library")),
        (tagged("m"), models(owned_by="openai")),  # a proxy that signs the list itself
        (tagged("m"), NOT_FOUND),  # an old one
        (tagged(), {"object": "list", "data": None}),  # one without models
        (tagged(), {"object": "list", "data": []}),
    ],
)
def test_a_real_ollama_stays_one(tags: Any, by_v1: Any) -> None:
    pages = {"/api/version": VERSION, "/api/tags": tags, "/api/ps": TAGS, "/v1/models": by_v1}
    assert recognised(pages) == "ollama"


def test_a_200_is_no_mark() -> None:
    unknown = Page({"error": "Unexpected endpoint or method. (GET /foo)"})
    assert recognised({}, missing=unknown) is None
    assert recognised({"/api/v1/models": {"models": [{"key": "m"}]}}, missing=unknown) == "lmstudio"
    assert recognised({}, missing=Page(b"<html>", kind="text/html")) is None


def test_every_dialect_is_found_and_its_models_with_it() -> None:
    with running(SimConfig(delay=False)) as sim:
        found = asyncio.run(survey([sim.url(dialect) for dialect in DIALECT_NAMES], timeout_s=60))
    assert [each.info.dialect for each in found if each.info] == list(DIALECT_NAMES)
    assert all(each.models for each in found)


@pytest.fixture
def silent() -> Any:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@best_of()
@pytest.mark.parametrize(
    ("dialect", "page"),
    [
        ("openai", "/v1/chat/completions"),
        ("openai", "/v1/models"),
        ("ollama", "/api/chat"),
        ("ollama", "/api/generate"),
        ("llamacpp", "/chat/completions"),
        ("lmstudio", "/api/v0/chat/completions"),
    ],
)
def test_the_address_of_a_page_is_the_servers(dialect: SimDialect, page: str) -> None:
    async def both(url: str) -> tuple[str, list[Found]]:
        server = await connect(url + page)
        await server.close()
        return server.info.url, await survey([url + page], timeout_s=10)

    with running(SimConfig(dialects=(dialect,))) as simulator:
        url = simulator.url(dialect)
        named, found = asyncio.run(both(url))
    assert named == url
    assert [(each.url, each.info and each.info.dialect) for each in found] == [(url, dialect)]


@pytest.mark.slow
@best_of()
def test_a_silent_port_delays_nobody_and_is_reported(silent: str, serve: Serve) -> None:
    canned = serve({"GET /api/version": VERSION, "GET /api/tags": TAGS, "GET /api/ps": TAGS})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
        started = time.perf_counter()
        found = asyncio.run(survey([silent, silent + "/a", canned.url, dead], timeout_s=0.3))
        took = time.perf_counter() - started
    assert took < 0.9
    assert [(each.url, each.info.dialect if each.info else None) for each in found] == [
        (silent, None),
        (silent + "/a", None),
        (canned.url, "ollama"),
    ]
    assert "does not answer" in (found[0].problem or "")


@pytest.fixture
def stuck() -> Iterator[Callable[[Any], Page]]:
    """A page that is not answered until the test is over."""
    over = threading.Event()

    def wait(_: Any) -> Page:
        over.wait()
        return Page({})

    yield wait
    over.set()


def test_one_slow_page_makes_nobody_absent(serve: Serve, stuck: Callable[[Any], Page]) -> None:
    """Gateways ask all whom they stand for before they say how they are."""
    gateway = serve({"GET /v1/models": models(owned_by="openai"), "GET /health": stuck})
    (found,) = asyncio.run(survey([gateway.url], timeout_s=4))
    assert (found.problem, found.info and found.info.dialect) == (None, "openai")


def test_who_answers_no_page_is_not_asked_for_all(serve: Serve, stuck: Callable[[Any], Page]) -> None:
    hung = serve({}, missing=stuck)
    with pytest.raises(NoServer, match=r"no answer within 0\.2 s"):
        asyncio.run(connect(hung.url, like=Address(url=hung.url, loading_s=0.2)))
    assert len(hung.asked) == AT_ONCE


def test_what_cannot_be_used_is_reported_with_the_reason(serve: Serve) -> None:
    web, locked = serve({}, missing=Page(b"<html>")), serve({}, missing=Page({"error": "no key"}, 401))
    first, second = asyncio.run(survey([web.url, locked.url], timeout_s=3))
    assert "not as a model server" in (first.problem or "")
    assert "no key" in (second.problem or "")
    assert second.remedy


def test_connecting_to_them_raises(serve: Serve) -> None:
    web, locked = serve({}, missing=Page(b"<html>")), serve({}, missing=Page({"error": "no key"}, 401))
    with pytest.raises(NotAModelServer):
        asyncio.run(connect(web.url))
    with pytest.raises(Unauthorized):
        asyncio.run(connect(locked.url))


@pytest.mark.slow
@pytest.mark.parametrize("signed", ["sglang", "llamacpp"])
def test_behind_a_proxy_of_v1_alone_it_is_plain_openai(serve: Serve, signed: str) -> None:
    proxy = serve({"GET /v1/models": models(owned_by=signed)})
    (found,) = asyncio.run(survey([proxy.url], timeout_s=10))
    assert found.info
    assert (found.info.dialect, [model.name for model in found.models]) == ("openai", ["m"])
    with pytest.raises(NotAModelServer) as caught:  # the dialect's own pages are missing
        asyncio.run(connect(proxy.url, signed))
    assert "--dialect openai" in caught.value.remedy


def test_only_who_was_named_is_shown_the_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTYARD_API_KEY", "sk-0123456789")
    locked = serve({}, missing=LOCKED)
    for named, shown in ((False, None), (True, "Bearer sk-0123456789")):
        found = asyncio.run(look(locked.url, 10, None, named))
        assert found
        assert found.refused
        assert found.problem == "the server lets nobody in without its key (HTTP 401: who are you?)"
        assert {asked.headers.get("Authorization") for asked in locked.asked} == {shown}
        locked.asked.clear()


def test_known_ports_and_named_addresses_are_looked_at() -> None:
    looked = addresses()
    assert {f"http://127.0.0.1:{port}" for port in PORTS} <= set(looked)
    assert {8080, 9931} <= set(PORTS)  # llama-server moves from one to the other
    assert len(looked) == len(set(looked))


def test_servers_that_the_settings_name_are_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILTYARD_SERVERS", "http://localhost:9/v1,http://localhost.lan.invalid:8000")
    assert addresses()[:2] == ["http://127.0.0.1:9", "http://localhost.lan.invalid:8000"]
    found = {each.url: each for each in asyncio.run(survey())}
    gone = found["http://127.0.0.1:9"]
    assert gone.info is None
    assert "connection refused" in (gone.problem or "")
    assert asyncio.run(survey(["http://127.0.0.1:9"])) == []  # who asked says so


def test_unknown_dialects_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        open_server("olama", Address(url="http://127.0.0.1:1"))
    assert "ollama" in caught.value.remedy
    with pytest.raises(UsageError, match="neither"):
        asyncio.run(connect())


def test_other_packages_bring_dialects_through_the_same_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = "[tiltyard.servers]\nmine = mine:Mine\nollama = mine:Mine\n"
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    (tmp_path / "mine.py").write_text(
        "from tiltyard.servers.openai import OpenAI\n\nclass Mine(OpenAI):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    address = Address(url="http://127.0.0.1:1")
    assert type(open_server("mine", address)).__name__ == "Mine"
    assert type(open_server("ollama", address)).__name__ == "Ollama"  # ours cannot be replaced
