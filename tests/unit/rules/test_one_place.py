"""A rule is known by name in its own module, and nowhere else in what ships."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from beffroi_local.scene import RULE as SHOWN
from beffroi_rules import registry

ROOT = Path(__file__).parents[3]
SHIPS = ("libs", "services", "local", "k8s", "tools")
EXCEPTIONS = {SHOWN: {"local/beffroi_local/scene.py": 1}}
"""By rule, how often a file may name it: the demo says which one it shows."""

RULES = registry.load().rules
NAMES = [name for name in RULES if RULES[name].step.__module__.startswith("beffroi_rules.rules.")]


def shipped() -> Iterable[Path]:
    """Every file of the repository that ships, the console included."""
    listed = subprocess.run(["git", "ls-files", "-z", *SHIPS], cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            yield ROOT / name


def names(rule: str, text: str) -> int:
    """How often a text names a rule: as a string, a module or a value. A rule may be called by a word of every day."""
    return len(re.findall(rf"""["'`]{rule}["'`]|={rule}\s|\brules(?:\.|/| import ){rule}\b""", text, re.IGNORECASE))


@pytest.mark.parametrize("rule", NAMES)
def test_a_rule_is_named_in_its_module_alone(rule: str) -> None:
    home = Path(RULES[rule].step.__code__.co_filename).resolve()
    found = {
        str(file.relative_to(ROOT)): count
        for file in shipped()
        if file.resolve() != home and (count := names(rule, file.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == EXCEPTIONS.get(rule, {})


@pytest.mark.parametrize(
    "text", ['{"rule": "stopping"}', "RULE='stopping'", "RULE=stopping\n", "from beffroi_rules.rules import stopping"]
)
def test_a_name_is_found(text: str) -> None:
    assert names("stopping", text) == 1


def test_a_word_is_no_name() -> None:
    assert names("stopping", "say('stopping everything'), so that stopping does not wait; self._stopping") == 0


def test_there_is_something_to_count() -> None:
    assert NAMES
    assert len(list(shipped())) > 200
