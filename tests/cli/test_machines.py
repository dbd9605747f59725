"""Runs of several machines in one store: none stands for another, and each row says whose it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.stocked import stock, tiltyard
from tests.reports import made
from tiltyard.records import Run

pytestmark = pytest.mark.slow

HERE = {"cpu": "AMD Ryzen 9 7950X", "ram_bytes": 64 << 30, "gpus": [{"name": "NVIDIA RTX 4090"}]}
THERE = {"cpu": "Apple M3", "ram_bytes": 16 << 30, "gpus": []}


def run_of(maker: Any, machine: dict[str, Any]) -> tuple[Any, Run]:
    return maker, replace(maker.run(), machine=machine)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of this machine, then one of the same model and one of another, from a slower machine."""
    stock(tmp_path / "here", [run_of(made.quick("gemma3:1b", decode=118.0), HERE)])
    there = (made.quick("gemma3:1b", decode=20.0, seed=9), made.quick("qwen3:4b", decode=10.0))
    stock(tmp_path / "there", [run_of(maker, THERE) for maker in there], first=1)
    bundle = tmp_path / "runs.jsonl"
    assert tiltyard(tmp_path / "there", "export", "--format", "jsonl", "-o", str(bundle)).returncode == 0
    assert tiltyard(tmp_path / "here", "import", str(bundle)).returncode == 0
    return tmp_path / "here"


def test_a_run_of_another_machine_does_not_take_the_place_of_one_of_this(folder: Path) -> None:
    rows = json.loads(tiltyard(folder, "board", "--json").stdout)["rows"]
    assert [(row["model"], row["served_on"]) for row in rows] == [
        ("gemma3:1b", "NVIDIA RTX 4090, AMD Ryzen 9 7950X, 64 GiB"),
        ("gemma3:1b", "Apple M3, 16 GiB"),
        ("qwen3:4b", "Apple M3, 16 GiB"),
    ]
    models = json.loads(tiltyard(folder, "board", "--by-model", "--json").stdout)["models"]
    assert sorted((model["model"], model["served_on"][:6]) for model in models) == [
        ("gemma3:1b", "Apple "),
        ("gemma3:1b", "NVIDIA"),
        ("qwen3:4b", "Apple "),
    ]


def test_a_table_says_the_machine_where_it_holds_several(folder: Path, tmp_path: Path) -> None:
    for words in (("board",), ("board", "--by-model")):
        shown = tiltyard(folder, *words, columns=220).stdout
        assert shown.count("Apple M3, 16 GiB") == 2
        assert shown.count("NVIDIA RTX 4090") == 1
        assert "RTX" not in tiltyard(tmp_path / "there", *words).stdout
        assert "Apple" not in tiltyard(tmp_path / "there", *words).stdout


def test_a_report_ranks_no_machine_against_another(folder: Path) -> None:
    assert tiltyard(folder, "report").returncode == 0
    page = (folder / "tiltyard-report.html").read_text(encoding="utf-8")
    title = page.partition("<h1>")[2].partition("</h1>")[0]
    assert "is the fastest" not in title
    assert "gemma3:1b (NVIDIA RTX 4090, AMD Ryzen 9 7950X, 64 GiB) decodes" in title
    assert "on another machine" in page
    assert page.count("gemma3:1b (Apple M3, 16 GiB)") > 1
