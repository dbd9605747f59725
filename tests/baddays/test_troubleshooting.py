"""Every message in docs/troubleshooting.md is one that the program really has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (`.+?) \| .+ \| .+ \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


def rendered(node: ast.AST) -> str:
    """A string of the source, with … for each thing filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def all_strings() -> list[str]:
    """Every string in the source; those joined by + count as one."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                found.append(f"{rendered(node.left) or '…'}{rendered(node.right) or '…'}")
            elif text := rendered(node):
                found.append(text)
    return found


def test_what_the_page_quotes_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = [message for row in ROW.findall(page) for message in QUOTED.findall(row)]
    assert len(messages) > 40
    strings = all_strings()
    unknown = []
    for message in messages:
        pieces = [piece for piece in re.split(r"\s*…\s*", message) if piece.strip(" ;:,.()")]
        pattern = re.compile(".*".join(re.escape(piece) for piece in pieces), re.DOTALL)
        if not any(pattern.search(text) for text in strings):
            unknown.append(message)
    assert not unknown
