"""The application on doubles and a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.application import Running, in_memory, running
from tests.unit.api.desk import Desk, open_desk


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running application, its console not built. Shared by the tests of a module: they leave it as it is."""
    around, *_ = in_memory(tmp_path_factory.mktemp("api"))
    with running(around) as started:
        yield started


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A publisher of cameras."""
    with open_desk(tmp_path) as opened:
        yield opened
