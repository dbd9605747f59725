"""The json suite through the whole run engine: modes, grades, refusals, the probe; in every dialect."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.store.conftest import make_attempt
from tiltyard.cli.run_json import defaults
from tiltyard.jobs.identity import new_run
from tiltyard.jobs.plan import Job, Plan
from tiltyard.records import Exchange, Request, Timeline
from tiltyard.reports.terminal_json import render_shapes
from tiltyard.run import run_job
from tiltyard.servers.connect import connect
from tiltyard.servers.simulator import SimConfig, SimModel, running
from tiltyard.servers.simulator.config import DIALECT_NAMES, Say
from tiltyard.store.store import Store
from tiltyard.suites.structured import MODES, Shaping, Structured, figures, items_of
from tiltyard.suites.structured.cases import case_set
from tiltyard.suites.tally import Tally

pytestmark = pytest.mark.slow  # end to end, in every dialect

CASES = case_set(None, None)
SURE = Shaping(modes=("prompt",))
ITEMS = {item.spec["case"].id: item for item in items_of(CASES, range(len(CASES)), SURE)}
LACKS = {"mlx": MODES[1:], "lmstudio": ("json_object",)}  # what a dialect does not know, or refuses


def exchange(text: str, **more: Any) -> Exchange:
    request = Request(model="m", messages=())
    fields = {"ending": "ok", "status": 200, "finish_reason": "stop", **more}
    return Exchange(request=request, timeline=Timeline(scheduled_ns=0, started_ns=0), text=text, **fields)


def grade(case: str, text: str, **more: Any) -> tuple[str, float, str | None]:
    found = Structured().grade(ITEMS[case], exchange(text, **more))
    return found.outcome, round(found.score, 3), found.rule


MARIA = '{"name": "Maria Oduya", "age": 34, "email": "maria.oduya@example.com"}'


@pytest.mark.parametrize(
    ("text", "more", "grade_"),
    [
        (MARIA, {}, ("correct", 1.0, "whole")),
        (f"Sure!\n```JSON\n{MARIA}\n```", {}, ("correct", 1.0, "fence")),
        (f"It is {MARIA}.", {}, ("correct", 1.0, "among")),
        (MARIA.replace("34", "35"), {}, ("partial", 0.667, "whole")),
        (MARIA.replace("34", '"34"'), {}, ("wrong", 0.0, "whole")),  # not what the schema says
        (MARIA.replace("maria.oduya@example.com", "nobody"), {}, ("wrong", 0.0, "whole")),  # the format
        ('{"name": "X", "age": 1, "email": "x@example.org"}', {}, ("wrong", 0.0, "whole")),
        ("Maria is 34.", {}, ("unparsed", 0.0, "no_json")),
        ("I'm sorry, but I can't help with that.", {}, ("refused", 0.0, "refusal")),
        (MARIA[:30], {"finish_reason": "length"}, ("truncated", 0.0, "cut")),
        (MARIA, {"finish_reason": "length"}, ("correct", 1.0, "whole")),  # it was whole before the limit
        ("", {"finish_reason": "length", "reasoning": "hm"}, ("truncated", 0.0, "cut")),
        ("", {}, ("unparsed", 0.0, "empty")),
        ("", {"ending": "timeout_gap"}, ("error", 0.0, "timeout_gap")),
        ("", {"ending": "http_error", "status": 500, "error": "boom"}, ("error", 0.0, "http_error")),
    ],
)
def test_grades(text: str, more: dict[str, Any], grade_: tuple[str, float, str]) -> None:
    assert grade("person", text, **more) == grade_


def test_the_ladder_is_in_the_details() -> None:
    found = Structured().grade(ITEMS["person"], exchange(f"So: {MARIA.replace('34', '35')}"))
    assert found.details["answered"] is True
    assert found.details["strict"] is False
    assert found.details["schema_valid"] is True
    assert found.details["exact"] is False
    assert found.details["field_accuracy"] == pytest.approx(2 / 3)
    assert found.reasons == ("/age: expected 34, got 35",)
    broken = Structured().grade(ITEMS["person"], exchange('{"name": "Maria Oduya", "age": 34'))
    assert (broken.details["extracted"], broken.details["repaired"]) == (False, True)


def test_field_accuracy_is_one_thing_wherever_it_is_told() -> None:
    """Right fields out of the expected ones; those too many cost score alone."""
    tally = Tally()
    said = {"prompt": MARIA, "json_schema": MARIA[:-1] + ', "city": "Oyo", "job": "vet", "pets": 3}'}
    for mode, text in said.items():
        (item,) = (each for each in items_of(CASES, range(len(CASES)), Shaping(modes=(mode,)))
                   if each.spec["case"].id == "person")  # fmt: skip
        answer = exchange(text)
        grade = Structured().grade(item, answer)
        assert grade.details["field_accuracy"] == 1.0
        tally.add(item, make_attempt(exchanges=(answer,), grade=grade))
    places = range(tally.total)
    assert figures.rates(tally, places)["field_accuracy"]["value"] == 1.0
    found = figures.differences(tally, ("prompt", "json_schema"))
    assert found is not None
    assert found["field_accuracy"]["difference"] == 0.0


def script() -> tuple[Say, ...]:
    """Everything right, but the first two cases: a wrong field, and no JSON."""
    says = {CASES[0].id: CASES[0].expected_text.replace("34", "35"), CASES[1].id: "Three books, then."}
    return tuple(
        Say(when=case.words.partition("\n")[0], say=says.get(case.id, case.expected_text)) for case in CASES
    )


def run_json(
    path: Path, dialect: str, settings: dict[str, Any], faults: tuple[str, ...] = (), scripted: bool = True
) -> dict[str, Any]:
    known = script() if scripted else ()
    fast = {"loaded": True, "slots": 8, "prefill_tps": 1e6, "decode_tps": 1e5}
    model = SimModel(name="m", script=known, **fast)  # type: ignore[arg-type]
    config = SimConfig(models=(model,), dialects=(dialect,), faults=faults, delay=False)  # type: ignore[arg-type]
    with running(config) as sim:
        return asyncio.run(sitting(path, sim.url(dialect), dialect, {**defaults(), **settings}))


async def sitting(path: Path, url: str, dialect: str, settings: dict[str, Any]) -> dict[str, Any]:
    server = await connect(url, dialect, None)
    suite = Structured()
    try:
        with Store.open(path) as store:
            job = Job(server=server, model=await server.describe("m"), suite="json", settings=settings)
            plan = Plan(jobs=[job], command="tiltyard run json", preflight=False)
            claim = store.claim(new_run(plan, job, suite, store, movable=False))
            return dict(await run_job(plan, job, suite, claim, store, lambda event: None))
    finally:
        await server.close()


def test_whoever_reads_the_prompt_for_all_is_not_called_slow(tmp_path: Path) -> None:
    """The first of a case's modes pays for the prompt, which the others find in the cache."""
    slow = SimModel(
        name="m", script=script(), loaded=True, prefill_tps=3e3, decode_tps=2e3, prefix_cache=True
    )
    settings = {**defaults(), "probe": False, "concurrency": 1, "limit": 30}
    with running(SimConfig(models=(slow,), dialects=("llamacpp",))) as sim:
        summary = asyncio.run(sitting(tmp_path / "s.sqlite3", sim.url("llamacpp"), "llamacpp", settings))
    ratio = summary["differences"]["e2e_ratio"]
    assert ratio["low"] < 1 < ratio["high"], ratio
    (said,) = (note for note in summary["notes"] if "server's cache" in note)
    assert said.endswith("(60 of 90)")


