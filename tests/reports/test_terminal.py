"""The terminal's summary and board: complete, in any width, with words where colour is missing."""

import io

import msgspec
import pytest
from rich.console import Console

from tests.reports import made
from tiltyard.reports.terminal import bar, render_board, render_summary


def shown(render, value, width=110):
    out = io.StringIO()
    render(value, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def row(run, **more):
    """A row as `Store.board` gives it."""
    summary = run.summary
    return {
        "run_id": run.id, "model": run.model.name, "quantization": run.model.quantization,
        "size_bytes": run.model.size_bytes, "dialect": run.server.dialect,
        "load_ms": summary["load"]["load_ms"],
        **{m: {"n": f["n"], "mean": f["mean"], "p50": f["p50"], "low": f["ci95"][0], "high": f["ci95"][1]}
           for m in ("decode_tps", "prefill_tps", "ttft_ms") for f in [summary[m]]},
        "client_bound": False, **more,
    }  # fmt: skip


def test_a_summary_has_figures_and_what_next():
    maker, run = made.everything()[1]
    text = shown(render_summary, msgspec.to_builtins(run.summary))
    for wanted in ("qwen3:8b", "decode", "32.", "±", "tok/s", "first token", "prefill", "cold load", "2.07 s",
                   "6.12 GB", "0.425 tok/J", "net of the idle baseline", "78 of 80 requests ended well",
                   "1 truncated, 1 timeout gap", "Another model", f"run {maker.id}",
                   "tiltyard report"):  # fmt: skip
        assert wanted in " ".join(text.split()), wanted


def test_a_summary_of_failures_does_not_invent_figures():
    text = shown(
        render_summary, {"model": "m", "requests": {"ok": 0, "total": 3}, "endings": {"connect_error": 3}}
    )
    assert text.count("not measurable here") == 3
    assert "0 of 3 requests ended well (0 %); 3 connect error" in text
    assert "✗" in text


def test_cautions_are_words():
    _, run = made.everything()[4]
    summary = {**run.summary, "client": {"bottleneck": True}, "tokens": {"source": "estimate"}}
    text = " ".join(shown(render_summary, summary).split())
    assert "the client was the bottleneck" in text
    assert "token counts are estimates" in text


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_the_board_fits_any_width(width):
    rows = [row(run) for _, run in made.everything()]
    text = shown(render_board, rows, width)
    assert all(len(line) <= width for line in text.splitlines())
    for _, run in made.everything():
        assert run.model.name in text.replace("\n", "")
    assert ("13.8 GB" in text) is (width >= 96)


def test_hostile_names_reach_no_terminal():
    run = made.quick("[bold]x[/]\x1b]0;owned\x07\u202e").run()
    for text in (shown(render_board, [row(run)]), shown(render_summary, run.summary)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[bold]x[/]" in text


def test_an_empty_board_and_unknown_figures():
    assert shown(render_board, []).strip()
    text = shown(render_board, [{"model": "m", "decode_tps": None, "ttft_ms": None, "client_bound": True}])
    assert "–" in text
    assert "the client was the bottleneck" in text


def test_bars_are_in_proportion():
    assert len(bar(100, 100)) == 14
    assert bar(50, 100) == "█" * 7
    assert bar(1, 10_000) == "▏"
    assert bar(None, 10) == bar(5, 0) == ""
