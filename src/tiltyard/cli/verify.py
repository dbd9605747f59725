"""`tiltyard verify`: does the shipped content of the suites hold? No model and no server takes part.

What is proven is in `suites/verify.py`.
"""

from __future__ import annotations

import json

import click

from tiltyard.errors import RunFailed, UsageError
from tiltyard.suites.verify import Verified

SHOWN = 20  # faults of one suite

EPILOG = """\b
Examples:
  tiltyard verify               every suite, those of other packages too
  tiltyard verify mcq tools     these
  tiltyard verify --json        for programs"""


@click.command(epilog=EPILOG)
@click.argument("suites", nargs=-1, metavar="[SUITE ...]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per suite.")
def verify(suites: tuple[str, ...], as_json: bool) -> None:
    """Prove the suites' content: each reference answer gets full marks, an empty answer none."""
    from tiltyard.suites import check_name, known_suites

    for name in suites:
        check_name(name)
    found: list[Verified] = []
    for name in dict.fromkeys(suites or known_suites()):
        verified = verified_of(name)
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
            "the lines above say what is wrong; a fresh install has content that does",
        )


def verified_of(name: str) -> Verified | None:
    """What is proven of a suite; one that cannot be loaded is a fault, and keeps no other from its turn."""
    from tiltyard.suites import load_suite
    from tiltyard.suites.verify import verify as verify_suite

    try:
        suite = load_suite(name)
    except UsageError as error:
        return Verified(suite=name, items=0, faults=(f"{error}: {error.remedy}",))
    return verify_suite(suite)


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
        else f"{mark} {verified.suite}: {verified.items} items, faults: {len(verified.faults)}"
    )
    for fault in verified.faults[:SHOWN]:
        click.echo(f"    {fault}")
    if len(verified.faults) > SHOWN:
        click.echo(f"    and {len(verified.faults) - SHOWN} more")
