"""A rule is known by name in its own module, and nowhere else in what ships."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from beffroi_rules import registry

ROOT = Path(__file__).parents[3]
SHIPS = ("libs", "services", "local", "k8s", "tools")
EXCEPTIONS = {"local/beffroi_local/scene.py": 1}
"""Times a rule may be named: the demo says which one it shows."""

RULES = registry.load().rules
NAMES = [name for name in RULES if RULES[name].step.__module__.startswith("beffroi_rules.rules.")]


def shipped() -> Iterable[Path]:
    """Every file of the repository that ships, the console included."""
    listed = subprocess.run(["git", "ls-files", "-z", *SHIPS], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            yield ROOT / name


@pytest.mark.parametrize("rule", NAMES)
def test_a_rule_is_named_in_its_module_alone(rule: str) -> None:
    home = Path(RULES[rule].step.__code__.co_filename).resolve()
    found = {
        str(file.relative_to(ROOT)): count
        for file in shipped()
        if file.resolve() != home and (count := file.read_bytes().lower().count(rule.encode()))
    }
    assert found == EXCEPTIONS


def test_there_is_something_to_count() -> None:
    assert NAMES
    assert len(list(shipped())) > 200
