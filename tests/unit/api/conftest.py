"""The application on doubles and a SQLite file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.application import Running, in_memory, running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running application, its console not built. Shared by the tests of a module: they leave it as it is."""
    around, *_ = in_memory(tmp_path_factory.mktemp("api"))
    with running(around) as started:
        yield started
