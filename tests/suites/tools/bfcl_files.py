"""Small files in BFCL's layout, made up: areas, more of them as `live` ones, questions without a function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

AREA = {
    "name": "geo.area",
    "description": "An area.",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "integer", "description": "Its base."},
            "unit": {"type": "string", "description": "Of length."},
        },
        "required": ["base"],
    },
}


def asked(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "question": [[{"role": "user", "content": text}]], "function": [AREA]}


def truth(name: str, base: int) -> dict[str, Any]:
    return {"id": name, "ground_truth": [{"geo.area": {"base": [base], "unit": ["cm", ""]}}]}


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


def write_bfcl(folder: Path, count: int = 6, version: int = 4, simple: str = "simple_python") -> Path:
    """Questions and answers of three categories, and two categories that cannot be asked."""
    for category in (simple, "live_simple"):
        names = [f"{category}_{n}" for n in range(count)]
        file = f"BFCL_v{version}_{category}.json"
        write_lines(
            folder / file, [asked(name, f"What is the area {n} of it?") for n, name in enumerate(names)]
        )
        write_lines(folder / "possible_answer" / file, [truth(name, n) for n, name in enumerate(names)])
    write_lines(
        folder / f"BFCL_v{version}_irrelevance.json",
        [asked(f"irrelevance_{n}", f"What is the capital of country {n}?") for n in range(count)],
    )
    for other in ("multi_turn_base", "simple_java"):
        write_lines(folder / f"BFCL_v{version}_{other}.json", [{"id": f"{other}_0"}])
    return folder
