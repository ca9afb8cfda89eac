"""The Java that runs Kafka."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .paths import NotInstalledError

MINIMUM_JAVA = 17
"""Kafka 4's server runs on Java 17 or newer."""


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)
    yield from sorted(Path("/usr/lib/jvm").glob("*/bin/java"))


def _version(java: Path) -> int:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0


@functools.cache
def find_java() -> Path:
    """Return a Java that is new enough.

    Raises:
        NotInstalledError: there is none.
    """
    for candidate in _candidates():
        if candidate.exists() and _version(candidate) >= MINIMUM_JAVA:
            return candidate
    raise NotInstalledError(f"no Java {MINIMUM_JAVA} or newer was found: run `make install`, or set JAVA_HOME")
