"""What the demo films: its cameras with their masks, zones and legal bases, in the api's words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .programs import COMMUNE, RTSP_SECRET

STREET = "carrefour"
PATTERN = "mire"

VTEST_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
"""Of Debian's vtest.avi (package opencv-doc), for which mask and zone below are drawn."""

RULE = "loitering"
"""What the demo shows; its analytic has the same name."""

THRESHOLD_S = 10.0
RADIUS_HEIGHT = 0.104
"""60 pixels of vtest.avi's 576."""

Size = tuple[int, int]
"""Width and height in pixels."""

PATTERN_SOURCE = "pattern:640x360@12"
"""12 pictures a second: what the order of 3 August 2007 asks for where persons are to be identified."""

PATTERN_SIZE: Size = (640, 360)

Polygon = tuple[tuple[float, float], ...]

VTEST_SIZE: Size = (768, 576)

VTEST_BUILDINGS: Polygon = (
    (0.0, 0.0),
    (0.91, 0.0),
    (0.846, 0.107),
    (0.776, 0.187),
    (0.401, 0.177),
    (0.39, 0.078),
    (0.3125, 0.066),
    (0.13, 0.1),
    (0.0, 0.107),
)
"""The two buildings at the top of vtest.avi, nobody before them."""

VTEST_CROSSROADS: Polygon = ((0.0, 0.27), (0.45, 0.22), (0.8, 0.2), (1.0, 0.14), (1.0, 1.0), (0.0, 1.0))
"""The crossroads and all before it. Not the lawn behind, where nobody walks and a small sign on a post, at
(0.05, 0.24), looks like a person to the model."""

ANY_TOP: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.1), (0.0, 0.1))
ANY_STREET: Polygon = ((0.0, 0.12), (1.0, 0.12), (1.0, 1.0), (0.0, 1.0))
"""For any other clip: a strip at the top, and all below it."""


@dataclass(frozen=True)
class Scene:
    """Mask and zone of the street camera.

    Attributes:
        mask: what must never be seen.
        drawn_on: the size of the picture that it was drawn on; None: drawn for any.
        zone: where to stay for `THRESHOLD_S` raises an alert.
        has_truth: the clip is vtest.avi, whose people are known.
        has_people: somebody is to be expected in it.
    """

    mask: Polygon
    drawn_on: Size | None
    zone: Polygon
    has_truth: bool
    has_people: bool


def scene_of(clip: Path | None) -> Scene:
    """Return mask and zone for a clip; None: the generated one."""
    if clip is None:
        return Scene(ANY_TOP, None, ANY_STREET, has_truth=False, has_people=False)
    with clip.open("rb") as file:
        is_vtest = hashlib.file_digest(file, "sha256").hexdigest() == VTEST_SHA256
    if is_vtest:
        return Scene(VTEST_BUILDINGS, VTEST_SIZE, VTEST_CROSSROADS, has_truth=True, has_people=True)
    # Whether anybody stays for ten seconds in another clip is not ours to say.
    return Scene(ANY_TOP, None, ANY_STREET, has_truth=False, has_people=False)


def street_camera(url: str, fps: float) -> dict[str, Any]:
    """Return the RTSP camera, for PUT /cameras/{id}."""
    return {
        "name": "Carrefour (RTSP)",
        "commune": COMMUNE,
        "source": {"url": url, "credentials": RTSP_SECRET},
        "nominal_fps": fps,
    }


def pattern_camera() -> dict[str, Any]:
    """Return the test pattern's camera, for PUT /cameras/{id}."""
    return {"name": "Mire", "commune": COMMUNE, "source": {"url": PATTERN_SOURCE}}


def masking(scene: Scene, *more: Polygon) -> dict[str, Any]:
    """Return the street camera's mask decision, for PUT /cameras/{id}/masking; with `more` than the scene's own."""
    decision = {"mode": "burn", "polygons": [scene.mask, *more], "reason": "Façades et entrées d'immeubles"}
    return decision if scene.drawn_on is None else decision | {"drawn_on": _picture(scene.drawn_on)}


def open_masking() -> dict[str, Any]:
    """Return the test pattern's mask decision, for PUT /cameras/{id}/masking."""
    reason = "Mire générée : rien de privé n'est en vue"
    return {"mode": "open", "reason": reason, "drawn_on": _picture(PATTERN_SIZE)}


def _picture(size: Size) -> dict[str, int]:
    width, height = size
    return {"width": width, "height": height}


def zones(scene: Scene) -> dict[str, Any]:
    """Return the street camera's zone and the rule that looks at it, for PUT /cameras/{id}/zones."""
    zone = {"id": "carrefour", "name": "Carrefour", "kind": "sensitive", "shape": "polygon", "points": scene.zone}
    parameters = {"threshold_s": THRESHOLD_S, "radius_height": RADIUS_HEIGHT}
    rule = {"id": RULE, "rule": RULE, "parameters": parameters, "geometry": {"zone": zone["id"]}}
    return {"zones": [zone], "rules": [rule]}


def legal_bases() -> list[dict[str, Any]]:
    """Return the street camera's legal bases, for PUT /cameras/{id}/legal-bases."""
    now = datetime.now(UTC)
    return [
        {
            "analytic": RULE,
            "purpose": "Démonstration sur des images publiques",
            "reference": "Démonstration, sans portée juridique",
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(days=1)).isoformat(),
        }
    ]
