"""Each service has a target of its own: locked requirements, its own distributions and no others, no root, no shell."""

from __future__ import annotations

import fnmatch
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.unit.k8s.dockerfile import ROOT, Dockerfile

from beffroi_detector.manifest import GRAPH, MANIFEST, NUMBERS

TEXT = (ROOT / "Dockerfile").read_text()
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
LOCKS = ROOT / "requirements" / "images"

PINNED_IMAGE = r"[a-z]+:\d+(\.\d+)?(-slim-bookworm|-bookworm-slim)"
COMMANDS = (
    r"pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/build\.txt",
    r"python -m venv /opt/beffroi",
    r"/opt/beffroi/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/[a-z]+\.txt",
    r"pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels( (libs|services)/[a-z]+)+",
    r"/opt/beffroi/bin/pip install --no-cache-dir --no-index --no-deps wheels/\*",
    r"npm ci --no-audit --no-fund",
    r"npm run build",
)
"""All that may run while an image is built: whatever is fetched is checked against a lock."""
INSTRUCTIONS = {"COPY", "RUN", "WORKDIR", "ENV", "USER", "ENTRYPOINT", "CMD"}
ENVIRONMENT = "PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp"
USER = "10001:10001"
ENTRYPOINT = '["/opt/beffroi/bin/python"]'


def faults(text: str) -> list[str]:
    """What is wrong with a Dockerfile, in words."""
    dockerfile = Dockerfile.parse(text)
    found = [*_bases(dockerfile), *_steps(dockerfile), *_sources(dockerfile)]
    for service in SERVICES:
        found += [f"{service}: {fault}" for fault in (*_target(dockerfile, service), *_contents(dockerfile, service))]
    return found


def _bases(dockerfile: Dockerfile) -> Iterator[str]:
    for name, image in dockerfile.arguments.items():
        if not re.fullmatch(PINNED_IMAGE, image):
            yield f"{name} floats: {image}"
    known = {"scratch", *(f"${{{name}}}" for name in dockerfile.arguments)}
    for stage in dockerfile.stages.values():
        if stage.base not in known:
            yield f"{stage.name} begins from the unknown {stage.base}"
        known.add(stage.name)


def _steps(dockerfile: Dockerfile) -> Iterator[str]:
    for stage in dockerfile.stages.values():
        for instruction, value in stage.steps:
            if instruction not in INSTRUCTIONS or (instruction == "ENV" and value != ENVIRONMENT):
                yield f"{stage.name}: not allowed: {instruction} {value}"
            if instruction == "RUN" and not any(re.fullmatch(command, value) for command in COMMANDS):
                yield f"{stage.name}: not allowed: RUN {value}"


def _sources(dockerfile: Dockerfile) -> Iterator[str]:
    for stage in dockerfile.stages.values():
        for value in stage.values("COPY"):
            *sources, _ = value.split()
            if sources[0].startswith("--from="):
                origin = sources[0].removeprefix("--from=")
                if origin not in dockerfile.stages:
                    yield f"{stage.name}: copies from the unknown stage {origin}"
                continue
            yield from (f"{stage.name}: {each} is not there" for each in sources if not (ROOT / each).exists())
            yield from (f"{stage.name}: {each} is kept out by .dockerignore" for each in sources if _is_ignored(each))


def _is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out; its last line that fits the path or a folder above it decides."""
    ignored = False
    for line in _lines((ROOT / ".dockerignore").read_text()):
        pattern = line.removeprefix("!").removeprefix("**/")
        if any(fnmatch.fnmatchcase(str(part), pattern) for part in (PurePosixPath(path), *PurePosixPath(path).parents)):
            ignored = not line.startswith("!")
    return ignored


def _target(dockerfile: Dockerfile, service: str) -> Iterator[str]:
    stage = dockerfile.stages.get(service)
    if stage is None:
        yield "has no target"
        return
    if dockerfile.last(service, "USER") != USER:
        yield "does not run as the fixed user without rights"
    if dockerfile.last(service, "ENTRYPOINT") != ENTRYPOINT:
        yield "does not start Python alone"
    if stage.values("RUN"):
        yield "runs commands in the image itself"
    copied = [value for value in stage.values("COPY") if not value.startswith("--from=model ")]
    if copied != [f"--from=build-{service} /opt/beffroi /opt/beffroi"]:
        yield f"does not consist of its own build: {copied}"
    command = dockerfile.command(service)
    if command is not None and not (command[0] == "-m" and _is_program(command[1])):
        yield f"starts no program: {command}"


def _is_program(module: str) -> bool:
    package = importlib.util.find_spec(module)
    return package is not None and importlib.util.find_spec(f"{module}.__main__") is not None


def _contents(dockerfile: Dockerfile, service: str) -> Iterator[str]:
    steps = list(dockerfile.steps(f"build-{service}"))
    copied = [value.split()[0] for name, value in steps if name == "COPY" and not value.startswith("--from=")]
    folders = {each for each in copied if each.startswith(("libs/", "services/"))}
    built = {each for name, value in steps if name == "RUN" for each in re.findall(r" ((?:libs|services)/\S+)", value)}
    wanted = {str(folder.relative_to(ROOT)) for folder in needed_folders(ROOT / "services" / service)}
    for what, found in (("copies", folders), ("installs", built)):
        if found != wanted:
            yield f"{what} {sorted(found)}, and depends on {sorted(wanted)}"
    locks = {each for each in copied if each.startswith("requirements/")}
    if locks != {"requirements/images/build.txt", f"requirements/images/{service}.txt"}:
        yield f"takes the locks {sorted(locks)}"
    installed = {each for name, value in steps if name == "RUN" for each in re.findall(r"requirements/(\S+)", value)}
    if installed != {"build.txt", f"{service}.txt"}:
        yield f"installs the locks {sorted(installed)}"


@cache
def requirements(folder: Path) -> frozenset[str]:
    """Names that a distribution depends on."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return frozenset(canonicalize_name(Requirement(each).name) for each in project["dependencies"])


