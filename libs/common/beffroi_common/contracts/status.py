"""`status.v1`: how cameras and services are, the latest word of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from .base import CameraId, Contract, InvalidMessageError, Measure, Said, ShortText, Slug, Term, UtcTime, explain
from .camera import MAX_RULES
from .texts import MAX_PROSE

MAX_MESSAGE = MAX_PROSE

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,62}$")]
"""What is the matter, for programs and translations, e.g. `connected`, `no_mask_decision`."""


class Level(StrEnum):
    """How much a person has to care."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class CameraStatus(Contract):
    """What one service says of one camera. Key on the bus: `camera/<camera>/<service>`."""

    kind: Literal["camera"] = "camera"
    camera: CameraId
    service: ShortText
    level: Level
    code: Code
    message: Said
    """The same for a person, with what to do. No secret, no address with a password."""
    at: UtcTime
    counters: dict[Term, Measure] = Field(default_factory=dict, max_length=40)
    """e.g. `frames_in`, `frames_out`, `dropped`, `fps`, `bitrate_bps`."""
    resting_rules: dict[Slug, Code] = Field(default_factory=dict, max_length=MAX_RULES)
    """Rules of the camera that the service cannot run as they are configured: why, by their id."""

    @property
    def key(self) -> str:
        """Key on the bus."""
        return f"camera/{self.camera}/{self.service}"


class ServiceStatus(Contract):
    """What one instance of a service says of itself. Key on the bus: `service/<service>/<instance>`."""

    kind: Literal["service"] = "service"
    service: ShortText
    instance: ShortText
    level: Level
    code: Code
    message: Said
    at: UtcTime
    started_at: UtcTime
    counters: dict[Term, Measure] = Field(default_factory=dict, max_length=40)

    @property
    def key(self) -> str:
        """Key on the bus."""
        return f"service/{self.service}/{self.instance}"


Status = Annotated[CameraStatus | ServiceStatus, Field(discriminator="kind")]

_adapter: TypeAdapter[CameraStatus | ServiceStatus] = TypeAdapter(Status)


def decode_status(payload: bytes) -> CameraStatus | ServiceStatus:
    """Read a status message.

    Raises:
        InvalidMessageError: with the fields that are wrong.
    """
    try:
        return _adapter.validate_json(payload)
    except ValidationError as error:
        raise InvalidMessageError(f"Status: {explain(error)}") from None
    except Exception as error:  # see `Contract.decode`
        raise InvalidMessageError(f"Status: it cannot be read ({type(error).__name__})") from error
