"""`alerts.v1`: something an operator should look at now."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from .base import Box, CameraId, Contract, JsonObject, ShortText, Slug, Term, UtcTime, Version
from .tracks import TrackId


class AlertState(StrEnum):
    """Where an event is in its life. One event, one alert: opened once, updated while it lasts, closed."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why an event ended."""

    LEFT = "left"
    """Who was there went away."""
    NO_PICTURE = "no_picture"
    """The camera was cut, moved or covered, or gave nothing for long: the event ended with the last picture. Should
    pictures only have been late, a message about a later one takes the alert up again."""
    NO_LEGAL_BASIS = "no_legal_basis"
    """The legal basis ended or was withdrawn."""
    RULE_CHANGED = "rule_changed"
    """The zone or its rule was changed or removed."""
    OUT_OF_HOURS = "out_of_hours"
    """The rule's schedule ended."""
    NO_NEWS = "no_news"
    """Nothing was said of it for long, whatever the reason: the api ends it until a later message takes it up."""


class Alert(Contract):
    """An alert as it stands after its latest message."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    """Hash of camera, the rule's id there, zone, what it is about and onset: the same pictures give the same alert."""
    camera: CameraId
    zone: Slug
    """The zone that plays the rule's first role."""
    rule: Term
    rule_version: Version
    parameters: JsonObject
    """The rule's parameters in force, as they were."""
    legal_basis: ShortText
    """Reference of the act that allowed this analysis."""
    state: AlertState
    onset: UtcTime
    onset_unknown: bool = False
    """The object was there on the first picture: `onset` is that of the first picture."""
    occurred_at: UtcTime
    """Capture time of the picture this message is about."""
    closed_reason: CloseReason | None = None
    track: TrackId
    box: Box
    """Where the object is at `occurred_at`."""
