"""What leaves the machine names no home folder: a model's file is told by what lies below it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tiltyard.records import Run
from tiltyard.reports.sharing import homeless, shared
from tiltyard.store.store import FILE, Store

PATH = "/home/alice/models/k2.gguf"


def local(run: Run) -> Run:
    """The run of a model file, by the embedded engine."""
    model = replace(run.model, name="k2", path=PATH, notes=(f"{PATH} has no chat template",))
    server = replace(run.server, dialect="embedded", url=PATH)
    summary = {**(run.summary or {}), "server": {"dialect": "embedded", "version": "1", "url": PATH}}
    settings = {**run.settings, "files": {"items": [f"{PATH}.jsonl"], "prompt": None}}
    command = f"tiltyard run speed --model {PATH}"
    return replace(run, model=model, server=server, summary=summary, settings=settings, command=command)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    maker = made.quick("k2", decode=40.0)
    stock(tmp_path, [(maker, local(maker.run()))])
    return tmp_path


@pytest.mark.slow
def test_nothing_that_leaves_the_machine_names_a_home_folder(folder: Path) -> None:
    for kind in ("json", "csv", "md", "jsonl"):
        out = tiltyard(folder, "export", "--format", kind).stdout
        assert "k2" in out
        assert "alice" not in out
    assert tiltyard(folder, "export", "--format", "llmperf", "-o", str(folder / "lp")).returncode == 0
    assert tiltyard(folder, "report").returncode == 0
    written = [*(folder / "lp").iterdir(), folder / "tiltyard-report.html"]
    assert not [path for path in written if "alice" in path.read_text(encoding="utf-8")]
    assert "~/models/k2.gguf" in (folder / "tiltyard-report.html").read_text(encoding="utf-8")
    for words in (("board", "--json"), ("board", "--by-model", "--json")):
        found = json.loads(tiltyard(folder, *words).stdout)
        (row,) = found.get("rows") or found["models"]
        assert row["server"]["url"] == "~/models/k2.gguf"
        assert "alice" not in json.dumps(found)


def test_the_store_keeps_what_resuming_needs(folder: Path) -> None:
    tiltyard(folder, "export", "--format", "jsonl")
    with Store.open(folder / FILE) as store:
        run = store.run("latest")
    assert (run.server.url, run.model.path) == (PATH, PATH)
    assert run.command.endswith(PATH)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/home/alice/m.gguf", "~/m.gguf"),
        ("/Users/alice/m.gguf", "~/m.gguf"),
        (r"C:\Users\alice\m.gguf", r"~\m.gguf"),
        ("--model /home/a.b/x --out /home/a.b", "--model ~/x --out ~"),
        ("/srv/home/alice/m.gguf", "/srv/home/alice/m.gguf"),
        ("http://127.0.0.1:8080/home/alice/v1", "http://127.0.0.1:8080/home/alice/v1"),
        (f"{Path.home()}/m.gguf", "~/m.gguf"),
        ("mistral", "mistral"),
    ],
)
def test_how_a_path_is_told(path: str, told: str) -> None:
    assert homeless(path) == told


def test_a_run_without_a_home_folder_is_told_as_it_is() -> None:
    run = made.quick("k2", decode=40.0).run()
    assert shared(run) == run
