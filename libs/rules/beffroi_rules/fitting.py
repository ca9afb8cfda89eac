"""A camera's rules on their geometry: which can run as they are configured, and which rest, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from beffroi_common.contracts import Camera, CameraRule, JsonObject, LegalBasis, Zone
from beffroi_common.contracts.base import explain

from .registry import Registry
from .rule import AnyRule, Parameters
from .shapes import fault_of

_json_object: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)


class RestReason(StrEnum):
    """Why a rule rests; each is a code with words in the console."""

    UNKNOWN = "rule_unknown"
    """This release does not know it."""
    PARAMETERS = "rule_parameters_unfit"
    """This release does not take what is set."""
    GEOMETRY = "rule_geometry_unfit"
    """A role is not played, or by a zone of another kind or shape."""
    CLASSES = "rule_class_missing"
    """The detection model does not know what the rule looks for."""


@dataclass(frozen=True)
class Fault:
    """One thing that does not fit: `field` is its path within the rule, e.g. `parameters.threshold_s`."""

    reason: RestReason
    field: str
    message: str


class UnfitError(Exception):
    """A rule cannot run as it is configured. All that is wrong with it is in `faults`."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


@dataclass(frozen=True)
class FittedRule:
    """A rule that can run.

    Attributes:
        id: of the rule on its camera.
        version: of parameters and geometry.
        rule: what it does.
        parameters: validated, with all defaults.
        stamped: the same as JSON.
        zones: the zone that plays each role.
        fingerprint: of all of it; another one starts over.
    """

    id: str
    version: int
    rule: AnyRule
    parameters: Parameters
    stamped: JsonObject
    zones: Mapping[str, Zone]
    fingerprint: str


@dataclass(frozen=True)
class RestingRule:
    """A rule that cannot run: which, why, and the paths within it of all that does not fit."""

    id: str
    reason: RestReason
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is to be done for one camera.

    Attributes:
        camera: its configuration; None: it was removed.
        running: rules that can run.
        resting: rules that cannot.
        registry: the rules that this release knows.
    """

    camera: Camera | None
    running: tuple[FittedRule, ...]
    resting: tuple[RestingRule, ...]
    registry: Registry

    @property
    def reasons(self) -> dict[str, str]:
        """Why each rule that rests does, by its id: what is said of it on `status.v1`."""
        return {each.id: each.reason.value for each in self.resting}

    def basis(self, rule: AnyRule, at: datetime) -> LegalBasis | None:
        """The act that allows a rule at the capture time `at`, or None."""
        if self.camera is None or not self.camera.enabled:
            return None
        return self.camera.basis_in_force(rule.analytic, at)

    def classes(self, at: datetime) -> frozenset[str]:
        """Classes of objects that rules look for and a legal basis allows at the capture time `at`."""
        allowed = (each.rule.classes for each in self.running if self.basis(each.rule, at) is not None)
        return frozenset[str]().union(*allowed)

    def with_classes(self, known: Collection[str]) -> Plan:
        """The plan where a model knows only these classes: rules that need another one rest."""
        missing = {each.id: sorted(each.rule.classes - set(known)) for each in self.running}
        resting = tuple(
            RestingRule(each.id, RestReason.CLASSES, f"the detection model knows no {', '.join(missing[each.id])}")
            for each in self.running
            if missing[each.id]
        )
        running = tuple(each for each in self.running if not missing[each.id])
        return replace(self, running=running, resting=self.resting + resting)


def plan_of(camera: Camera | None, registry: Registry) -> Plan:
    """See which of a camera's rules can run. One that cannot concerns no other."""
    running: list[FittedRule] = []
    resting: list[RestingRule] = []
    for configured in () if camera is None else camera.rules:
        try:
            running.append(fit(configured, () if camera is None else camera.zones, registry))
        except UnfitError as error:
            fields = tuple(fault.field for fault in error.faults)
            resting.append(RestingRule(configured.id, error.faults[0].reason, str(error), fields))
    return Plan(camera, tuple(running), tuple(resting), registry)


