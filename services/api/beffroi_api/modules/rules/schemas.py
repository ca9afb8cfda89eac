"""What travels for rules."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from beffroi_common.contracts import JsonObject, Slug, Term, Zone
from beffroi_common.contracts.camera import MAX_RULES, MAX_ZONES, Geometry


class RuleInput(BaseModel):
    """A rule as an administrator wants it on a camera. Its version is given by the api."""

    model_config = ConfigDict(extra="forbid")

    id: Slug
    rule: Term
    parameters: JsonObject = Field(default_factory=dict)
    """As the rule's own schema says; what is left out takes its default."""
    geometry: Geometry = Field(default_factory=dict)
    """Id of the zone that plays each role."""


class ZonesInput(BaseModel):
    """The zones of a camera and the rules that look at them: saved together, since each needs the other."""

    model_config = ConfigDict(extra="forbid")

    zones: Annotated[tuple[Zone, ...], Field(max_length=MAX_ZONES)] = ()
    rules: Annotated[tuple[RuleInput, ...], Field(max_length=MAX_RULES)] = ()


class RestView(BaseModel):
    """Why a rule does not run as it is configured."""

    code: str
    """One of this release's reasons, or of another release whose detector looks at the camera."""
    message: str
    fields: list[str]
    """Paths within the rule of what does not fit, e.g. `parameters.threshold_s`."""


class CameraRuleView(BaseModel):
    """A rule on a camera."""

    id: str
    rule: str
    version: int
    """Grows with each change of what the rule does."""
    parameters: dict[str, Any]
    geometry: dict[str, str]
    rests: RestView | None
    """None: it can run."""


class ZoneKindView(BaseModel):
    """What a zone can mean, and the shape it must have."""

    name: str
    shape: str
    words: dict[str, str]
    """By language."""


class RoleView(BaseModel):
    """Part that a zone plays for a rule."""

    name: str
    kind: ZoneKindView
    words: dict[str, str]


class FieldWordsView(BaseModel):
    """What people read of one parameter; unit and help may be empty. `options`: of a choice, by value."""

    label: str
    unit: str
    help: str
    options: dict[str, str]


class RuleWordsView(BaseModel):
    """What people read of a rule; parameters by their path, e.g. `schedule.start`."""

    name: str
    parameters: dict[str, FieldWordsView]


class RuleView(BaseModel):
    """A rule that this release knows."""

    name: str
    analytic: str
    """What a legal basis must name."""
    classes: list[str]
    """Objects that are looked for on its behalf."""
    roles: list[RoleView]
    parameters: dict[str, Any]
    """JSON Schema, with defaults and bounds; `x-step` is the step of a number."""
    words: dict[str, RuleWordsView]
