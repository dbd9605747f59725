"""`tiltyard run json` as a person and a program use it, as processes against the simulator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import Say
from tiltyard.servers.simulator.server import Running
from tiltyard.suites.structured.cases import case_set

pytestmark = pytest.mark.slow

Tiltyard = Callable[..., Finished]

LEVEL_1 = case_set(None, "1")
OUTCOMES = {"correct", "partial", "wrong", "unparsed", "truncated", "refused", "unsupported", "error"}


def model(name: str = "m") -> SimModel:
    """Right about everything, and wordy about it: its answers stand in fences."""
    script = tuple(
        Say(when=case.words.partition("\n")[0], say=f"Here it is:\n```json\n{case.expected_text}\n```")
        for case in LEVEL_1
    )
    return SimModel(name=name, script=script, loaded=True, slots=4, prefill_tps=1e6, decode_tps=1e5)


@pytest.fixture(scope="module")
def sim() -> Iterator[Running]:
    with running(SimConfig(models=(model(),), dialects=("openai", "ollama", "mlx"))) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def refusing() -> Iterator[Running]:
    with running(SimConfig(models=(model(),), dialects=("openai",), faults=("schema=refused",))) as simulator:
        yield simulator


def command(sim: Running, *more: str, dialect: str = "openai") -> list[str]:
    url = sim.url(dialect)
    return ["run", "json", "--server", url, "--dialect", dialect, "--model", "m", "--fresh", *more]


def test_a_server_that_is_silent_about_a_schema_is_waited_for_as_long_as_told(tiltyard: Tiltyard) -> None:
    with running(
        SimConfig(models=(model(),), dialects=("openai",), faults=("stall_first=900000@2",))
    ) as silent:
        words = ("--first-byte-timeout", "1", "--limit", "1", "--concurrency", "1", "--json")
        summary = tiltyard(*command(silent, *words)).summary()
    assert summary["schema_honesty"]["type"]["said"] == "no answer within 1 s"
    assert summary["requests"]["failed"] == 0


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_the_summary_line(tiltyard: Tiltyard, sim: Running, dialect: str) -> None:
    done = tiltyard(*command(sim, "--level", "1", "--json", dialect=dialect))
    assert done.code == 0, done.err
    summary = done.summary()
    count = len(LEVEL_1)
    assert (summary["suite"], summary["model"], summary["n"]) == ("json", "m", 3 * count)
    assert set(summary["outcomes"]) == OUTCOMES
    assert summary["modes"]["prompt"]["outcomes"]["correct"] == count
    assert summary["modes"]["prompt"]["rates"]["strict_json"]["value"] == 0.0
    for mode in ("json_object", "json_schema"):  # what they promise is JSON and nothing else
        assert summary["modes"][mode]["outcomes"]["wrong"] == count
        assert summary["modes"][mode]["rates"]["extracted_json"]["value"] == 1.0
    assert summary["rules"] == {"fence": count, "not_alone": 2 * count}
    assert summary["score"] == pytest.approx(1 / 3)
    assert summary["bounds"] == [pytest.approx(1 / 3), pytest.approx(1 / 3)]
    low, high = summary["ci95"]
    assert low < summary["score"] < high
    assert summary["speed"]["e2e_ms"]["n"] == 3 * count
    assert summary["differences"]["schema_valid"]["difference"] == 0.0
    assert summary["differences"]["e2e_ratio"]["ratio"] > 0
    verdicts = {name: entry["verdict"] for name, entry in summary["schema_honesty"].items()}
    assert verdicts.pop("additionalProperties") == "unknown"  # it adds no key where it may, either
    assert set(verdicts.values()) == {"enforced"}
    fields = summary["rates"]["field_accuracy"]
    assert (fields["value"], fields["n"]) == (1.0, 3 * count)
    assert fields["fields"] == 3 * sum(case.fields for case in LEVEL_1)


def test_what_a_person_sees(tiltyard: Tiltyard, sim: Running) -> None:
    done = tiltyard(*command(sim, "--level", "1-2", "--modes", "json_schema,prompt"))
    assert done.code == 0, done.err
    assert re.search(r"by difficulty +1: 50 % +2: [\d.]+ %", done.out), done.out
    for words in ("schema keywords", "enforced", "const", "prompt", "json_schema", "field accuracy"):
        assert words in done.out, done.out
    assert "json_object" not in done.out


def test_a_mode_that_nothing_can_be_scored_in(tiltyard: Tiltyard, sim: Running, refusing: Running) -> None:
    words = ("--level", "1", "--modes", "json_schema", "--json")
    for server, dialect in ((refusing, "openai"), (sim, "mlx")):
        done = tiltyard(*command(server, *words, dialect=dialect))
        assert done.code == 1, done.err
        assert "nothing could be scored" in done.err
        summary = done.summary()
        assert summary["score"] is None
        assert summary["outcomes"]["unsupported"] == len(LEVEL_1)
        assert summary["bounds"] == [0.0, 1.0]


def test_modes_that_a_dialect_has_no_word_for(tiltyard: Tiltyard, sim: Running) -> None:
    asked = len(sim.truth())
    done = tiltyard(*command(sim, "--level", "1", dialect="mlx"))
    assert done.code == 0, done.err
    assert "this server has no json_object, json_schema: unsupported, not asked" in done.out
    told = [entry for entry in sim.truth()[asked:] if "chat" in str(entry.get("path"))]
    assert len(told) <= len(LEVEL_1) + 3  # preflight asks a little, nobody asks for a mode in vain


def test_ones_own_schemas(tiltyard: Tiltyard, sim: Running, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    (tmp_path / "bare.json").write_text(json.dumps(schema), encoding="utf-8")
    words = ("--schema-dir", str(tmp_path), "--modes", "json_schema", "--no-probe", "--json")
    (tmp_path / "broken.json").write_text('{"type": "objekt"}', encoding="utf-8")
    done = tiltyard(*command(sim, *words))
    assert done.code == 0, done.err
    assert "left out: " in done.err
    summary = done.summary()
    (left_out,) = summary["left_out"]
    assert "broken.json: the schema does not hold: /type" in left_out
    assert (summary["n"], summary["outcomes"]["correct"]) == (1, 1)  # the simulator keeps to schemas
    assert summary["rates"]["field_accuracy"]["value"] is None
    assert summary["schema_honesty"] is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.json", {"properties": {"a": {"type": "strin"}}}, "/properties/a/type"),
        ("away.json", {"items": {"$ref": "http://127.0.0.1:9/x.json"}}, "/items/$ref"),
        ("cut.json", '{"type": ', "line 1"),
    ],
)
def test_a_schema_that_does_not_hold(
    tiltyard: Tiltyard, sim: Running, tmp_path: Path, name: str, content: Any, words: str
) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = tiltyard(*command(sim, "--schema-dir", str(tmp_path)))
    assert done.code == 2
    said = " ".join(done.err.split())
    assert name in said
    assert words in said
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--modes", "yaml"), "names no mode"),
        (("--level", "7"), "is no level"),
        (("--level", "3-2"), "no case is of level"),
    ],
)
def test_options_that_cannot_be_meant(
    tiltyard: Tiltyard, sim: Running, more: tuple[str, ...], words: str
) -> None:
    done = tiltyard(*command(sim, *more))
    assert done.code == 2
    assert words in " ".join(done.err.split())
