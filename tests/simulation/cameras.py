"""The simulated cameras: what they are configured as, and what they send."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.simulation.footage import CYCLE, FPS, GOP, SIDE, TIME_BASE, decision, film
from tests.simulation.schedule import CAMERAS

from beffroi_common.contracts import Camera, CameraRule, CameraSource, Codec, LegalBasis, Zone
from beffroi_ingest.batching import StreamInfo
from beffroi_ingest.sources import EncodedUnit, Pause, SourceError
from beffroi_testing import ManualClock
from beffroi_testing.clock import START

SLOTS = 2
THRESHOLD_S = 6.0
ZONE = ((0.38, 0.05), (0.95, 0.05), (0.95, 0.95), (0.38, 0.95))
LATE_S = 1.0
"""A reader that is behind by more is disconnected, as cameras do when nobody takes their pictures."""


def configured(name: str, mask_version: int = 1) -> Camera:
    """A camera with a rule, as the api would publish it."""
    basis = LegalBasis(
        analytic="loitering",
        purpose="simulation",
        reference="act 1",
        starts_at=START - timedelta(days=1),
        ends_at=START + timedelta(days=2),
    )
    parameters = {"threshold_s": THRESHOLD_S, "radius_height": 0.2}
    return Camera(
        id=name,
        name=name,
        commune="Lille",
        slot=CAMERAS.index(name) % SLOTS,
        source=CameraSource(url="rtsp://camera/film"),
        masking=decision(mask_version),
        zones=(Zone(id="zone", name="zone", kind="sensitive", shape="polygon", points=ZONE),),
        rules=(CameraRule(id="rule", rule="loitering", parameters=parameters, geometry={"zone": "zone"}),),
        legal_bases=(basis,),
        version=mask_version,
    )


@dataclass
class FilmedCamera:
    """Films by the true time, whoever connects to it."""

    name: str
    clock: ManualClock
    films: bool = True
    connections: int = 0

    @property
    def index(self) -> int:
        """Of the camera: part of its pictures' numbers."""
        return CAMERAS.index(self.name)

    def disconnect(self) -> None:
        """Break off whoever is connected."""
        self.connections += 1

    def due(self) -> int:
        """The picture that is due now, counted from the start of the world."""
        return math.floor(self.clock.monotonic_s() * FPS)


class FilmedSource:
    """See `Source`: from the next key picture on."""

    def __init__(self, camera: FilmedCamera, pause: Pause) -> None:
        self.info = StreamInfo(Codec.H264, SIDE, SIDE, TIME_BASE, float(FPS))
        self._camera = camera
        self._pause = pause
        self._connection = camera.connections

    def units(self) -> Iterator[EncodedUnit]:
        """See `Source.units`."""
        camera = self._camera
        picture = (camera.due() // GOP + 1) * GOP
        first = picture
        while not self._pause(max(0.0, picture / FPS - camera.clock.monotonic_s())):
            if self._connection != camera.connections or camera.clock.monotonic_s() - picture / FPS > LATE_S:
                raise SourceError("disconnected", "The camera closed the connection.")
            if not camera.films:
                raise SourceError("timeout", "The camera sends nothing.")
            encoded = film(camera.index)[picture % CYCLE]
            pts = (picture - first) * TIME_BASE.denominator // FPS
            yield EncodedUnit(pts, pts, encoded.key, encoded.data)
            picture += 1

    def close(self) -> None:
        """See `Source.close`."""
