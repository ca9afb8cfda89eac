"""A camera with a mask over the upper part of its picture."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from beffroi_common.contracts import Camera, CameraSource, DrawnPicture, MaskDecision, MaskMode

TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.4), (0.0, 0.4))
"""Everything but the lower part of the picture, where a test pattern has its number."""


@pytest.fixture
def decision() -> MaskDecision:
    """The upper part of the picture is masked."""
    return MaskDecision(
        mode=MaskMode.BURN,
        polygons=(TOP,),
        version=1,
        decided_by="dpo",
        decided_at=datetime(2026, 1, 1, tzinfo=UTC),
        drawn_on=DrawnPicture(width=320, height=240),
    )


@pytest.fixture
def masked_camera(name: str, decision: MaskDecision) -> Camera:
    """A test pattern with a mask over its upper part."""
    source = CameraSource(url="pattern:320x240@10")
    return Camera(id=name, name=name, commune="Lille", slot=0, source=source, masking=decision)
