"""What every test may use."""

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same commit has the same outcome everywhere, however slow the machine is. To look further: `make nightly`, which
# tries others each time. Each says all of it: where `CI` is set, Hypothesis begins with a profile of its own.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("nightly", derandomize=False, deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile("repeatable")

pytest_plugins = ["beffroi_local.testing"]


@pytest.fixture(autouse=True)
def own_hooks() -> Iterator[None]:
    """Put back what a process's log takes over, so that pytest goes on seeing what no test caught."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
