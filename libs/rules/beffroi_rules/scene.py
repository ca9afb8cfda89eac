"""What one picture and one camera's configuration say to one rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from beffroi_common.contracts import JsonObject, LegalBasis, Zone
from beffroi_rules.primitives.sightings import Sighting

ParametersT_co = TypeVar("ParametersT_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True)
class Scene(Generic[ParametersT_co]):
    """One picture as one rule sees it.

    Attributes:
        camera: id of the camera.
        rule: name of the rule.
        rule_id: of the rule on this camera.
        version: of its parameters and geometry.
        parameters: validated.
        stamped: the same as JSON, for alerts.
        zones: the zone that plays each role.
        first_role: the role whose zone an alert names.
        basis: the act that allows the analytic now.
        now_us: capture time.
        first_us: of the first picture since the camera was last without pictures.
        aspect: width of the picture by its height.
        present: objects of the rule's classes by identity.
        known: identities seen before, each with when.
        most_visits: that the rule may remember.
    """

    camera: str
    rule: str
    rule_id: str
    version: int
    parameters: ParametersT_co
    stamped: JsonObject
    zones: Mapping[str, Zone]
    first_role: str
    basis: LegalBasis
    now_us: int
    first_us: int
    aspect: float
    present: Mapping[str, Sighting]
    known: Mapping[str, int]
    most_visits: int
