"""Each service but ingest, frozen for far longer than a session: it has lost its cameras, and takes them over again.

While ingest stands still nobody makes pictures; what it does then `tests/integration/test_frozen.py` says.
BEFFROI_TEST_STILL_S makes it shorter or longer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from tests.chaos.test_away import absence, require_exactly_once
from tests.e2e.system import Camera, running_system, wait_for

from beffroi_common.contracts import Recording
from beffroi_local import scene
from beffroi_local.programs import SERVICES
from beffroi_local.stack import Absence

STILL_S = float(os.environ.get("BEFFROI_TEST_STILL_S", "60"))


@dataclass
class Outcome:
    """What is stored after all stood still, and which processes there were."""

    pids: dict[str, set[int]]
    segments: list[tuple[Recording, bytes]] = field(default_factory=list)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    cameras = {scene.PATTERN: Camera(scene.pattern_camera(), scene.open_masking())}
    with running_system(tmp_path_factory.mktemp("still"), cameras) as system:
        wait_for(lambda: bool(system.segments(scene.PATTERN)), "the first segment")
        outcome = Outcome({service: {system.stack.pid(service)} for service in SERVICES})
        for frozen in (service for service in SERVICES if service != "ingest"):
            absence(system, frozen, Absence.FROZEN, STILL_S)
            for service in SERVICES:
                outcome.pids[service].add(system.stack.pid(service))
        outcome.segments += system.stored(scene.PATTERN)
    return outcome


def test_no_process_ended(outcome: Outcome) -> None:
    assert {service: len(pids) for service, pids in outcome.pids.items()} == dict.fromkeys(SERVICES, 1)


def test_every_picture_is_stored_exactly_once(outcome: Outcome) -> None:
    require_exactly_once(outcome.segments)
