"""The prepared models that this release knows, and where each lies in the cache. A tool makes them."""

from __future__ import annotations

import os
from pathlib import Path

from .manifest import ModelError

EXPORTS = {
    "yolo26n": "cb036ab6f537",
    "yolo26s": "b7304989df31",
}
"""The export that this release runs, by the model's name: the digest of its weights, of the export's parameters and of
the versions that made it. Pinned, since another export of the same weights may find other people."""

DEFAULT_MODEL = "yolo26n"
"""At 512×384 it finds four of the five loiterers of PETS 2009 S2.L1; the fifth stands behind a sign (`docs/adr`)."""


def cache_folder() -> Path:
    """The user's cache of things that can be made again, as the rest of Beffroi finds it."""
    if named := os.environ.get("BEFFROI_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beffroi"


def model_folder(name: str) -> Path:
    """Where the prepared model of this name lies in the cache, whether it was made yet or not.

    Raises:
        ModelError: this release knows no such model.
    """
    if name not in EXPORTS:
        raise ModelError(f"there is no model {name!r}: choose one of {', '.join(EXPORTS)}")
    return export_folder(name, EXPORTS[name])


def export_folder(name: str, key: str) -> Path:
    """Where one export of a model lies in the cache."""
    return cache_folder() / "models" / f"{name}-{key}"
