"""What every test may use."""

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same commit has the same outcome everywhere. To look further: --hypothesis-profile=default, or nightly.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("nightly", max_examples=10_000)
settings.load_profile("repeatable")

pytest_plugins = ["beffroi_local.testing"]


@pytest.fixture(autouse=True)
def own_hooks() -> Iterator[None]:
    """Put back what a process's log takes over, so that pytest goes on seeing what no test caught."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
