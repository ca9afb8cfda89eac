"""A camera that an earlier release saved beyond today's bounds keeps no other from being seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.cameras.repository import NOWHERE, document

GOOD: dict[str, Any] = {
    "id": "gate",
    "name": "Gate",
    "commune": "Lille",
    "slot": 3,
    "source": {"url": "pattern:640x360@10"},
    "version": 7,
    "masking": {
        "mode": "open",
        "version": 2,
        "decided_by": "ada",
        "decided_at": "2026-01-01T00:00:00Z",
        "reason": "a roof",
    },
}


def row(**changes: Any) -> CameraRow:
    return CameraRow(id="gate", slot=3, version=7, commune="Lille", document=json.dumps(GOOD | changes))


def test_a_name_with_marks_that_nobody_sees_is_shown_with_them_replaced() -> None:
    camera = document(row(name="Ga\u202ete"))
    assert camera.name == "Ga\N{REPLACEMENT CHARACTER}te"
    assert camera.enabled
    assert (camera.version, camera.slot, camera.commune) == (7, 3, "Lille")
    assert camera.masking is not None


def test_a_camera_whose_source_cannot_be_read_is_off_and_keeps_the_rest() -> None:
    camera = document(row(source={"url": "pattern:9998x9998@99"}))
    assert (camera.source.url, camera.enabled, camera.name) == (NOWHERE, False, "Gate")
    assert camera.masking is not None


@pytest.mark.parametrize(
    "changes", [{"masking": {"mode": "open"}}, {"masking": GOOD["masking"] | {"version": 2**80}}, {"commune": "\0"}]
)
def test_what_cannot_be_read_is_left_out(changes: dict[str, Any]) -> None:
    camera = document(row(**changes))
    assert camera.name == "Gate"
    assert camera.masking is None or "masking" not in changes


def test_what_is_readable_is_as_it_was() -> None:
    assert document(row()).model_dump(mode="json", exclude_unset=True) == GOOD | {"masking": GOOD["masking"] | {}}
