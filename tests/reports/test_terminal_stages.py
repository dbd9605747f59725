"""The table of a run's stages, drawn by rich as a user sees it."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from tiltyard.reports.narrow import narrowed
from tiltyard.reports.stages import in_words, load_charts
from tiltyard.reports.terminal_stages import change, stage_table


def figure(mean: float) -> dict[str, Any]:
    return {"n": 9, "mean": mean, "p50": mean, "p95": mean, "ci95": [mean - 1, mean + 1]}


def drawn(summary: dict[str, Any], width: int = 80) -> str:
    table = stage_table(summary)
    assert table is not None
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_depths_are_compared_with_the_first() -> None:
    rows = [
        {
            "depth": depth,
            "prompt_tokens": 512,
            "output_tokens": 128,
            "prefill_tps": figure(prefill),
            "prefill_method": method,
            "ttft_ms": figure(80.0),
            "decode_tps": figure(decode),
        }
        for depth, prefill, decode, method in ((0, 8000.0, 200.0, "direct"), (4096, 6000.0, 150.0, "cached"))
    ]
    text = drawn({"findings": {"depths": rows}})
    assert "pp512 tok/s" in text
    assert "d4096" in text
    assert text.count("−25 %") == 2


@pytest.mark.parametrize(
    ("first", "then", "changes", "words"),
    [
        (("direct", "client"), ("difference", "client"), 0, ("(whole wait)", "(by difference)")),
        (("direct", None), ("difference", None), 0, ("(by difference)",)),
        (("direct", "client"), ("cached", "server"), 0, ("(whole wait)", "(server's time)")),
        (("direct", "client"), ("cached", "client"), 1, ("(whole wait)",)),
        (("difference", "client"), ("difference", "client"), 1, ("(by difference)",)),
        (("direct", "server"), ("difference", "server"), 0, ("(server's time)", "(by difference)")),
    ],
)
def test_prefill_measured_in_two_ways_has_no_change(
    first: tuple[str, str | None], then: tuple[str, str | None], changes: int, words: tuple[str, ...]
) -> None:
    rows = [
        {
            "depth": depth,
            "prompt_tokens": 512,
            "output_tokens": 128,
            "prefill_tps": figure(prefill),
            "prefill_method": method,
            "prefill_source": source,
        }
        for depth, prefill, (method, source) in ((0, 7_766.0, first), (8192, 3_883.0, then))
    ]
    summary = {"findings": {"depths": rows}}
    assert drawn(summary, 110).count("−50 %") == changes
    assert all(each in drawn(summary, 110) for each in words)
    chart = load_charts(summary)[0]
    assert chart is not None
    assert ("50 % less" in chart.caption) is bool(changes)
    assert all(each.strip("()") in chart.caption for each in words)


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    first, then = ({"decode_tps": figure(mean)} for mean in (25.0, 24.99))
    assert change(then, first, "decode_tps") == "0 %"


def test_the_knee_is_marked() -> None:
    curve = [{"streams": n, "output_tps": figure(rate)} for n, rate in ((1, 100.0), (2, 200.0), (4, 205.0))]
    stages = [
        {
            "load": {"concurrency": n},
            "decode_tps": figure(100.0),
            "ttft_ms": figure(9.0),
            "itl_ms": figure(5.0),
        }
        for n in (1, 2, 4)
    ]
    text = drawn({"findings": {"curve": curve, "knee": {"streams": 2}}, "stages": stages})
    marked = [line for line in text.splitlines() if "knee" in line]
    assert len(marked) == 1
    assert marked[0].split()[0] == "2"


def test_the_last_level_tried_is_no_knee() -> None:
    curve = [{"streams": n, "output_tps": figure(rate)} for n, rate in ((1, 100.0), (2, 200.0), (4, 345.0))]
    knee = {"streams": 4, "load": 4.0, "rate": 345.0, "growing": True, "resolved": True}
    summary = {"findings": {"curve": curve, "knee": knee}, "stages": [{}, {}, {}]}
    assert "knee" not in drawn(summary)
    assert in_words(summary) == ["Throughput was still growing at 4 streams, 345 tok/s."]
    ended = {"findings": {"knee": {**knee, "growing": False}}}
    assert in_words(ended) == ["4 parallel streams are enough: 345 tok/s."]


def swept(failed: dict[int, int], knee: dict[str, Any] | None, cut: int = 0) -> dict[str, Any]:
    """Levels of 1 to 8 streams, each 100 tok/s faster for every stream, with so many failures; `cut`: of them
    answers that were cut.
    """
    levels = (1, 2, 4, 8)
    curve = [
        {"streams": n, "output_tps": figure(100.0 * n), "failed": lost, "overloaded": lost > 5}
        for n in levels
        for lost in (failed.get(n, 0),)
    ]
    stages = [
        {
            "load": {"kind": "closed", "concurrency": n},
            "requests": {"ok": 32 - lost, "failed": lost - few, "truncated": few, "total": 32},
            "ttft_ms": figure(9.0),
            "output_tps": 100.0 * n,
        }
        for n in levels
        for lost in (failed.get(n, 0),)
        for few in (min(cut, lost),)
    ]
    return {"findings": {"curve": curve, "knee": knee}, "stages": stages}


@pytest.mark.parametrize("cut", [0, 4, 26])
def test_levels_at_which_requests_failed_are_marked_and_told(cut: int) -> None:
    knee = {"streams": 4, "load": 4.0, "rate": 400.0, "peak": 400.0, "growing": True, "resolved": True}
    summary = swept({8: 26}, knee, cut)
    rows = drawn(summary, 110).splitlines()
    assert [line.split()[0] for line in rows if "26 of 32 failed" in line] == ["8"]
    told = "From 8 streams on requests fail: 26 of 32 failed at 8 streams."
    assert in_words(summary) == ["Throughput was still growing at 4 streams, 400 tok/s.", told]
    throughput, waits = (chart for chart in load_charts(summary) if chart is not None)
    assert throughput.caption.startswith("Throughput was still growing at 4 streams")
    for chart in (throughput, waits):
        assert chart.caption.endswith("26 of 32 failed at 8 streams.")
    lost = "11 of 32 failed at 1 stream, 12 of 32 failed at 2, 13 of 32 failed at 4, 14 of 32 failed at 8."
    every = swept({1: 11, 2: 12, 4: 13, 8: 14}, None)
    assert in_words(every) == [f"From 1 stream on requests fail: {lost}"]
    now_and_then = swept({2: 1, 8: 1}, knee)
    assert in_words(now_and_then)[1] == (
        "Requests failed on the way: 1 of 32 failed at 2 streams, 1 of 32 failed at 8."
    )


def test_a_level_below_the_knee_at_which_requests_failed_leaves_a_doubt() -> None:
    knee = {"streams": 8, "load": 8.0, "rate": 800.0, "peak": 800.0, "growing": False, "resolved": False}
    assert in_words(swept({4: 9}, knee)) == [
        "8 parallel streams are enough: 800 tok/s (requests failed at fewer).",
        "Requests failed on the way: 9 of 32 failed at 4 streams.",
    ]


def test_rates_at_which_requests_failed_are_marked() -> None:
    rates = [{"rate": rate, "share": 0.96, "keeps_up": rate < 8} for rate in (2.0, 4.0, 8.0)]
    stages = [
        {
            "load": {"kind": "poisson", "rate": rate},
            "requests": {"failed": failed, "truncated": cut, "total": 1_200},
        }
        for rate, failed, cut in ((2.0, 0, 0), (4.0, 0, 1), (8.0, 1_000, 100))
    ]
    text = drawn({"findings": {"rates": rates, "highest_rate": {"rate": 4.0}}, "stages": stages}, 110)
    assert "← highest, 1 of 1,200 failed" in text
    assert "falls behind, 1,100 of 1,200 failed" in text
    assert text.count("failed") == 2


def test_rates_show_what_was_within_the_limits() -> None:
    rates = [{"rate": 2.0, "share": 1.0}, {"rate": 8.0, "share": 0.5}]
    stages = [{"load": {"rate": r}, "request_rate": r, "ttft_ms": figure(9.0)} for r in (2.0, 8.0)]
    text = drawn({"findings": {"rates": rates, "highest_rate": {"rate": 2.0}}, "stages": stages})
    assert "100 %" in text
    assert "← highest" in next(line for line in text.splitlines() if "100 %" in line)


def test_one_stage_needs_no_table() -> None:
    assert stage_table({"findings": {"notes": []}, "stages": [{}]}) is None


@pytest.mark.parametrize("width", [110, 80, 60, 40, 24, 12])
def test_no_width_cuts_a_number(width: int) -> None:
    """Every number is whole, or its column is named as left out."""
    rows = [
        {
            "depth": depth,
            "prompt_tokens": 512,
            "output_tokens": 128,
            "prefill_tps": {**figure(prefill), "ci95": [prefill * 0.9, prefill * 1.1]},
            "prefill_method": "difference",
            "ttft_ms": figure(1_234.5 + depth),
            "decode_tps": figure(decode),
        }
        for depth, prefill, decode in ((0, 8_123_456.0, 512_345.0), (131_072, 123_456.0, 99.6))
    ]
    text = drawn({"findings": {"depths": rows}}, width)
    assert "…" not in text
    words = text.split()
    for wanted in ("d131072", "8,123,456", "512,345", "123,456", "99.6"):
        assert wanted in words, (wanted, text)
    if "too narrow for" not in text:
        assert "132,306" in words
        assert any("98" in word for word in words)
    assert max(map(len, text.splitlines())) <= width


def test_any_table_can_be_made_to_fit() -> None:
    """Names may be broken, numbers not; what is spare goes in the order given, and is named."""
    table = Table(box=None)
    table.add_column("model", overflow="fold", min_width=8)
    for name in ("speed", "when", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("a-very-long-model-name:70b", "[bold]1,234.5 ± 0.6[/]", "2026-11-21", "40.1 GB")
    for width, left_out in ((80, ""), (44, ""), (30, "when"), (22, "when, size")):
        console = Console(width=width, no_color=True)
        with console.capture() as captured:
            console.print(narrowed(table, spare=("when", "size")))
        lines = captured.get().splitlines()
        assert max(map(len, lines)) <= width
        assert any("1,234.5" in line for line in lines)
        assert "".join(lines).partition("too narrow for: ")[2].strip() == left_out, (width, lines)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((20, 40, 80), "Up to 40 requests per second, 95 % were within ttft=2s, at 80 not"
                       " (each rate was tried once)."),
        ((20, 40), "Up to at least 40 requests per second, 95 % were within ttft=2s; no higher rate was tried"
                   " (each rate was tried once)."),
    ],
)  # fmt: skip
def test_the_highest_rate_says_whether_a_higher_one_was_tried(rates, said):
    rows = [{"rate": float(rate), "share": 0.96, "share_ci95": None, "judged": 25} for rate in rates]
    found = {"slo": "ttft=2s", "required_share": 0.95, "rates": rows, "highest_rate": {"rate": 40.0}}
    assert in_words({"findings": found}) == [said]


def test_rates_whose_requests_nobody_could_judge_are_not_called_too_high():
    row = {"rate": 5.0, "share": None, "share_ci95": None, "judged": 0}
    found = {"slo": "itl=50ms", "required_share": 0.95, "rates": [row], "highest_rate": None}
    assert in_words({"findings": found}) == [
        "No request could be judged by itl=50ms: at what rate they are kept cannot be told."
    ]
    [said] = in_words({"findings": {**found, "rates": [{**row, "judged": 10}]}})
    assert said.startswith("At no rate that was tried")
