"""`tiltyard servers` and `tiltyard models`, as processes, against the simulator."""

from __future__ import annotations

import base64
import io
import json
import socket
import string
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from tests.conftest import Finished
from tests.patience import best_of
from tiltyard.cli.servers import (
    EMPTY,
    NARROWEST,
    beside_address,
    identities,
    memory,
    models_table,
    servers_table,
)
from tiltyard.records import Model
from tiltyard.servers.discover import Found
from tiltyard.servers.simulator import Running, SimConfig, SimModel, running

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]
ODD = "evil/[bold]🦙[/bold] :smile: \x1b[31m" + "y" * 120


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    models = (
        SimModel(name="alpha:7b", loaded=True, vram_fraction=0.7),
        SimModel(name="beta:30b-a3b", parameters=30_000_000_000, active_parameters=3_000_000_000, experts=128,
                 experts_used=8, capabilities=("completion", "tools", "thinking")),
        SimModel(name=ODD),
    )  # fmt: skip
    with running(SimConfig(models=models, delay=False)) as started:
        yield started


@pytest.fixture
def dead() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{free.getsockname()[1]}"


def test_servers_as_a_table_of_80_columns(tiltyard: Tiltyard, sim: Running) -> None:
    done = tiltyard(
        "servers", "--server", sim.url("ollama"), "--server", sim.url("llamacpp"), env={"COLUMNS": "80"}
    )
    assert done.code == 0, done.err
    assert max(len(line) for line in done.out.splitlines()) <= 80
    for word in (
        "ollama",
        "0.32.7",
        sim.url("ollama").removeprefix("http://"),
        "alpha:7b",
        "llamacpp",
        "slots",
    ):
        assert word in done.out


def test_no_letter_is_lost_at_any_width() -> None:
    """Every cell joined again is what it was."""
    name = "unsloth/Qwen3-30b-a3b-instruct-2507-UD-Q4_K_XL-" + string.ascii_lowercase + string.digits
    with running(SimConfig(models=(SimModel(name=name, loaded=True),), delay=False)) as crowd:
        urls = [crowd.url(dialect) for dialect in ("vllm", "llamacpp", "lmstudio", "ollama")]
        found, rows = identities(urls, None)
    for each in found:
        assert each.info is not None
    far = [msgspec.structs.replace(each.info, url=f"http://{string.ascii_letters}.lan:1") for each in found]
    for infos in ([each.info for each in found], far):
        usable = [Found(url=info.url, info=info) for info in infos]
        for width in (max(columns, NARROWEST) for columns in range(60, 121)):
            head, *lines = drawn(servers_table(usable, width), width)
            ends = [head.index(word) for word in ("version", "address", "models", "in memory")]
            cells = ["".join(line[a:b].strip() for line in lines) for a, b in pairwise([*ends, None])]
            assert cells[0] == "".join(info.version or EMPTY for info in infos)
            assert cells[1] == "".join(info.url.removeprefix("http://") for info in infos)
            assert cells[3] == "".join(
                "".join((*info.loaded, *map("({})".format, info.notes))) for info in infos
            )
            lines = drawn(models_table("", [row[2] for row in rows], width >= 110), width)
            parts = [line.strip().removeprefix("● ").split(" ")[0] for line in lines]
            assert "".join(parts).count(name) == len(urls), width


def drawn(table: Table, width: int) -> list[str]:
    """What a terminal of that width shows, without empty lines and rules; the header first."""
    console = Console(width=width, file=io.StringIO(), markup=False, highlight=False)
    with console.capture() as shown:
        console.print(table)
    return [line for line in shown.get().splitlines() if line.strip(" ─")]


def test_servers_for_programs(tiltyard: Tiltyard, sim: Running) -> None:
    done = tiltyard("servers", "--json", "--server", sim.url("ollama"))
    (row,) = json.loads(done.out)
    assert (row["dialect"], row["version"], row["loaded"]) == ("ollama", "0.32.7", ["alpha:7b"])
    assert row["models"] == ["alpha:7b", "beta:30b-a3b", ODD]
    assert row["problem"] is None


@pytest.mark.parametrize("command", ["servers", "models"])
def test_none_found_is_an_error_and_for_programs_an_empty_list_too(
    tiltyard: Tiltyard, dead: str, command: str
) -> None:
    for args, out in (((), ""), (("--json",), "[]\n")):
        done = tiltyard(command, *args, "--server", dead)
        assert (done.code, done.out) == (3, out)
        assert done.err.startswith(f"error: no model server answers at {dead}\n")
        assert "try: start one" in done.err


