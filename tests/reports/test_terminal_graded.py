"""The terminal's words about a graded run, as they stand on a screen of a given width."""

import io

import pytest
from rich.console import Console

from tests.reports.graded import graded
from tiltyard.reports.terminal import render_summary


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
