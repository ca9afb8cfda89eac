"""What the rules remember of one camera, as JSON for the keyed table. Times are microseconds since 1970 UTC."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializeAsAny

from beffroi_common.contracts import Alert

from .rule import State


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Watch(_State):
    """One rule on one camera."""

    rule: str
    """Its name, under which what is open is closed when the rule is taken off the camera."""
    fingerprint: str
    """Of the rule as it was configured: another one starts the watch again."""
    open: tuple[Alert, ...] = ()
    """Alerts whose event goes on, as last said. What interrupts the rule closes them, be `state` readable or not."""
    state: SerializeAsAny[State] | dict[str, JsonValue] = {}
    """What the rule remembers; as read from JSON until the rule itself looks at it, since only it knows its fields."""


class Place(BaseModel):
    """How far a camera was counted: of a state that is read, what every release understands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    epochs: tuple[int, ...] = Field(min_length=1)
    """Connections that messages came from lately, the present one last."""
    sequence: int
    """Of the message counted last."""
    idle: bool = False
    """No picture came for long, and it was said that what is open has ended with the last one."""

    @property
    def epoch(self) -> int:
        """Of the message counted last."""
        return self.epochs[-1]

    def is_before(self, other: Place) -> bool:
        """Whether `other` has passed here: there the connection is over, or further on."""
        if self.epoch != other.epoch:
            return self.epoch in other.epochs
        return (self.sequence, self.idle) < (other.sequence, other.idle)


class CameraState(Place):
    """Everything the rules remember of one camera."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_us: int
    """First picture since the camera was last without pictures."""
    last_us: int
    seen_us: dict[str, int] = {}
    """Identities seen lately, each with when: whoever is among them is not new."""
    watches: dict[str, Watch] = {}
    """By the rule's id."""
