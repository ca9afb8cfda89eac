"""docs/extending.md names files that exist, and only a few for each thing that may be added."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {part.splitlines()[0]: part for part in PAGE.split("\n## ")[1:]}
HANDFUL = 5


def listed(section: str) -> list[str]:
    """Files of a section's list: the first name of each item."""
    return re.findall(r"^- `([^`]+)`", section, re.MULTILINE)


def named(section: str) -> set[str]:
    """Every name with a folder in it, listed or not."""
    return set(re.findall(r"`([^` ]+/[^` ]+\.[a-z]+)`", section)) | set(listed(section))


def test_every_thing_has_its_section() -> None:
    assert list(SECTIONS) == ["A rule", "A topic", "A role", "An endpoint", "A store", "A camera dialect"]


@pytest.mark.parametrize("title", SECTIONS)
def test_what_is_named_exists(title: str) -> None:
    for name in named(SECTIONS[title]):
        assert list(ROOT.glob(name.replace("<name>", "[a-z]*"))), f"{name} is named in `{title}` and is not there"


@pytest.mark.parametrize("title", SECTIONS)
def test_a_list_is_at_most_a_handful(title: str) -> None:
    assert 1 <= len(listed(SECTIONS[title])) <= HANDFUL


def test_a_rule_is_one_file() -> None:
    assert listed(SECTIONS["A rule"]) == ["libs/rules/beffroi_rules/rules/<name>.py"]
