"""How a run ends: the closing words for a person, and whether enough succeeded for exit code 0.

`there`: what a printed command needs at its end, so that it finds the same store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.errors import RunFailed, ServerError
from tiltyard.records import Json

REFUSED = ("HTTP 401", "HTTP 403")


def show_summaries(summaries: Sequence[Mapping[str, Json]], there: str) -> None:
    """The closing words for a person."""
    from rich.console import Console

    from tiltyard.reports.terminal import render_summary
    from tiltyard.reports.words import not_well

    console = Console()
    for summary in summaries:
        render_summary(summary, console, there)
        if summary.get("cached"):
            failed = "outcomes" not in summary and not_well(summary["requests"])
            stay = "; what failed stays, since it belongs to the load" if failed else ""
            words = (
                f"measured before under the same settings{place_of(summary)}{stay}; --fresh measures again"
            )
            console.print(words, style="dim")


def place_of(summary: Mapping[str, Json]) -> str:
    """Where: a model that a digest names is the same on every server that has it."""
    url = (summary.get("server") or {}).get("url")
    return f" at {url}" if url else ""


def graded_requests(summary: Mapping[str, Json]) -> Mapping[str, Json]:
    """The same with requests counted as a graded suite sees them: only errors are failures."""
    total, failed = summary["n"], summary["outcomes"]["error"]
    return {**summary, "requests": {"total": total, "ok": total - failed}, "endings": {"error": failed}}


def check_success(
    summaries: Sequence[Mapping[str, Json]],
    min_success: float,
    there: str,
    again: str,
    refusal: ServerError | None = None,
) -> None:
    """Raise one error that names each run that did not succeed, with its reason; `refusal`: the first model's
    that its server could not serve. `again`: the command that carries on, in words.
    """
    found = [failure_of(summary, min_success, there, again) for summary in summaries]
    failures = [failure for failure in found if failure is not None]
    if len(failures) > 1:
        kind = RunFailed if refusal is None else ServerError
        remedies = {failure.remedy for failure in failures}
        each = f"`tiltyard runs{there}` lists them, `tiltyard show RUN{there}` has each reason"
        remedy = refusal.remedy if refusal is not None else remedies.pop() if len(remedies) == 1 else each
        raise kind("; ".join(str(failure) for failure in failures), remedy)
    if refusal is not None:
        raise refusal
    if failures:
        raise failures[0]


def failure_of(summary: Mapping[str, Json], min_success: float, there: str, again: str) -> RunFailed | None:
    """What a run failed of; None where enough of its requests succeeded, and something could be scored."""
    from tiltyard.servers.replies import KEY_REMEDY

    model, each = summary["model"], f"`tiltyard show {summary['run_id']}{there}` has each reason"
    if "error" in summary:
        return RunFailed(f"{model}: {summary['error']}", each)
    reason = next(iter(summary.get("errors") or ()), None)
    because = f": {reason}" if reason else ""
    if "outcomes" in summary and summary["score"] is None:
        counts = [f"{count} {name}" for name, count in summary["outcomes"].items() if count]
        what = f"{model}: nothing could be scored ({', '.join(counts) or 'nothing was asked'})"
        return RunFailed(what + because, each)
    if "outcomes" in summary:
        summary = graded_requests(summary)  # what a server refuses is a finding there
    total, ok = summary["requests"]["total"], summary["requests"]["ok"]
    if total == 0 or ok / total < min_success:
        endings = [f"{count} {name}" for name, count in summary["endings"].items() if name != "ok"]
        what = f"{model}: only {ok} of {total} requests succeeded ({', '.join(endings) or 'none was sent'})"
        refused = (reason or "").startswith(REFUSED)
        anew = "--fresh measures again; " if summary.get("cached") else ""
        if summary.get("owed") and ok:
            anew = f"{summary['owed']} came since the server had gone: {again} goes on from there; "
        remedy = KEY_REMEDY if refused else f"{each}; {anew}--min-success sets the share"
        return RunFailed(what + because, remedy)
    if "outcomes" not in summary and summary["e2e_ms"] is None:
        counted = (summary["tokens"] or {}).get("output")
        if counted:
            what = f"{model}: every answer was empty, though the server counts {counted:,} tokens"
            return RunFailed(what, f"{each}; thinking that is not shown may need more --output-tokens")
        return RunFailed(f"{model}: every answer was empty", f"{each}; look at the server's log")
    if summary.get("gave_up"):
        what = f"{model}: a part was given up after failures in a row"
        return RunFailed(what, f"{each}; {again} asks again")
    return None