class Plans:
    """Plans by camera, each made once for each configuration that is read.

    Args:
        registry: the rules that there are.
        classes: those that a model knows; None: nobody here runs a model.
    """

    def __init__(self, registry: Registry, classes: Collection[str] | None = None) -> None:
        self._registry = registry
        self._classes = classes
        self._made: dict[str, Plan] = {}

    def of(self, name: str, camera: Camera | None) -> Plan:
        """The plan of a camera as it is configured; None: it is not, or was removed, and nothing is kept of it."""
        if camera is None:
            self.forget(name)
            return plan_of(None, self._registry)
        plan = self._made.get(name)
        if plan is None or plan.camera is not camera:
            plan = plan_of(camera, self._registry)
            self._made[name] = plan = plan if self._classes is None else plan.with_classes(self._classes)
        return plan

    def forget(self, name: str) -> None:
        """The configuration of a camera was changed or removed."""
        self._made.pop(name, None)


def fit(configured: CameraRule, zones: tuple[Zone, ...], registry: Registry) -> FittedRule:
    """Put a rule on its geometry.

    Raises:
        UnfitError: with everything that does not fit.
    """
    rule = registry.find(configured.rule)
    if rule is None:
        raise UnfitError((Fault(RestReason.UNKNOWN, "rule", f"this release does not know a rule {configured.rule}"),))
    parameters, faults = _parameters(rule, configured.parameters)
    by_id = {zone.id: zone for zone in zones}
    faults += tuple(_geometry_faults(rule, configured.geometry, by_id))
    if parameters is None or faults:
        raise UnfitError(faults)
    played = {role.name: by_id[configured.geometry[role.name]] for role in rule.roles}
    stamped = _stamped(parameters)
    return FittedRule(
        id=configured.id,
        version=configured.version,
        rule=rule,
        parameters=parameters,
        stamped=stamped,
        zones=played,
        fingerprint=_fingerprint(configured, parameters, played),
    )


def _parameters(rule: AnyRule, given: JsonObject) -> tuple[Parameters | None, tuple[Fault, ...]]:
    try:
        parameters: Parameters = rule.parameters.model_validate(given)
    except ValidationError as error:
        return None, tuple(
            Fault(RestReason.PARAMETERS, ".".join(("parameters", *map(str, item["loc"]))), item["msg"])
            for item in error.errors(include_url=False, include_input=False)
        )
    return parameters, ()


def _stamped(parameters: Parameters) -> JsonObject:
    """The parameters as each alert carries them: defaults may make them longer than what was set."""
    try:
        stamped: JsonObject = _json_object.validate_python(parameters.model_dump(mode="json"))
    except ValidationError as error:
        raise UnfitError((Fault(RestReason.PARAMETERS, "parameters", explain(error)),)) from None
    return stamped


def _geometry_faults(rule: AnyRule, geometry: Mapping[str, str], zones: Mapping[str, Zone]) -> Iterator[Fault]:
    for stranger in sorted(geometry.keys() - {role.name for role in rule.roles}):
        yield Fault(RestReason.GEOMETRY, f"geometry.{stranger}", "the rule has no such role")
    for role in rule.roles:
        zone = zones.get(geometry.get(role.name, ""))
        if (message := _misfit(zone, role.kind.name, role.kind.shape)) is not None:
            yield Fault(RestReason.GEOMETRY, f"geometry.{role.name}", message)


def _misfit(zone: Zone | None, kind: str, shape: str) -> str | None:
    if zone is None:
        return f"choose a zone of kind {kind}: there is none here"
    if zone.kind != kind:
        return f"zone {zone.id} is of kind {zone.kind}, not {kind}"
    if zone.shape != shape:
        return f"zone {zone.id} is a {zone.shape}, not a {shape}"
    return fault_of(zone)


def _fingerprint(configured: CameraRule, parameters: Parameters, zones: Mapping[str, Zone]) -> str:
    places: list[Any] = [(role, zone.id, zone.points) for role, zone in sorted(zones.items())]
    text = f"{configured.rule}\n{configured.version}\n{places}\n{parameters.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
