"""Hypothesis tries the same in each usual run, and something else each night, on machines of CI too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ASK = """
import tests.conftest
from hypothesis import settings
for each in (settings.default, settings.get_profile("nightly")):
    print(each.derandomize, each.deadline, each.max_examples)
"""


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}], ids=["here", "ci"])
def test_each_profile_is_the_same_everywhere(environment: dict[str, str]) -> None:
    here = {name: value for name, value in os.environ.items() if name != "CI"} | environment
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=here, capture_output=True, text=True, check=True)
    assert asked.stdout.splitlines() == ["True None 100", "False None 10000"]
