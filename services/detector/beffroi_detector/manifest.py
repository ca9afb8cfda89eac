"""A prepared model on disk: OpenVINO's two files and a manifest with their digests, checked before each use."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

MANIFEST = "manifest.json"
GRAPH = "model.xml"
NUMBERS = "model.bin"
CHUNK_BYTES = 1024 * 1024


class ModelError(Exception):
    """The model is missing, or is not what its manifest says."""


class Manifest(BaseModel):
    """What was prepared, from what, and what it is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights_sha256: str
    key: str
    """Of weights, export parameters and the exporting environment: the name of the cache entry."""
    exporter: str
    license: str
    classes: dict[int, str]
    stride: int
    """Sides of a picture must be multiples of this."""
    files: dict[str, str]
    """SHA-256 by file name."""


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a prepared model and check that its files are the ones that were made.

    Raises:
        ModelError: something is missing, unreadable or different; says what to do.
    """
    remedy = "run `python -m beffroi_prepare_model`"
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ModelError(f"there is no prepared model in {folder}: {remedy}") from None
    except ValidationError:
        raise ModelError(f"the manifest in {folder} is of another version: {remedy} --again") from None
    for name in (GRAPH, NUMBERS):
        file = folder / name
        if not file.exists() or sha256_of(file) != manifest.files.get(name):
            raise ModelError(f"{file} is not what was prepared: {remedy} --again")
    return manifest