@pytest.mark.parametrize("command", ["servers", "models"])
def test_a_login_in_the_address_is_never_shown(tiltyard: Tiltyard, dead: str, command: str) -> None:
    with running(SimConfig(faults=("not_a_model_server",), dialects=("openai",))) as web:
        for url in (dead, web.url("openai")):
            for end in ((), ("--json",)):
                done = tiltyard(command, "--server", url.replace("//", "//me:PASSWORDzz77@"), *end)
                assert done.code == 3
                assert "PASSWORDzz77" not in done.out + done.err
                assert url in done.out + done.err or command == "models"  # whose JSON is models alone


class Guarded(BaseHTTPRequestHandler):
    """One model, for `me` with the word `PASSWORDzz77` only."""

    def do_GET(self) -> None:
        let_in = self.headers.get("Authorization") == f"Basic {base64.b64encode(b'me:PASSWORDzz77').decode()}"
        listed = let_in and self.path.endswith("/models")
        body = b'{"object": "list", "data": [{"id": "lab:7b", "object": "model"}]}' if listed else b"{}"
        self.send_response(200 if listed else 404 if let_in else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_login_in_the_address_lets_in(tiltyard: Tiltyard) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        for command in ("servers", "models"):
            place = f"127.0.0.1:{server.server_address[1]}"
            done = tiltyard(command, "--server", f"me:PASSWORDzz77@{place}", "--json")
            assert (done.code, done.err) == (0, "")
            assert "lab:7b" in done.out
            assert f"http://{place}" in done.out
            assert "PASSWORDzz77" not in done.out
        server.shutdown()


@pytest.mark.parametrize("command", [("servers",), ("models", "--json"), ("run", "speed", "-m", "lab:7b")])
def test_a_key_in_the_address_is_refused_and_not_repeated(
    tiltyard: Tiltyard, sim: Running, command: tuple[str, ...]
) -> None:
    for end in ("/v1?api_key=QUERYSECRET9", "/#QUERYSECRET9"):
        done = tiltyard(*command, "--server", sim.url("openai") + end)
        assert (done.code, done.out) == (2, "")
        assert "QUERYSECRET9" not in done.err
        assert "--api-key-env" in done.err


def test_models_show_every_part_of_an_identity(tiltyard: Tiltyard, sim: Running) -> None:
    done = tiltyard("models", "--server", sim.url("ollama"), env={"COLUMNS": "80"})
    assert done.code == 0, done.err
    assert max(len(line) for line in done.out.splitlines()) <= 80
    for word in ("● alpha:7b", "○ beta:30b-a3b", "30.0B", "3.0B act.", "Q4_K_M", "4.80 b/w", "MoE", "dense"):
        assert word in done.out
    for word in ("8k /", "32k", "4.2 GB", "3.7 GB", "30% CPU", "tools, thinking, schema", "digest "):
        assert word in done.out


@pytest.mark.parametrize(
    ("taken", "in_vram", "shown"),
    [
        (6.0, 4.5, "4.5 GB\n25% CPU"),
        (4.6, 4.6, "4.6 GB"),
        (None, 3.0, "3.0 GB"),
        (6.0, 0.0, "0 kB\n100% CPU"),
    ],
)
def test_a_spill_is_a_share_of_what_is_in_memory(taken: float | None, in_vram: float, shown: str) -> None:
    """The file's size says nothing of it: KV cache and buffers are in memory too."""
    model = Model(
        name="m",
        size_bytes=5_000_000_000,
        memory_bytes=None if taken is None else round(taken * 1e9),
        vram_bytes=round(in_vram * 1e9),
    )
    assert memory(model) == shown


def test_what_only_a_name_tells_is_said_to_be_told_by_it(tiltyard: Tiltyard, sim: Running) -> None:
    for dialect, guessed in (("vllm", True), ("ollama", False)):
        out = tiltyard("models", "--server", sim.url(dialect), env={"COLUMNS": "120"}).out
        assert "3.0B act." in out
        assert ("active parameters by its name" in out) is guessed


@pytest.mark.parametrize("columns", ["50", "80", "120"])
def test_no_digit_is_cut_however_narrow_or_long(tiltyard: Tiltyard, columns: str) -> None:
    wordy = SimModel(name="gamma:235b", parameters=235_100_000_000, quantization="COMPRESSED-TENSORS 4BIT",
                     loaded=True, vram_fraction=0.45, experts=128, experts_used=8, context_max=131_071,
                     active_parameters=22_400_000_000)  # fmt: skip
    with running(SimConfig(models=(wordy,), dialects=("ollama",), delay=False)) as crowded:
        out = tiltyard("models", "--server", crowded.url("ollama"), env={"COLUMNS": columns}).out
    assert max(len(line) for line in out.splitlines()) <= max(int(columns), 80)
    together = "".join(out.split())
    for figure in ("235.1B", "22.4B", "4.80", "131,071", "141.1", "64.0", "55%"):
        assert figure in together, figure


def test_names_are_text_and_nothing_else(tiltyard: Tiltyard, sim: Running) -> None:
    out = tiltyard("models", "--server", sim.url("ollama")).out
    assert "\x1b" not in out
    assert ":smile:" in out
    assert "[bold]" in out


def test_models_for_programs(tiltyard: Tiltyard, sim: Running) -> None:
    rows = json.loads(tiltyard("models", "--json", "--server", sim.url("ollama")).out)
    assert [row["name"] for row in rows] == ["alpha:7b", "beta:30b-a3b", ODD]
    assert rows[0]["dialect"] == "ollama"
    assert (rows[1]["moe"], rows[1]["context_max"]) == (True, 32768)


def test_a_file_is_read_without_any_server(tiltyard: Tiltyard, tmp_path: Path) -> None:
    done = tiltyard("models", "missing.gguf")
    assert done.code == 3
    assert "no model file at" in done.err
    assert "Traceback" not in done.err


@best_of()
def test_where_ollama_is_comes_from_its_own_variable(tiltyard: Tiltyard, sim: Running) -> None:
    host = sim.url("ollama").removeprefix("http://127.0.0.1")
    rows = json.loads(tiltyard("servers", "--json", env={"OLLAMA_HOST": f"0.0.0.0{host}"}).out)
    assert sim.url("ollama") in {row["url"] for row in rows if row["dialect"] == "ollama"}


def test_somebody_who_is_no_model_server(tiltyard: Tiltyard) -> None:
    with running(SimConfig(faults=("not_a_model_server",), dialects=("openai",))) as web:
        for command in ("servers", "models"):
            done = tiltyard(command, "--server", web.url("openai"))
            assert done.code == 3
            assert "not as a model server" in done.out
            assert done.err.startswith("error: no usable model server was found")
            assert "Traceback" not in done.err


def test_a_wrong_key_is_said_and_not_shown(tiltyard: Tiltyard) -> None:
    with running(SimConfig(api_key="right", dialects=("openai",))) as locked:
        url = locked.url("openai")
        done = tiltyard("servers", "--server", url, env={"TILTYARD_API_KEY": "wr0ng-key"})
        assert done.code == 3
        assert "key" in done.out
        assert "wr0ng-key" not in done.out + done.err
        assert tiltyard("servers", "--server", url, env={"TILTYARD_API_KEY": "right"}).code == 0


def test_a_key_by_the_name_of_its_variable(tiltyard: Tiltyard) -> None:
    with running(SimConfig(api_key="right", dialects=("openai",))) as locked:
        url = locked.url("openai")
        done = tiltyard("models", "--server", url, "--api-key-env", "MY_KEY", env={"MY_KEY": "right"})
        assert done.code == 0, done.err
        assert "right" not in done.out
    done = tiltyard("servers", "--api-key-env", "MY_KEY", env={"MY_KEY": "right"})
    assert done.code == 2
    assert "add --server URL" in done.err


def test_a_model_has_no_mark_where_nobody_says_whether_it_is_in_memory(tiltyard: Tiltyard) -> None:
    with running(SimConfig(models=(SimModel(name="m"),), dialects=("openai",), delay=False)) as plain:
        url = plain.url("openai")
        done = tiltyard("models", "--server", url)
        assert any(line.split()[:1] == ["m"] for line in done.out.splitlines()), done.out
        checked = tiltyard("doctor", "--json", env={"TILTYARD_SERVERS": url})
    [said] = [check["found"] for check in json.loads(checked.out)["checks"] if url in check["found"]]
    assert said == f"openai at {url}: 1 model"


@pytest.mark.parametrize("command", ["servers", "doctor"])
def test_an_address_with_a_problem_is_named_once(tiltyard: Tiltyard, command: str) -> None:
    with running(SimConfig(faults=("not_a_model_server",), dialects=("openai",))) as web:
        url = web.url("openai")
        done = tiltyard(command, env={"TILTYARD_SERVERS": url, "COLUMNS": "300"})
    assert done.out.count(url) == 1, done.out


@pytest.mark.parametrize("problem", ["http://a answers", "http://a  : answers", "answers"])
def test_what_is_wrong_with_a_server_stands_beside_its_address(problem: str) -> None:
    assert beside_address(Found(url="http://a", problem=problem)) == "answers"
