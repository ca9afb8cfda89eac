"""Cameras and tracks for tests of the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from beffroi_common.contracts import (
    Alert,
    Camera,
    CameraRule,
    CameraSource,
    LegalBasis,
    TrackedObject,
    Tracks,
    Zone,
)
from beffroi_rules.engine import advance
from beffroi_rules.fitting import plan_of
from beffroi_rules.registry import Registry, load
from beffroi_rules.state import CameraState, Watch

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
SIZE = 0.2
"""Height of everybody, in picture heights."""
PERIOD_S = 0.2

Foot = tuple[float, float]
"""Where somebody stands, normalised."""


REGISTRY = load()


def camera(
    *, days: float = 1, enabled: bool = True, bases: bool = True, more: tuple[CameraRule, ...] = (), **parameters: Any
) -> Camera:
    """A camera with one zone, 10 s within a tenth of the picture's height, and a legal basis for `days`."""
    values = {"threshold_s": 10.0, "radius_height": 0.1} | parameters
    basis = LegalBasis(
        analytic="loitering",
        purpose="essai",
        reference="arrêté 1",
        starts_at=START - timedelta(days=1),
        ends_at=START + timedelta(days=days),
    )
    rule = CameraRule(id="loitering", rule="loitering", parameters=values, geometry={"zone": "z"})
    return Camera(
        id="cam",
        name="cam",
        commune="Lille",
        slot=0,
        enabled=enabled,
        source=CameraSource(url="pattern:320x320@5"),
        zones=(Zone(id="z", name="z", kind="sensitive", shape="polygon", points=SQUARE),),
        rules=(rule, *more),
        legal_bases=(basis,) if bases else (),
    )


def tracks(at_s: float, people: Mapping[str, Foot], *, epoch: int = 1, label: str = "person") -> Tracks:
    """One square picture."""
    return Tracks(
        camera="cam",
        epoch=epoch,
        sequence=round((at_s + 100) / PERIOD_S),
        capture_time=START + timedelta(seconds=at_s),
        width=320,
        height=320,
        objects=tuple(
            TrackedObject(track=name, label=label, box=(x - 0.03, max(0.0, y - SIZE), x + 0.03, y), confidence=0.9)
            for name, (x, y) in people.items()
        ),
    )


def times(from_s: float, to_s: float) -> list[float]:
    """Five pictures a second, `to_s` not included."""
    return [round(from_s + PERIOD_S * step, 3) for step in range(round((to_s - from_s) / PERIOD_S))]


def run(
    messages: Iterable[Tracks],
    at: Camera | None = None,
    state: CameraState | None = None,
    registry: Registry = REGISTRY,
) -> tuple[CameraState | None, list[Alert]]:
    """Count all messages, the state written and read again between any two."""
    said: list[Alert] = []
    plan = plan_of(at, registry)
    for message in messages:
        state, alerts = advance(state, message, plan)
        state = CameraState.model_validate_json(written(state))
        said.extend(alerts)
    return state, said


def written(state: CameraState | Watch | None) -> str:
    """A state, or part of one, as the detector keeps it."""
    return "" if state is None else state.model_dump_json(exclude_defaults=True)


def since(at: datetime) -> float:
    """Seconds since the first picture."""
    return (at - START).total_seconds()
