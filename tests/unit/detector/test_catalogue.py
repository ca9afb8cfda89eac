"""A prepared model is looked for where this release's one lies, and checked before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.detector.prepared import prepared

from beffroi_detector.catalogue import DEFAULT_MODEL, model_folder
from beffroi_detector.manifest import MANIFEST, NUMBERS, ModelError, read_manifest


def test_a_prepared_model_is_checked_before_it_is_used(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "m")
    assert read_manifest(folder).classes == {0: "person"}
    (folder / NUMBERS).write_text("other")
    with pytest.raises(ModelError, match="is not what was prepared"):
        read_manifest(folder)
    with pytest.raises(ModelError, match=r"python -m beffroi_prepare_model"):
        read_manifest(tmp_path)
    (folder / MANIFEST).write_text("{}")
    with pytest.raises(ModelError, match="another version"):
        read_manifest(folder)


def test_a_model_of_another_release_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFFROI_CACHE", str(tmp_path))
    prepared(tmp_path / "models" / f"{DEFAULT_MODEL}-0123456789ab")
    with pytest.raises(ModelError, match="there is no prepared model"):
        read_manifest(model_folder(DEFAULT_MODEL))


def test_an_unknown_model_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ModelError, match="yolo26n, yolo26s"):
        model_folder("yolo99")
