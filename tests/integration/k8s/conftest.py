"""Renders the manifests with the real kustomize, once for all tests of this folder."""

from __future__ import annotations

import copy
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.k8s import deployment

ROOT = Path(__file__).parents[3]
K8S = ROOT / "k8s"
RENDER_TIMEOUT_S = 60.0

CELLS = {"base": K8S / "base", "with_live": Path(__file__).with_name("with_live")}
"""A cell as it is, and one with the live views as a workload of their own."""

FOLDERS = {
    "base": {folder.parent.name: folder.parent for folder in (K8S / "base").glob("*/kustomization.yaml")},
    "with_live": {"live": K8S / "components" / "live" / "workload"},
}
"""By cell, the folder of each workload that the ones before it do not have."""

Manifest = dict[str, Any]


def _kustomize() -> str:
    found = shutil.which("kustomize", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.fail("kustomize is not installed: run `local/install.sh test`")
    return found


def render_folder(folder: Path) -> tuple[Manifest, ...]:
    """The manifests that kustomize makes of `folder`, which the caller may change: nobody else sees it."""
    return copy.deepcopy(_rendered(folder))


@functools.cache
def _rendered(folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run(
        [_kustomize(), "build", str(folder)], capture_output=True, text=True, timeout=RENDER_TIMEOUT_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{folder} does not render: {done.stderr}")
    assert not done.stderr, f"kustomize complains about {folder}: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def render() -> Callable[[Path], tuple[Manifest, ...]]:
    """Renders a folder."""
    return render_folder


@pytest.fixture(scope="session")
def cell(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    """Everything of one cell."""
    return render_folder(CELLS[request.param])


@pytest.fixture
def workload_manifests(workload: str) -> tuple[Manifest, ...]:
    """What the folder of `workload` makes by itself."""
    return render_folder(_folders("with_live")[workload])


@pytest.fixture(scope="session")
def pods(cell: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod template of each workload, by name."""
    return deployment.pods(cell)


def _folders(cell: str) -> dict[str, Path]:
    """The folder of each workload of a cell."""
    return FOLDERS["base"] | FOLDERS[cell]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a `cell` runs for each; for a `workload` or `service`: for each that a cell has."""
    named = metafunc.fixturenames
    if "workload" in named or "service" in named:
        argument, file = ("workload", "kustomization.yaml") if "workload" in named else ("service", "statefulset.yaml")
        pairs = [
            (cell, name)
            for cell in CELLS
            for name, folder in sorted(_folders(cell).items())
            if (folder / file).exists()
        ]
        if "cell" in named:
            metafunc.parametrize(("cell", argument), pairs, indirect=["cell"], scope="session")
        else:
            metafunc.parametrize(argument, sorted({name for _, name in pairs}))
    elif "cell" in named:
        metafunc.parametrize("cell", CELLS, indirect=True, scope="session")
