"""What the rules remember of one camera, as JSON for the keyed table. Times are microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from beffroi_common.contracts import Alert, Box

from .geometry import Place

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Anchor(_State):
    """A place where the person once stood: the stay is counted from `at_us` as long as they keep near it."""

    at_us: int
    place: Place
    away_since_us: int | None = None
    away_us: int = 0
    """Absences so far: they do not end the stay, and do not count either."""


class Visit(_State):
    """One person in one zone, across short gaps and changes of identity."""

    first_track: str
    track: str
    box: Box
    place: Place
    """Foot point when last seen."""
    size: float
    """Height of the box in picture heights when last seen."""
    seen_us: int
    entered_us: int
    """First picture inside the zone."""
    settled: bool = False
    """Inside for the stable time of entering."""
    outside_since_us: int | None = None
    anchors: tuple[Anchor, ...] = ()
    alert: Alert | None = None
    """The open alert, as last said."""


class Watch(_State):
    """One rule on one zone."""

    fingerprint: str
    """Of the zone and the rule as they were: another one starts the watch again."""
    visits: tuple[Visit, ...] = ()


class CameraState(_State):
    """Everything the rules remember of one camera."""

    first_us: int
    """First picture since the camera was last without pictures."""
    last_us: int
    epochs: tuple[int, ...]
    """Connections heard lately, the present one last."""
    sequence: int
    """Of the message counted last."""
    seen_us: dict[str, int] = {}
    """Identities seen lately, each with when: whoever is among them is not new."""
    watches: dict[str, Watch] = {}

    @property
    def epoch(self) -> int:
        """Of the message counted last."""
        return self.epochs[-1]


def to_us(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


def from_us(time_us: int) -> datetime:
    """The instant, in UTC."""
    return EPOCH + time_us * MICROSECOND


def seconds(value_s: float) -> int:
    """Seconds as microseconds."""
    return round(value_s * 1_000_000)