def test_each_mode_is_first_as_often_as_the_others() -> None:
    items = [*items_of(CASES, range(30), Shaping(modes=MODES, repeats=2))]
    asked = [tuple(item.spec["mode"] for item in items[at : at + 3]) for at in range(0, len(items), 3)]
    assert {order: asked.count(order) for order in asked} == dict.fromkeys(
        [MODES, (*MODES[1:], MODES[0]), (MODES[2], *MODES[:2])], 20
    )


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_all_modes_in_every_dialect(dialect: str, tmp_path: Path) -> None:
    summary = run_json(tmp_path / "s.sqlite3", dialect, {"level": "1-2", "concurrency": 4, "probe": False})
    count = len(case_set(None, "1-2"))
    assert summary["n"] == 3 * count
    assert summary["outcomes"]["error"] == 0
    plain, lacking = summary["modes"]["prompt"], LACKS.get(dialect, ())
    assert plain["outcomes"]["correct"] == count - 2
    assert plain["outcomes"]["partial"] == plain["outcomes"]["unparsed"] == 1
    for mode in MODES[1:]:
        found = summary["modes"][mode]
        if mode in lacking:
            assert found["outcomes"]["unsupported"] == count
            assert found["expressible"] is (dialect != "mlx")
            assert found["score"] is None
        else:
            assert found["score"] == plain["score"]
    if "json_schema" not in lacking:
        assert summary["differences"]["field_accuracy"]["pairs"] == count
        assert summary["differences"]["field_accuracy"]["difference"] == 0
    assert [entry["level"] for entry in summary["levels"]] == [1, 2]
    assert sum(entry["n"] for entry in summary["levels"]) == (count if dialect == "mlx" else 3 * count)
    assert summary["rates"]["strict_json"]["n"] == (3 - len(lacking)) * count


