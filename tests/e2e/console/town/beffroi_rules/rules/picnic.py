"""`picnic`: at least so many persons at once on a lawn, for a while. A rule that a town adds, in one file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from beffroi_common.contracts import Alert, CloseReason
from beffroi_rules import events
from beffroi_rules.primitives.geometry import contains
from beffroi_rules.primitives.times import seconds
from beffroi_rules.rule import Parameters, Role, Rule, State, ZoneKind
from beffroi_rules.scene import Scene
from beffroi_rules.shapes import POLYGON
from beffroi_rules.words import FieldWords, RuleWords


class PicnicParameters(Parameters):
    """What can be set."""

    persons: int = Field(default=3, ge=2, le=50)
    threshold_s: float = Field(default=30.0, ge=1.0, le=600.0, json_schema_extra={"x-step": 1})
    blanket: bool = False
    season: Literal["summer", "winter"] = "summer"
    most: int | None = Field(default=None, ge=2, le=100)


class PicnicState(State):
    """Since when there are enough, and the open alert."""

    since_us: int | None = None
    alert: Alert | None = None


def step(state: PicnicState, scene: Scene[PicnicParameters]) -> tuple[PicnicState, tuple[Alert, ...]]:
    """Count who is on the lawn."""
    present = [each for each in scene.present.values() if contains(scene.zones["lawn"].points, each.foot)]
    if len(present) < scene.parameters.persons:
        ended = () if state.alert is None else (events.closed(state.alert, CloseReason.LEFT, scene.now_us),)
        return PicnicState(), ended
    since_us = scene.now_us if state.since_us is None else state.since_us
    if state.alert is not None or scene.now_us - since_us < seconds(scene.parameters.threshold_s):
        return state.model_copy(update={"since_us": since_us}), ()
    first = min(present, key=lambda each: each.track)
    alert = events.opened(scene, "everybody on the lawn", first.track, first.box, since_us)
    return PicnicState(since_us=since_us, alert=alert), (alert,)


LAWN = ZoneKind("lawn", POLYGON, {"fr": "Pelouse", "en": "Lawn"})

RULE = Rule(
    name="picnic",
    analytic="crowd",
    classes=frozenset({"person"}),
    roles=(Role("lawn", LAWN, {"fr": "Pelouse surveillée", "en": "Watched lawn"}),),
    parameters=PicnicParameters,
    state=PicnicState,
    step=step,
    words={
        "fr": RuleWords(
            "Pique-nique",
            {
                "persons": FieldWords("Convives", "personnes", "Autant de personnes à la fois."),
                "threshold_s": FieldWords("Durée du repas", "secondes"),
                "blanket": FieldWords("Avec nappe"),
                "season": FieldWords("Saison", options={"summer": "Été", "winter": "Hiver"}),
                "most": FieldWords("Au plus", "personnes"),
            },
        ),
        "en": RuleWords(
            "Picnic",
            {
                "persons": FieldWords("Guests", "persons", "So many persons at once."),
                "threshold_s": FieldWords("Length of the meal", "seconds"),
                "blanket": FieldWords("With a blanket"),
                "season": FieldWords("Season", options={"summer": "Summer", "winter": "Winter"}),
                "most": FieldWords("At most", "persons"),
            },
        ),
    },
)
