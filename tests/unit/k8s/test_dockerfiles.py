"""The images are alike: one pattern, locked requirements, no root, no shell to start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATTERN = ROOT / "k8s" / "images" / "pattern.Dockerfile"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))

OWN_LINES = {
    "ARG": r"ARG NODE_IMAGE=\S+",
    "FROM": r"FROM (\$\{NODE_IMAGE\} AS console|scratch AS model)",
    "CMD": r'CMD \["-m", "beffroi_[a-z]+"\]',
}
"""Instructions that a service may add, in this form only; COPY, RUN and WORKDIR it may add as it needs them."""

FREE = {"COPY", "RUN", "WORKDIR"}


def instructions(text: str) -> list[str]:
    """The lines that do something."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def strangers(dockerfile: str, service: str) -> list[str]:
    """Lines of the pattern that are missing or out of order, and lines that no service may add."""
    wanted = instructions(PATTERN.read_text().replace("@SERVICE@", service))
    own = []
    for line in instructions(dockerfile):
        if wanted and line == wanted[0]:
            wanted.pop(0)
        else:
            own.append(line)
    return [f"missing: {line}" for line in wanted[:1]] + [f"not ours: {line}" for line in own if not _allowed(line)]


def _allowed(line: str) -> bool:
    instruction = line.split(maxsplit=1)[0]
    return instruction in FREE or re.fullmatch(OWN_LINES.get(instruction, "(?!)"), line) is not None


@pytest.mark.parametrize("service", SERVICES)
def test_images_follow_the_pattern(service: str) -> None:
    assert strangers((ROOT / "services" / service / "Dockerfile").read_text(), service) == []


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("USER 10001:10001", "USER root"),
        ("--require-hashes", "--upgrade"),
        ('ENTRYPOINT ["/opt/beffroi/bin/python"]', "ENTRYPOINT python"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root"),
        ("USER 10001:10001", "USER 10001:10001\nENV BEFFROI_INGEST_STORE__SECRET_KEY=hunter2"),
        ("ARG PYTHON_IMAGE=python:3.11-slim-bookworm", "ARG PYTHON_IMAGE=python:latest"),
    ],
)
def test_what_leaves_the_pattern_is_seen(line: str, instead: str) -> None:
    good = (ROOT / "services" / "ingest" / "Dockerfile").read_text()
    assert line in good
    assert strangers(good.replace(line, instead), "ingest")


@pytest.mark.parametrize("name", [*SERVICES, "build"])
def test_requirements_of_images_are_pinned_and_hashed(name: str) -> None:
    text = (ROOT / "requirements" / "images" / f"{name}.txt").read_text().replace("\\\n", "")
    lines = instructions(text)
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._\[\]-]+==[^ ;]+", line), f"{line.split()[0]} is not pinned"
        assert "--hash=sha256:" in line, f"{line.split()[0]} has no hash"
    assert "://" not in text, "an index address does not belong into a lock"


def test_what_runs_in_images_is_what_is_tested() -> None:
    tested = set(_pins((ROOT / "requirements" / "dev.txt").read_text()))
    for name in (*SERVICES, "build"):
        pins = set(_pins((ROOT / "requirements" / "images" / f"{name}.txt").read_text()))
        assert pins <= tested, f"{name}: {sorted(pins - tested)} are not in requirements/dev.txt; run `make lock`"


def _pins(text: str) -> list[str]:
    return re.findall(r"^([A-Za-z0-9._\[\]-]+==[^ ;\\]+)", text, flags=re.MULTILINE)