def test_a_server_that_keeps_to_schemas(tmp_path: Path) -> None:
    summary = run_json(tmp_path / "s.sqlite3", "llamacpp", {"limit": 3}, scripted=False)
    verdicts = {name: found["verdict"] for name, found in summary["schema_honesty"].items()}
    assert verdicts.pop("additionalProperties") == "unknown"  # it adds no key where it may, either
    assert set(verdicts.values()) == {"enforced"}, verdicts
    assert {"const", "enum", "required", "pattern", "maxLength", "$ref"} <= verdicts.keys()
    assert summary["modes"]["json_schema"]["rates"]["schema_valid"]["value"] == 1.0


def test_an_answer_that_never_ends_says_nothing_and_why(tmp_path: Path) -> None:
    settings = {"limit": 1, "max_tokens": 4, "modes": ["json_schema"]}
    summary = run_json(tmp_path / "s.sqlite3", "llamacpp", settings, scripted=False)
    found = summary["schema_honesty"]["minLength"]
    assert found == {"verdict": "unknown", "why": "cut off at 4 tokens"}
    shown = Console(width=200, record=True, file=io.StringIO())
    render_shapes(summary, shown)
    assert "minLength" in (said := shown.export_text())
    assert ": cut off at 4 tokens" in said


def test_a_server_that_drops_schemas_is_found_out(tmp_path: Path) -> None:
    faults = ("schema=ignored",)
    settings = {"limit": 3, "modes": ["json_schema"]}
    summary = run_json(tmp_path / "s.sqlite3", "openai", settings, faults, scripted=False)
    assert {found["verdict"] for found in summary["schema_honesty"].values()} == {"ignored"}
    assert summary["modes"]["json_schema"]["rates"]["schema_valid"]["value"] == 0.0


def test_a_server_that_refuses_schemas_scores_nothing_there(tmp_path: Path) -> None:
    summary = run_json(tmp_path / "s.sqlite3", "openai", {"limit": 4}, ("schema=refused",))
    found = summary["schema_honesty"]["const"]
    assert found["verdict"] == "refused"
    assert "not supported" in found["said"]
    assert summary["modes"]["json_schema"]["outcomes"]["unsupported"] == 4
    assert summary["modes"]["json_schema"]["score"] is None
    assert summary["modes"]["prompt"]["score"] is not None
    assert summary["outcomes"]["error"] == 0


def test_a_dead_server_scores_nothing(tmp_path: Path) -> None:
    settings = {"limit": 5, "retries": 0, "probe": False}
    summary = run_json(tmp_path / "s.sqlite3", "openai", settings, ("drop",))
    assert summary["score"] is None


def test_what_is_asked_is_the_same_in_every_mode() -> None:
    settings = Shaping(modes=MODES)
    items = list(items_of(CASES, range(len(CASES)), settings))
    assert len({item.id for item in items}) == 3 * len(CASES)
    assert len({item.content_hash for item in items}) == 3 * len(CASES)
    for start in range(0, len(items), 3):
        assert len({item.spec["words"] for item in items[start : start + 3]}) == 1
        assert len({item.spec["number"] for item in items[start : start + 3]}) == 1


def test_the_settings_carry_the_content() -> None:
    assert len(json.dumps(defaults())) < 200
    assert defaults()["items"]
