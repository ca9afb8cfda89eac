"""Where things are: the repository, the cache that install.sh fills, and the folder of a run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""Root of the checkout. `beffroi_local` is installed editable only: it runs what lies beside it."""

LOCAL = REPOSITORY / "local"

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""The system's own Python: the only one that sees the system's GStreamer bindings."""


class NotInstalledError(RuntimeError):
    """A part that install.sh puts in the cache is not there."""


def cache_folder() -> Path:
    """Return the folder of downloads and builds, shared by all checkouts of a user."""
    if named := os.environ.get("BEFFROI_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "beffroi"


def cached(name: str, lock: Path) -> Path:
    """Return the cache entry made from `lock` (install/say.sh names it in the same way).

    Raises:
        NotInstalledError: it was not made, or not wholly.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{digest}"
    if not (folder / ".complete").exists():
        raise NotInstalledError(f"{name} is not in {cache_folder()}: run `make install`")
    return folder


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars."""
    return cached("kafka", LOCAL / "kafka" / "jars.sha256") / "jars"


def minio_program() -> Path:
    """Return the MinIO server's program."""
    return cached("minio", LOCAL / "minio" / "go.sum") / "minio"
