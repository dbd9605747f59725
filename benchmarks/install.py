"""What `pip install tiltyard` brings: distributions and megabytes, in a fresh environment made by uv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
UNWANTED = ("torch", "transformers", "huggingface-hub", "openai")


def install() -> dict[str, Any]:
    """Needs uv and a package registry; raises RuntimeError with uv's last words."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-bench-") as folder:
        place = Path(folder) / "venv"
        python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        uv(["venv", "--quiet", "--python", sys.executable, str(place)])
        uv(["pip", "install", "--quiet", "--python", str(python), str(ROOT)])
        names = [
            d["name"] for d in json.loads(uv(["pip", "list", "--format", "json", "--python", str(python)]))
        ]
        size = sum(f.stat().st_size for f in place.rglob("*") if f.is_file() and not f.is_symlink())
    return {
        "distributions": len(names),
        "megabytes": round(size / 1e6, 1),
        "unwanted": ", ".join(sorted(set(names) & set(UNWANTED))) or "none",
    }


def uv(words: list[str]) -> str:
    program = os.environ.get("UV", "uv")  # uv names itself to what it runs: it need not be on the path
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"uv {words[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout
