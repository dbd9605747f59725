"""Prints the conformance tables: `python -m tests.conformance`, at the published times; half a minute."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.measuring import CLIENTS, Case, play_all, word_tokenizer
from tests.conformance.scenarios import SCENARIOS

COLUMNS = "role TTFT, role decode, reason TTFT / TTFO, burst decode, tail decode, nousage, in-band error"
FIRST = "| Tiltyard as | " + " | ".join(COLUMNS.split(", ")) + " |"


def main() -> None:
    with TemporaryDirectory() as folder:
        tokenizer = word_tokenizer(Path(folder))
        played = {d: {c.scenario.name: c for c in asyncio.run(play_all(d, 1.0, tokenizer))} for d in CLIENTS}
    lines = [
        FIRST,
        "|---" * 8 + "|",
        "| truth | 300 | 40.0 | 300 / 700 | 40.0 | 40.0 | 40 tok, 40.0 | failed |",
    ]
    lines += [field_row(dialect, cases) for dialect, cases in played.items()]
    names = [scenario.name for scenario in SCENARIOS]
    lines += ["", "| scenario | " + " | ".join(played) + " |", "|---" * (len(played) + 1) + "|"]
    for name in names:
        lines.append(
            f"| {name} | " + " | ".join(verdict(cases.get(name)) for cases in played.values()) + " |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


def field_row(dialect: str, cases: dict[str, Case]) -> str:
    """The columns of the comparison of the field."""
    said = {name: case.said for name, case in cases.items()}
    mark = {"client": "", "client-chunked": " (chunked)", "server": " (server's)"}
    burst, silent, failed = said["burst"], said["nousage"], cases["err"].exchange.ending
    cells = [
        f"{said['role'].ttft_ms:.1f}",
        f"{said['role'].itl_ms:.1f}",
        f"{said['reason'].ttft_ms:.1f} / {said['reason'].ttfo_ms:.1f}",
        f"{burst.itl_ms:.1f}{mark[burst.rate_source or 'client']}",
        f"{said['tail'].itl_ms:.1f}",
        f"{silent.output_tokens} tok ({silent.tokens_source}), {silent.itl_ms:.1f}",
        "failed" if failed == "error_midstream" and said["err"].ttft_ms is None else failed,
    ]
    return f"| {dialect} | " + " | ".join(cells) + " |"


def verdict(case: Case | None) -> str:
    """Largest error in ms of TTFT, TTFO and E2E, and the decode error in percent; or how it ended."""
    if case is None:
        return "-"
    if case.exchange.ending != "ok":
        right = "" if case.exchange.ending == case.scenario.ending else " WRONG"
        return f"{case.exchange.ending}{right}"
    said, true = case.said, case.truth
    pairs = ((said.ttft_ms, true.ttft_ms), (said.ttfo_ms, true.ttfo_ms), (said.e2e_ms, true.e2e_ms))
    worst = max(abs(a - b) for a, b in pairs if a is not None and b is not None)
    decode = abs(said.itl_ms / true.itl_ms - 1) * 100 if said.itl_ms and true.itl_ms else float("nan")
    return f"{worst:.2f} ms, {decode:.2f} %"


if __name__ == "__main__":
    main()
