"""What every JSON contract shares: strictness, identifiers, times and normalised geometry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from beffroi_common.errors import InvalidRecord


class InvalidMessageError(InvalidRecord):
    """A message breaks its contract. Reading it again cannot help: it belongs in the dead letters."""


def to_utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: UTC has no such instant, at the very ends of the calendar.
    """
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such instant in UTC: it lies beyond the calendar's end") from None


UtcTime = Annotated[AwareDatetime, AfterValidator(to_utc)]
"""An instant with its zone, kept in UTC. A time without a zone is refused."""

CameraId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens: it is a Kafka key, part of an object name and of a web address."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Normalised = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

Point = tuple[Normalised, Normalised]
"""(x, y) from the top left corner, as a fraction of the picture's width and height."""

Box = tuple[Normalised, Normalised, Normalised, Normalised]
"""(x1, y1, x2, y2), normalised as `Point`, top left and bottom right."""


class Contract(BaseModel):
    """A value that travels: immutable, strict about its fields, at most `max_bytes` as JSON."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", allow_inf_nan=False
    )

    def encode(self) -> bytes:
        """Return the JSON bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read JSON bytes.

        Raises:
            InvalidMessageError: with every field that is wrong and why, and never a value (it could be a secret).
        """
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            raise InvalidMessageError(f"{cls.__name__}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """Say which fields are wrong and why in one line, without the values."""
    return "; ".join(
        f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_url=False, include_input=False)
    )


def _place(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in loc) or "message"
