"""A prepared model, as its manifest says it: made-up content with the right digests."""

from __future__ import annotations

from pathlib import Path

from beffroi_detector.manifest import GRAPH, MANIFEST, NUMBERS, Manifest, sha256_of


def prepared(folder: Path) -> Path:
    """Make it in `folder`, and return that."""
    folder.mkdir(parents=True)
    for name in (GRAPH, NUMBERS):
        (folder / name).write_text(name)
    manifest = Manifest(
        name="tiny",
        weights_sha256="0" * 64,
        key="k",
        exporter="test",
        license="AGPL-3.0",
        classes={0: "person"},
        stride=32,
        files={name: sha256_of(folder / name) for name in (GRAPH, NUMBERS)},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder
