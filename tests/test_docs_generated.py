"""The generated parts of the documentation are what the code says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

GENERATOR = Path(__file__).parent.parent / "docs" / "generate.py"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands.md", "simulator.md"])
def test_generated_pages_are_fresh(name: str) -> None:
    written = (GENERATOR.parent / name).read_text(encoding="utf-8")
    assert written == generator().filled(name), "run `make docs`"
