"""No configuration of a camera ends ingest, and none keeps another camera from being filmed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from tests.hostile import changed, value_by_value, whole_camera
from tests.unit.ingest.test_owner import BOTH, Site

from beffroi_common.bus.dead_letters import DeadLetterLimit, Refusals
from beffroi_common.topics import CAMERAS
from beffroi_testing import MemoryBus

pytest_plugins = ["tests.unit.ingest.test_owner"]


def test_no_configuration_ends_ingest(site: Site) -> None:
    unlimited = DeadLetterLimit(in_a_row=10**9, window=10**9)
    site.owner.refusals = Refusals(MemoryBus(site.broker).producer(), "ingest", [CAMERAS], site.clock, unlimited)
    site.owner.assigned(BOTH)
    good, other = whole_camera("gate"), whole_camera("park", slot=1)
    site.say(json.dumps(other).encode(), "park", 1)

    def say(message: dict[str, Any]) -> None:
        site.say(json.dumps(message).encode())
        assert "park" in site.running

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(message=changed(good))
    def hostile(message: dict[str, Any]) -> None:
        say(message)

    for message in value_by_value(good):
        say(message)
    hostile()
    say(good)
    assert sorted(site.running) == ["gate", "park"]
