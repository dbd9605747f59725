"""The terminal's summary: complete, in any width, with words where colour is missing."""

import io

import msgspec
import pytest
from rich.console import Console

from tests.reports import made
from tiltyard.reports.terminal import cautions, render_summary


def shown(render, value, width=110):
    out = io.StringIO()
    render(value, Console(file=out, width=width, color_system=None))
    return out.getvalue()


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


@pytest.mark.parametrize(
    ("bias", "source", "said"),
    [
        (0.11, "client-chunked", True),
        (0.11, None, True),
        (0.001, "client-chunked", False),
        (None, "server", False),
    ],
)
def test_a_guess_that_makes_up_most_of_an_interval_is_said(bias, source, said):
    decode = {"n": 5, "mean": 186.0, "ci95": [166.0, 206.0]}
    words = "decode rates of single answers may be wrong by a factor of up to 1.11"
    for figures in ({"decode_tps": decode}, {"speed": {"decode_tps": decode}}):
        found = cautions({**figures, "rate_bias": bias, "rate_source": source})
        assert any(line.startswith(words) for line in found) is said


def test_who_counted_and_who_stamped_is_said():
    _, run = made.everything()[0]
    summary = {
        **run.summary,
        "tokens": {"source": "server-native"},
        "prompt": {"rung": "local"},
        "client": {"clock": "kernel"},
    }
    text = " ".join(shown(render_summary, summary).split())
    assert "tokens: server's timings" in text
    assert "prompt sizes: tokenizer file" in text
    assert "arrivals: kernel's clock" in text


def test_of_scheduled_requests_the_wait_since_they_were_due_is_shown():
    _, run = made.everything()[0]
    figure = {"n": 9, "mean": 812.0, "p50": 800.0, "p95": 1300.0, "ci95": [700.0, 924.0]}
    goodput = {"slo": "ttft=500ms", "good": 5, "total": 9, "requests_per_s": 2.5}
    summary = {**run.summary, "ttft_scheduled_ms": figure, "goodput": goodput, "figures_from": "all stages"}
    for kind, there in (("closed", False), ("burst", True)):
        text = shown(render_summary, {**summary, "stages": [{"name": "s", "load": {"kind": kind}}]})
        assert ("since it was due" in text) is there
        assert "5 of 9 requests within ttft=500ms" in text
    goodput |= {"good": 4, "judged": 6, "unjudged": {"itl": 3}}
    text = " ".join(shown(render_summary, {**summary, "goodput": goodput}).split())
    assert "4 of 6 requests within ttft=500ms; 3 not judged: no itl measured" in text


def test_hostile_names_reach_no_terminal():
    run = made.quick("[bold]x[/]:star:\x1b]0;owned\x07\u202e").run()
    text = shown(render_summary, run.summary)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/]:star:" in text


@pytest.mark.parametrize("width", [50, 80, 200])
def test_figures_fit_any_width(width):
    text = shown(render_summary, made.everything()[0][1].summary, width)
    table = [line for line in text.splitlines() if line.startswith(("decode", "prefill"))]
    assert len(table) == 2
    assert all(len(line.rstrip()) <= width for line in table)
