"""One event, one alert: opened once, updated while it lasts, closed when it ends."""

from __future__ import annotations

import hashlib
from typing import Any

from beffroi_common.contracts import Alert, AlertState, Box, CloseReason
from beffroi_rules.primitives.times import from_us, seconds, to_us

from .scene import Scene

UPDATE_INTERVAL_S = 5.0
"""An open alert is said again so often while it lasts: often enough to see it live, seldom enough to read it."""
FIRST_PICTURE_S = 1.0
"""Who stands within so long of the first picture stood there before it; trackers need two pictures to be sure."""


def opened(scene: Scene[Any], subject: str, track: str, box: Box, onset_us: int) -> Alert:
    """A new alert.

    Args:
        scene: the picture on which it opens.
        subject: own identity of what it is about, e.g. `Visit.id`; with the onset it makes the alert's. A track is
            none: a lost one may come back while another one goes on with its visit.
        track: the first identity of what it is about.
        box: where that is now.
        onset_us: when the event began.
    """
    zone = scene.zones[scene.first_role].id
    identity = "\n".join((scene.camera, scene.rule_id, zone, subject, str(onset_us)))
    return Alert(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        camera=scene.camera,
        zone=zone,
        rule=scene.rule,
        rule_version=scene.version,
        parameters=scene.stamped,
        legal_basis=scene.basis.reference,
        state=AlertState.OPENED,
        onset=from_us(onset_us),
        onset_unknown=onset_us - scene.first_us <= seconds(FIRST_PICTURE_S),
        occurred_at=from_us(scene.now_us),
        track=track,
        box=box,
    )


def is_update_due(alert: Alert, now_us: int) -> bool:
    """Whether an open alert was last said long enough ago."""
    return now_us - to_us(alert.occurred_at) >= seconds(UPDATE_INTERVAL_S)


def updated(alert: Alert, box: Box, now_us: int) -> Alert:
    """The alert, which lasts."""
    return alert.model_copy(update={"state": AlertState.UPDATED, "occurred_at": from_us(now_us), "box": box})


def closed(alert: Alert, reason: CloseReason, now_us: int) -> Alert:
    """The alert, ended."""
    return alert.model_copy(
        update={"state": AlertState.CLOSED, "closed_reason": reason, "occurred_at": from_us(now_us)}
    )
