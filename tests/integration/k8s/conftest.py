"""Renders the manifests with the real kustomize, once for all tests of this folder."""

from __future__ import annotations

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
BASE = ROOT / "k8s" / "base"
RENDER_TIMEOUT_S = 60.0

Manifest = dict[str, Any]


def _kustomize() -> str:
    found = shutil.which("kustomize", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.fail("kustomize is not installed: run `local/install.sh test`")
    return found


@functools.cache
def render_folder(folder: Path) -> tuple[Manifest, ...]:
    """The manifests that kustomize makes of `folder`."""
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
def cell() -> tuple[Manifest, ...]:
    """Everything of one cell."""
    return render_folder(BASE)


@pytest.fixture
def workload_manifests(workload: str) -> tuple[Manifest, ...]:
    """What the folder of `workload` makes by itself."""
    return render_folder(BASE / workload)


@pytest.fixture(scope="session")
def pods(cell: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod template of each workload, by name."""
    return deployment.pods(cell)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `workload` runs for each folder of base/; `service`: for those that are services."""
    if "workload" in metafunc.fixturenames:
        metafunc.parametrize("workload", sorted(path.parent.name for path in BASE.glob("*/kustomization.yaml")))
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", sorted(path.parent.name for path in BASE.glob("*/statefulset.yaml")))
