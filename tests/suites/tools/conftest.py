"""Where BFCL's own files and checker are, for the tests that compare with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bfcl() -> Path:
    """The folder of an unpacked bfcl-eval wheel, from the environment variable TILTYARD_BFCL."""
    named = os.environ.get("TILTYARD_BFCL")
    if not named:
        pytest.skip("needs the unpacked bfcl-eval wheel: `make test-bfcl` fetches it")
    folder = Path(named)
    assert (folder / "bfcl_eval" / "data").is_dir(), f"TILTYARD_BFCL: no bfcl_eval/data in {folder}"
    return folder
