"""Every code that a service says of itself or of a camera has words in both languages, and a line in the runbook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from beffroi_detector.vision.processor import MESSAGES as VISION
from beffroi_masker.messages import MESSAGES as MASKER
from beffroi_rules.fitting import RestReason

SERVICES = Path(__file__).parents[3] / "services"
WORDS = SERVICES / "api/console/src/i18n"
RUNBOOK = SERVICES.parent / "docs/operations/README.md"

FINE = {"analysed", "connected", "disabled", "masked", "recording", "running", "watching"}
"""Codes of what runs as it should: there is nothing to do."""

SAID = re.compile(r"(?:Level\.[A-Z]+,|SourceError\(|Error,)\s*\"([a-z_]+)\"")
"""A code in a report of a service, or in or beside an error of a camera's source."""


def codes() -> set[str]:
    written = {
        code
        for file in SERVICES.parent.glob("[ls]*/*/beffroi_*/**/*.py")
        for code in SAID.findall(file.read_text(encoding="utf-8"))
    }
    masker = {reason.value for reason in MASKER}
    return written | masker | set(VISION) | {reason.value for reason in RestReason}


def words(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return found


def test_the_codes_are_found() -> None:
    assert {"connected", "wrong_password", "timeout", "other_shape", "watching", "idle", "analysed"} <= codes()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_code_has_words(language: str) -> None:
    assert codes() - words(language)["status"].keys() == set()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_reason_to_rest_is_said_with_what_to_do(language: str) -> None:
    said = words(language)["rests"]
    assert {reason.value for reason in RestReason} == said["why"].keys() - {"other"} == said["remedy"].keys()


def test_the_runbook_says_what_to_do_about_every_code() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`([a-z_]+)`", "".join(rows)))
    assert codes() - FINE - named == set()
    source = "".join(file.read_text(encoding="utf-8") for file in SERVICES.parent.glob("[ls]*/*/beffroi_*/**/*.py"))
    assert {code for code in named if f'"{code}"' not in source} == set(), "nobody says them any more"
