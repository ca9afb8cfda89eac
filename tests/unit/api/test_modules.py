"""House rules of `modules/`: each folder has the same file names, so that any module can be opened blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute

from beffroi_api import modules
from beffroi_api.http import app

FILES = {"__init__.py", "endpoints.py", "service.py", "repository.py", "schemas.py"}
"""What a module may hold itself. Whatever else it needs lies in a folder of its own inside it."""

ROOT = Path(modules.__file__).parent


def folders(root: Path) -> list[Path]:
    return sorted(each for each in root.iterdir() if each.is_dir() and each.name != "__pycache__")


def strangers(module: Path) -> set[str]:
    """Files that a module may not hold."""
    return {each.name for each in module.iterdir() if each.is_file() and each.suffix != ".pyc"} - FILES


def missing(module: Path) -> Iterator[str]:
    """What every module must hold: its schemas, and somebody who serves them."""
    present = {each.name for each in module.iterdir()}
    yield from {"__init__.py", "schemas.py"} - present
    if not present & {"endpoints.py", "service.py"}:
        yield "endpoints.py or service.py"


@pytest.mark.parametrize("module", folders(ROOT), ids=lambda module: module.name)
def test_a_module_has_the_same_file_names_as_all(module: Path) -> None:
    assert strangers(module) == set(), f"put them into a folder inside modules/{module.name}"
    assert list(missing(module)) == []


def test_every_modules_endpoints_are_served() -> None:
    written = {
        f"{modules.__name__}.{each.name}.endpoints" for each in folders(ROOT) if (each / "endpoints.py").exists()
    }
    assert written - served() == set(), "add their router to http/app.py"


def served() -> set[str]:
    """Modules whose endpoints the application answers."""
    routes = (route for router in app.ROUTERS for route in router.routes)
    return {route.endpoint.__module__ for route in routes if isinstance(route, APIRoute | APIWebSocketRoute)}


@pytest.mark.parametrize(("name", "found"), [("service.py", set()), ("buffer.py", {"buffer.py"})])
def test_a_file_of_another_name_is_noticed(tmp_path: Path, name: str, found: set[str]) -> None:
    (tmp_path / name).touch()
    assert strangers(tmp_path) == found


def test_a_module_without_schemas_or_service_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    assert list(missing(tmp_path)) == ["schemas.py", "endpoints.py or service.py"]
