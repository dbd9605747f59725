"""The terminal's words about a graded run, as they stand on a screen of a given width."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from tests.reports.graded import graded
from tiltyard.reports.terminal import render_summary
from tiltyard.reports.terminal_graded import groups_table, rates_table
from tiltyard.reports.terminal_json import changes, modes_table
from tiltyard.reports.views import endings_in_words


def shown(summary, width=80):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    render_summary(summary, console)
    return console.file.getvalue()


def summary_of(**more):
    return {**graded("a", 0.8, errors=2, truncated=10, partial=True).run().summary, **more}


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_outcome_is_torn_from_its_count(width):
    summary = summary_of()
    text = shown(summary, width)
    for name, count in summary["outcomes"].items():
        assert count == 0 or f"{count} {name}" in text


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80])
def test_no_width_cuts_a_number_of_a_graded_run(width):
    """Every number is whole, or its column is named as left out."""
    group = {"n": 1234, "passed": 1111, "failed": 123, "score": 0.9012, "ci95": [0.8812, 0.9187]}
    groups = [{"name": f"{name} of the world[s]", "average_duration_s": 12.34, **group}
              for name in ("jurisprudence", "physics")]  # fmt: skip
    rates = {"strict_json": 0.1234, "extracted_json": 0.2345, "schema_and_formats_valid": 0.3456}
    mode = {"score": 0.4567, "mean_e2e_ms": 12_345.0, "rates": {k: {"value": v} for k, v in rates.items()}}
    modes = dict.fromkeys(("prompt", "json_object", "json_schema"), mode)
    for table, certain, others in (
        (groups_table(groups), ["90"], {"answers": "1234", "passed": "1111", "average": "12.3"}),
        (modes_table(modes), ["46"], {"strict": "12", "valid": "35", "ms": "12,345"}),
    ):
        console = Console(file=io.StringIO(), width=width, color_system=None)
        console.print(table)
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= width, text
        assert "…" not in text
        drawn, _, left_out = " ".join(text.split()).partition("too narrow for: ")
        assert all(each in drawn for each in certain), text
        assert all(figure in drawn for name, figure in others.items() if name not in left_out), text
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(
        rates_table(
            {
                "rates": {"some_rate_of_ours": {"value": 0.77, "ci95": [0.7, 0.84]}},
                "calls_per_answer": {"value": 1.2, "ci95": [1.1, 1.3]},
                "confidence": {"ece_equal_width": 0.1234, "n": 1000},
                "speed": {"decode_tps": {"mean": 123_456.7, "ci95": [123_000, 124_000], "n": 20}},
            }
        )
    )
    text = console.file.getvalue()
    assert "…" not in text
    assert all(figure in text for figure in ("77", "1.20", "0.123", "123,457")), text
    whole = Console(file=io.StringIO(), width=200, color_system=None)
    whole.print(groups_table(groups))
    assert "physics of the world[s]" in whole.file.getvalue()


def test_calls_that_the_server_could_not_read_are_answers():
    """It says so by an error, and the model wrote them."""
    asked = {"rules": {"broken_call": 6}, "outcomes": {"wrong": 6}, "retries": 0}
    all_broken = {"requests": {"ok": 0, "failed": 6, "total": 6}, "endings": {"http_error": 6}}
    form = "of them in a form that the server could not read as a call"
    words = f"all 6 requests were answered, all {form}"
    text = shown(summary_of(**asked, **all_broken), 200)
    assert f"· {words}\n" in text
    assert "ended well" not in text
    assert endings_in_words(all_broken["endings"], 6) == f"{words}."
    mixed = {"requests": {"ok": 3, "failed": 7, "total": 10}, "endings": {"ok": 3, "http_error": 7}}
    words = f"9 of 10 requests were answered, 6 {form}; 1 failed"
    assert f"✗ {words}\n" in shown(summary_of(**asked, **mixed), 200)
    assert endings_in_words(mixed["endings"], 6) == f"{words}."


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_next_commands_stand_whole_on_the_screen(width):
    summary = summary_of(run_id="1a2b3c4d")
    last = shown(summary, width).rpartition("run 1a2b3c4d")[2]
    assert all(len(line) <= width for line in last.splitlines())
    for command in ("tiltyard show 1a2b3c4d", "tiltyard board", "tiltyard compare", "tiltyard report"):
        assert command in last


@pytest.mark.parametrize(
    ("ratio", "low", "high", "words"),
    [
        (0.01, 0.0098, 0.0103, "answers come 100 times as fast (97 to 102)"),
        (0.0119, 0.01189, 0.01191, "answers come 84.0 times as fast (84.0 to 84.1)"),
        (0.88, 0.86, 0.9, "answers take 12 % less time (10 to 14)"),
        (1.123, 1.121, 1.124, "answers take 12 % more time (12.1 to 12.4)"),
        (3.1, 2.9, 3.3, "answers take 3.10 times as long (2.9 to 3.3)"),
        (1.01, 0.97, 1.05, "nobody can tell whether answers take longer: +1 % (-3 to +5)"),
        (1.99, 0.68, 5.89, "nobody can tell whether answers take longer: +99 % (-32 to +489)"),
        (1.97, 0.0001, 2e9, "nobody can tell whether answers take longer"),
        (1.0, 0.98, 1.02, "answers take about as long: +0 % (-2 to +2)"),
        (1.0, 0.999, 1.002, "answers take about as long: +0.0 % (-0.1 to +0.2)"),
    ],
)
def test_what_a_schema_does_to_the_time_of_an_answer(ratio, low, high, words):
    found = changes({"e2e_ratio": {"ratio": ratio, "low": low, "high": high}})
    assert [Text.from_markup(line).plain for line in found] == [f"→ with it {words}"]


@pytest.mark.parametrize(
    ("difference", "ci95", "words"),
    [
        (0.03, [0.01, 0.05], "+3 points (+1 to +5)"),
        (0.001, [-0.001, 0.004], "+0.1 points (-0.1 to +0.4)"),
        (0.0, [0.0, 0.0], "+0.00 points"),
    ],
)
def test_no_interval_repeats_itself(difference, ci95, words):
    found = changes({"schema_valid": {"difference": difference, "ci95": ci95}, "e2e_ratio": None})
    assert Text.from_markup(found[0]).plain == f"→ a schema in the request changes validity by {words}"


def test_failed_tries_are_said():
    requests = {"ok": 200, "failed": 0, "truncated": 0, "total": 200}
    assert "all 200 requests ended well, after 3 failed tries" in shown(
        summary_of(requests=requests, retries=3)
    )
    assert "all 200 requests ended well\n" in shown(summary_of(requests=requests, retries=0))


def test_what_a_server_does_not_support_is_no_failure():
    requests = {"ok": 198, "failed": 2, "truncated": 0, "total": 200}
    endings = {"ok": 198, "http_error": 2}
    outcomes = {"correct": 150, "wrong": 48, "unsupported": 2, "error": 0}
    text = shown(summary_of(requests=requests, endings=endings, outcomes=outcomes))
    assert "· 198 of 200 requests ended well (99 %); 2 http error of what the server does" in text
    assert "✗ 198 of 200" in shown(summary_of(requests=requests, endings=endings))


def test_requests_that_are_not_supported_are_not_said_not_to_have_failed():
    outcomes = {"unsupported": 11, "error": 0}
    requests = {"ok": 0, "failed": 11, "truncated": 0, "total": 11}
    more = {"requests": requests, "endings": {"ok": 0, "http_error": 11}, "error_rate": {"value": 0.0}}
    assert "failed (`unsupported` is not)" in shown(summary_of(outcomes=outcomes, **more))
    assert "`unsupported` is not" not in shown(summary_of())


@pytest.mark.parametrize("width", [80, 200])
def test_each_speed_has_its_interval_or_says_why_it_has_none(width):
    speed = {
        "decode_tps": {"n": 60, "mean": 88.7, "ci95": [88.1, 89.3]},
        "ttft_ms": {"n": 4, "mean": 214.0, "ci95": None, "why": "too few items: 4"},
    }
    decode, first = (
        " ".join(line.split())
        for line in shown(summary_of(speed=speed), width).splitlines()
        if line.startswith(("decode", "first token"))
    )
    assert decode == "decode 88.7 ± 0.6 tok/s · n 60"
    assert first == "first token ≈ 214 ms · n 4 · too few items: 4"


def test_a_rate_without_an_interval_says_what_stands_in_its_place():
    why = "no bias shown: luck alone gives up to 11.6 %"
    bias = {"value": 0.079, "ci95": None, "n": 200, "why": why}
    (line,) = (
        line
        for line in shown(summary_of(rates={"position_bias": bias}), 100).splitlines()
        if "position bias" in line
    )
    assert line.split(maxsplit=2)[2].strip() == f"7.9 %    ({why})"


def test_each_reason_stands_beside_its_own_keywords():
    honesty = {
        "maximum": {"verdict": "unknown", "said": "no such format"},
        "minimum": {"verdict": "unknown", "said": "no such format"},
        "additionalProperties": {"verdict": "unknown", "why": "no key too many, either"},
        "const": {"verdict": "enforced"},
    }
    modes = {"prompt": {"rates": {}}}
    lines = shown(summary_of(modes=modes, schema_honesty=honesty), 200).splitlines()
    told = [line.strip() for line in lines if "maximum" in line or "const" in line or "too many" in line]
    assert told == [
        "schema keywords ✓ enforced: const",
        "schema keywords ? unknown: maximum, minimum, additionalProperties",
        "maximum, minimum: the server said: no such format",
        "additionalProperties: no key too many, either",
    ]


def test_a_rate_that_is_withheld_is_a_dash_with_its_reason():
    why = "51 of 60 answers came too fast for the clock; the others are the late ones"
    summary = summary_of(unmeasured={"decode_tps": {"requests": 60, "why": why}})
    summary["speed"] = {**summary["speed"], "decode_tps": None}
    (line,) = [line for line in shown(summary, 200).splitlines() if line.startswith("decode ")]
    assert line.split(maxsplit=2)[1:] == ["–", why]
