"""Which rules there are, and whether those of a camera can run. Only the registry knows one by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

from beffroi_api.errors import Invalid
from beffroi_api.remembered import Remembered
from beffroi_api.said import Said
from beffroi_common.contracts import Camera, CameraRule, Zone
from beffroi_rules.fitting import Fault, RestReason, UnfitError, fit, plan_of
from beffroi_rules.registry import Registry
from beffroi_rules.rule import AnyRule, ZoneKind
from beffroi_rules.shapes import fault_of

from .schemas import (
    CameraRuleView,
    FieldWordsView,
    RestView,
    RoleView,
    RuleInput,
    RuleView,
    RuleWordsView,
    ZoneKindView,
    ZonesInput,
)

REMEMBERED = 2048
"""Cameras whose rules need not be looked at again: those of a large installation, each in every list of cameras."""


class Rules:
    """The rules of this release."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._resting = Remembered[Camera, Mapping[str, RestView]](REMEMBERED)

    def catalogue(self) -> list[RuleView]:
        """All rules by name."""
        return [_view(rule) for rule in self.registry.rules.values()]

    def on(self, camera: Camera, said: Iterable[Said]) -> list[CameraRuleView]:
        """A camera's rules, each with why it rests if it does: as seen here, or else by the services that run it."""
        resting = _said_to_rest(said) | dict(self._resting.of(camera.id, camera, self._find_resting))
        return [CameraRuleView(**rule.model_dump(), rests=resting.get(rule.id)) for rule in camera.rules]

    def settled(self, before: Camera, wanted: ZonesInput) -> tuple[CameraRule, ...]:
        """The rules as they are to be kept, each with its version: the same for the same content, else the next one.

        What is left as it was is kept even if this release cannot run it, or does not know it: whoever changes one
        thing on a camera must not lose another.

        Raises:
            Invalid: a zone or a rule is new or changed, and does not fit; says each field.
        """
        faults = [
            f"zones.{index}.{fault}" for index, zone in enumerate(wanted.zones) for fault in self._wrong(zone, before)
        ]
        kept: list[CameraRule] = []
        for index, rule in enumerate(wanted.rules):
            try:
                kept.append(self._settled(rule, wanted.zones, before))
            except UnfitError as error:
                faults.extend(f"rules.{index}.{fault.field}: {fault.message}" for fault in error.faults)
        if faults:
            raise _invalid(faults)
        return tuple(kept)

    def _find_resting(self, camera: Camera) -> Mapping[str, RestView]:
        """By the rule's id."""
        return {
            each.id: RestView(code=each.reason.value, message=each.message, fields=list(each.fields))
            for each in plan_of(camera, self.registry).resting
        }

    def _wrong(self, zone: Zone, before: Camera) -> Iterator[str]:
        if any(old.model_copy(update={"name": zone.name}) == zone for old in before.zones):
            return
        kinds = {role.kind.name: role.kind for rule in self.registry.rules.values() for role in rule.roles}
        kind = kinds.get(zone.kind)
        if kind is None:
            yield f"kind: there is no kind of zone {zone.kind}: choose one of {', '.join(sorted(kinds))}"
        elif kind.shape != zone.shape:
            yield f"shape: a zone of kind {zone.kind} is a {kind.shape}"
        elif (message := fault_of(zone)) is not None:
            yield f"points: {message}"

    def _settled(self, wanted: RuleInput, zones: tuple[Zone, ...], before: Camera) -> CameraRule:
        old = next((rule for rule in before.rules if rule.id == wanted.id), None)
        version = 1 if old is None else old.version + 1
        rule = CameraRule(**wanted.model_dump(), version=version)
        if old is not None and _content(rule, zones) == _content(old, before.zones):
            return _with_its_zones(old, zones)
        fitted = fit(rule, zones, self.registry)
        complete = rule.model_copy(update={"parameters": fitted.stamped})
        if old is not None and _content(complete, zones) == _content(self._in_full(old, before.zones), before.zones):
            return old
        return complete

    def _in_full(self, rule: CameraRule, zones: tuple[Zone, ...]) -> CameraRule:
        """With a default for each parameter that this release added since the rule was saved."""
        try:
            return rule.model_copy(update={"parameters": fit(rule, zones, self.registry).stamped})
        except UnfitError:
            return rule


def _said_to_rest(said: Iterable[Said]) -> dict[str, RestView]:
    """What is only known where rules run: the classes of the detection model, and the rules of that release."""
    return {
        rule: RestView(code=code, message=each.message, fields=[])
        for each in said
        for rule, code in each.resting_rules.items()
    }


def _content(rule: CameraRule, zones: Iterable[Zone]) -> tuple[object, ...]:
    """What a rule does: its parameters, and where. What its zones are called is no part of it."""
    places = {zone.id: (zone.kind, zone.shape, zone.points) for zone in zones}
    return rule.rule, rule.parameters, {role: (zone, places.get(zone)) for role, zone in rule.geometry.items()}


def _with_its_zones(rule: CameraRule, zones: Iterable[Zone]) -> CameraRule:
    missing = sorted(set(rule.geometry.values()) - {zone.id for zone in zones})
    if missing:
        raise UnfitError((Fault(RestReason.GEOMETRY, "geometry", f"rule {rule.id} needs zone {', '.join(missing)}"),))
    return rule


def _invalid(faults: list[str]) -> Invalid:
    parts = (fault.partition(": ") for fault in faults)
    fields = [{"field": f"body.{field}", "message": message} for field, _, message in parts]
    return Invalid("; ".join(faults), fields=fields)


def _view(rule: AnyRule) -> RuleView:
    return RuleView(
        name=rule.name,
        analytic=rule.analytic,
        classes=sorted(rule.classes),
        roles=[RoleView(name=role.name, kind=_kind(role.kind), words=dict(role.words)) for role in rule.roles],
        parameters=rule.parameters.model_json_schema(),
        words={
            language: RuleWordsView(
                name=words.name,
                parameters={path: FieldWordsView(**asdict(each)) for path, each in words.parameters.items()},
            )
            for language, words in rule.words.items()
        },
    )


def _kind(kind: ZoneKind) -> ZoneKindView:
    return ZoneKindView(name=kind.name, shape=kind.shape, words=dict(kind.words))
