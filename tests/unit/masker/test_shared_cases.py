"""Streams as cameras sent them when something private was shown, each with its right value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
CASES = REPOSITORY.parent / "shared" / "cases" / "media"


@pytest.mark.parametrize("name", ["shape-704-720", "pixel-shape-changes"])
def test_it_comes_out_right(name: str) -> None:
    case = CASES / name / "case.py"
    if not case.exists():
        pytest.skip(f"the shared cases are not here ({case})")
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tests.unit.masker.shared_case", str(case)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
