"""How a run ends: the closing words for a person, and whether enough succeeded for exit code 0.

`there`: what a printed command needs at its end, so that it finds the same store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.errors import RunFailed
from tiltyard.records import Json

REFUSED = ("HTTP 401", "HTTP 403")


def show_summaries(summaries: Sequence[Mapping[str, Json]], there: str) -> None:
    """The closing words for a person."""
    from rich.console import Console

    from tiltyard.reports.terminal import render_summary

    console = Console()
    for summary in summaries:
        render_summary(summary, console, there)
        if summary.get("cached"):
            console.print("measured before under the same settings; --fresh measures again", style="dim")


def graded_requests(summary: Mapping[str, Json]) -> Mapping[str, Json]:
    """The same with requests counted as a graded suite sees them: only errors are failures."""
    total, failed = summary["n"], summary["outcomes"]["error"]
    return {**summary, "requests": {"total": total, "ok": total - failed}, "endings": {"error": failed}}


def check_success(summaries: Sequence[Mapping[str, Json]], min_success: float, there: str) -> None:
    """Raise RunFailed unless enough requests of every run succeeded, and something could be scored."""
    from tiltyard.servers.replies import KEY_REMEDY

    for summary in summaries:
        if "outcomes" in summary and summary["score"] is None:
            counts = [f"{count} {name}" for name, count in summary["outcomes"].items() if count]
            reason = next(iter(summary.get("errors") or ()), None)
            raise RunFailed(
                f"{summary['model']}: nothing could be scored ({', '.join(counts) or 'nothing was asked'})"
                + (f": {reason}" if reason else ""),
                f"`tiltyard show {summary['run_id']}{there}` has each reason",
            )
        if "outcomes" in summary:
            summary = graded_requests(summary)  # noqa: PLW2901 - what a server refuses is a finding there
        requests = summary["requests"]
        total, ok = requests["total"], requests["ok"]
        if total == 0 or ok / total < min_success:
            endings = [f"{count} {name}" for name, count in summary["endings"].items() if name != "ok"]
            reason = next(iter(summary.get("errors") or ()), None)
            each = f"`tiltyard show {summary['run_id']}{there}` has each reason; --min-success sets the share"
            raise RunFailed(
                f"{summary['model']}: only {ok} of {total} requests succeeded "
                f"({', '.join(endings) or 'none was sent'})" + (f": {reason}" if reason else ""),
                KEY_REMEDY if (reason or "").startswith(REFUSED) else each,
            )
        if summary.get("gave_up"):
            raise RunFailed(
                f"{summary['model']}: a part was given up, since nothing but failures came back",
                f"`tiltyard show {summary['run_id']}{there}` has each reason; the same command asks again",
            )
