"""`tiltyard verify`: does the shipped content of the suites hold? No model and no server takes part.

What is proven is in `suites/verify.py`.
"""

from __future__ import annotations

import json

import click

from tiltyard.errors import RunFailed
from tiltyard.suites.verify import Verified

SHOWN = 20  # faults of one suite

EPILOG = """\b
Examples:
  tiltyard verify               every suite
  tiltyard verify mcq tools     these
  tiltyard verify --json        for programs"""


@click.command(epilog=EPILOG)
@click.argument("suites", nargs=-1, metavar="[SUITE ...]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per suite.")
def verify(suites: tuple[str, ...], as_json: bool) -> None:
    """Prove the suites' content: each reference answer gets full marks, an empty answer none."""
    from tiltyard.suites import SUITES, load_suite
    from tiltyard.suites.verify import verify as verify_suite

    found: list[Verified] = []
    for name in dict.fromkeys(suites or SUITES):
        verified = verify_suite(load_suite(name))
        if verified is None:
            if not as_json:
                click.echo(f"- {name}: offers no `proofs()`: there is nothing to prove")
            continue
        found.append(verified)
        show(verified, as_json)
    broken = [verified.suite for verified in found if verified.faults]
    if broken:
        raise RunFailed(
            f"the content of {', '.join(broken)} does not hold",
            "the lines above name each item; a fresh install has content that does",
        )


def show(verified: Verified, as_json: bool) -> None:
    """One suite's result."""
    if as_json:
        line = {"suite": verified.suite, "items": verified.items, "faults": list(verified.faults)}
        click.echo(json.dumps(line, ensure_ascii=False))
        return
    mark = "✗" if verified.faults else "✓"
    click.echo(
        f"{mark} {verified.suite}: {verified.items} items: reference answers get full marks, empty ones none"
        if not verified.faults
        else f"{mark} {verified.suite}: {len(verified.faults)} faults in {verified.items} items"
    )
    for fault in verified.faults[:SHOWN]:
        click.echo(f"    {fault}")
    if len(verified.faults) > SHOWN:
        click.echo(f"    and {len(verified.faults) - SHOWN} more")