def needed_folders(folder: Path) -> set[Path]:
    """The distribution in `folder`, and those of this repository that it depends on, through others too."""
    own = {each for each in requirements(folder) if each.startswith("beffroi-")}
    beneath = (needed_folders(ROOT / "libs" / each.removeprefix("beffroi-")) for each in own)
    return {folder}.union(*beneath)


def test_the_dockerfile_has_no_fault() -> None:
    assert faults(TEXT) == []


LOCKED = "--no-deps --require-hashes --requirement requirements/ingest.txt"
MODEL = "COPY --from=model manifest.json"


@pytest.mark.parametrize(
    ("line", "instead", "fault"),
    [
        ("ARG PYTHON_IMAGE=python:3.11-slim-bookworm", "ARG PYTHON_IMAGE=python:latest", "floats"),
        ("FROM ${NODE_IMAGE} AS console", "FROM node:24 AS console", "begins from the unknown"),
        ("USER 10001:10001", "USER root", "the fixed user"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root", "the fixed user"),
        ('CMD ["-m", "beffroi_ingest"]', 'USER root\nCMD ["-m", "beffroi_ingest"]', "ingest: does not run as"),
        ('ENTRYPOINT ["/opt/beffroi/bin/python"]', "ENTRYPOINT python", "start Python alone"),
        ('CMD ["-m", "beffroi_ingest"]', 'CMD ["-m", "beffroi_ingests"]', "starts no program"),
        ("USER 10001:10001", "ENV BEFFROI_INGEST_STORE__SECRET_KEY=hunter2", "not allowed: ENV"),
        ("USER 10001:10001", "USER 10001:10001\nADD https://example.org/x /x", "not allowed: ADD"),
        (LOCKED, LOCKED.replace("--require-hashes ", ""), "not allowed: RUN"),
        (LOCKED, LOCKED.replace("ingest", "api"), "installs the locks"),
        ("requirements/images/ingest.txt", "requirements/images/api.txt", "takes the locks"),
        ("wheels libs/common services/ingest", "wheels services/ingest", "ingest: installs"),
        ("wheels libs/common services/ingest", "wheels libs/common libs/testing services/ingest", "ingest: installs"),
        ("COPY services/ingest services/ingest", "COPY services services", "ingest: copies"),
        ("COPY libs/common libs/common", "COPY libs/testing libs/testing", "kept out by .dockerignore"),
        ("COPY libs/common libs/common", "COPY libs/comon libs/common", "is not there"),
        ("FROM run AS ingest", "FROM run AS egress", "ingest: has no target"),
        ("COPY --from=build-ingest", "COPY --from=build-masker", "does not consist of its own build"),
        ("COPY --from=build-ingest", "RUN npm run build\nCOPY --from=build-ingest", "runs commands"),
        (MODEL, "COPY --from=weights manifest.json", "unknown stage weights"),
    ],
)
def test_each_fault_is_seen(line: str, instead: str, fault: str) -> None:
    assert line in TEXT
    assert any(fault in each for each in faults(TEXT.replace(line, instead)))


def test_the_model_in_the_image_is_what_vision_reads() -> None:
    (copied,) = (each for each in Dockerfile.parse(TEXT).stages["detector"].values("COPY") if "--from=model" in each)
    assert set(copied.split()[1:-1]) == {MANIFEST, GRAPH, NUMBERS}


@pytest.mark.parametrize("name", [*SERVICES, "build"])
def test_requirements_of_images_are_pinned_and_hashed(name: str) -> None:
    text = (LOCKS / f"{name}.txt").read_text().replace("\\\n", "")
    lines = _lines(text)
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._\[\]-]+==[^ ;]+", line), f"{line.split()[0]} is not pinned"
        assert "--hash=sha256:" in line, f"{line.split()[0]} has no hash"
    assert "://" not in text, "an index address does not belong into a lock"


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_distribution_depends_on_is_in_the_lock_of_its_image(service: str) -> None:
    locked = {canonicalize_name(pin.partition("==")[0]) for pin in _pins((LOCKS / f"{service}.txt").read_text())}
    for folder in needed_folders(ROOT / "services" / service):
        missing = {each for each in requirements(folder) - locked if not each.startswith("beffroi-")}
        assert not missing, f"{folder.name} needs {sorted(missing)}: run `make lock`"


def test_what_runs_in_images_is_what_is_tested() -> None:
    tested = set(_pins((ROOT / "requirements" / "dev.txt").read_text()))
    for name in (*SERVICES, "build"):
        pins = set(_pins((LOCKS / f"{name}.txt").read_text()))
        assert pins <= tested, f"{name}: {sorted(pins - tested)} are not in requirements/dev.txt; run `make lock`"


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _pins(text: str) -> list[str]:
    return re.findall(r"^([A-Za-z0-9._\[\]-]+==[^ ;\\]+)", text, flags=re.MULTILINE)
