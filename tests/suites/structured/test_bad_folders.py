"""`tiltyard run json --schema-dir` with folders that people really have: what cannot be used is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
from tiltyard.servers.simulator.server import Running

Tiltyard = Callable[..., Finished]
GOOD = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
LONG = json.dumps({"a": "a" * 50_000 + "b"})


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    model = SimModel(
        name="m",
        script=(Say(when="", say=LONG),),
        loaded=True,
        prefill_tps=1e6,
        decode_tps=1e5,
        context=10**6,
    )
    with running(SimConfig(models=(model,), dialects=("openai",), delay=False)) as simulator:
        yield simulator


def asked(tiltyard: Tiltyard, sim: Running, folder: Path) -> Finished:
    words = ["run", "json", "--server", sim.url("openai"), "--dialect", "openai", "--model", "m", "--fresh"]
    more = ["--modes", "prompt", "--no-probe", "--json", "--max-tokens", "200000"]
    return tiltyard(*words, *more, "--schema-dir", str(folder))


def property_a(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


BAD = [
    ('{"type": "object",\n "properties": }', "line 2 column 16"),
    ('{"type": "object", "type": "array"}', "a key occurs twice"),
    (
        property_a({"$ref": "http://127.0.0.1:9/s.json"}),
        "/properties/a/$ref: a reference to 'http://127.0.0.1:9",
    ),
    (property_a({"$ref": "other.json"}), "/properties/a/$ref: a reference to 'other.json'"),
    ({"$schema": "http://127.0.0.1:9/meta", **GOOD}, "/$schema: 'http://127.0.0.1:9/meta' is no draft"),
    ({"$schema": "http://json-schema.org/draft-99/schema#"}, "is no draft that can be judged by"),
    ({"$schema": "http://json-schema.org/draft-03/schema#"}, "/$schema: draft 3 is too old"),
    (property_a({"pattern": "^(a+"}), "/properties/a/pattern"),
    (property_a({"pattern": "((a{1000}){1000}){1000}"}), "/properties/a/pattern"),
    (property_a({"pattern": "^.{1,20000}$"}), "'^.{1,20000}$' is a pattern too large to be judged by"),
    ({"patternProperties": {"^.{1,20000}$": {}}}, "'^.{1,20000}$' is a pattern too large to be judged by"),
    (property_a({"pattern": "a{20000,1}"}), '"a{20000,1}" is not a "regex"'),
    ('{"items":' * 500 + "{}" + "}" * 500, "nested too deeply to be judged"),
    ('{"title": "Größe"}'.encode("latin-1"), "is not UTF-8: byte 14"),
    ({"schema": GOOD}, "has a `schema` without a `prompt`"),
    ({"schema": GOOD, "prompt": None}, "$.prompt"),
    ({"schema": GOOD, "prompt": "p", "expeced": {}}, "unknown field `expeced`"),
    ({"schema": GOOD, "prompt": "p", "expected": {"a": 1}}, "does not fit its schema: /a"),
    ('{"not":' * 3000 + "{}" + "}" * 3000, "nested too deeply"),
]


def put(path: Path, content: Any) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("content", "words"), BAD)
def test_a_folder_with_nothing_else(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path, content: Any, words: str
) -> None:
    put(tmp_path / "bad.json", content)
    done = asked(tiltyard, sim, tmp_path)
    assert done.code == 2
    said, remedy = done.err.strip().splitlines()
    assert said.startswith(f"error: {tmp_path / 'bad.json'}")
    assert words in said
    assert remedy.lstrip().startswith("try: ")


@pytest.mark.slow
def test_a_file_that_holds_is_asked_beside_those_that_do_not(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path
) -> None:
    for number, (content, _) in enumerate(BAD):
        put(tmp_path / f"bad{number:02}.json", content)
    put(tmp_path / "good.json", {"id": "one", "schema": GOOD, "prompt": "p"})
    put(tmp_path / "twice.json", {"id": "one", "schema": GOOD, "prompt": "q"})
    (tmp_path / "folder.json").mkdir()
    done = asked(tiltyard, sim, tmp_path)
    assert done.code == 0, done.err
    summary = done.summary()
    assert (summary["n"], summary["outcomes"]["correct"]) == (1, 1)
    kinds = ("the id 'one' occurs twice", "folder.json is not a regular file, but a folder")
    for words in (*(words for _, words in BAD), *kinds):
        (line,) = [line for line in summary["left_out"] if words in line][:1]
        assert line.startswith(str(tmp_path))
    lines = done.err.splitlines()
    left_out = [number for number, line in enumerate(lines) if line.startswith("left out: ")]
    assert len(left_out) == len(BAD) + 2
    assert all(lines[number + 1].startswith("  try: ") for number in left_out)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(?=(a|aa)+$)(?:a|aa)+b\1c$"])
def test_a_pattern_that_could_take_for_ever(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path, pattern: str
) -> None:
    put(tmp_path / "slow.json", {**property_a({"type": "string", "pattern": pattern}), "required": ["a"]})
    done = asked(tiltyard, sim, tmp_path)
    assert done.code == 0, done.err
    assert done.summary()["outcomes"]["wrong"] == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("empty", "no *.json file in"), ("file.json", "is a file"), ("nowhere", "does not exist")],
)
def test_what_is_no_folder_of_schemas(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "file.json", GOOD)
    done = asked(tiltyard, sim, tmp_path / name)
    assert done.code == 2
    assert words in done.err
    assert "try: " in done.err
