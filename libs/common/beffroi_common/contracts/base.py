"""What every contract shares: strictness, and named types that say how large each value may be.

A value that one reader cannot hold must not be sent: whole numbers fit PostgreSQL's INTEGER or BIGINT, Protobuf's
signed fields and a browser's numbers; times fit the reference time of an MP4; texts fit a database and can be seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from beffroi_common.errors import InvalidRecord

from .texts import MAX_NAME, MAX_PROSE, cleaned, is_prose, prose, visible


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


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Between them lie the instants that every reader holds, also after adding a retention: databases, Python, and the
reference time of an MP4, whose 32 bits of seconds begin again in 2036 and are read as those of this century."""


def _within_range(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"it must lie between the years {EARLIEST.year} and {LATEST.year}")
    return value


UtcTime = Annotated[AwareDatetime, AfterValidator(to_utc), AfterValidator(_within_range)]
"""An instant with its zone, kept in UTC. A time without a zone is refused."""

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1

MAX_EXACT_INTEGER = 2**53 - 1
"""Larger ones are rounded by readers that count in floating point, as browsers do (RFC 7493): who shows such a number
and sends it back would change it unseen."""

Version = Annotated[int, Field(ge=1, le=MAX_INT32)]
"""Counts changes."""

Count = Annotated[int, Field(ge=0, le=MAX_INT32)]

Sequence = Annotated[int, Field(ge=0, le=MAX_INT32)]
"""Of a batch in its epoch: at ten a second a connection would have to hold for six years."""

Epoch = Annotated[int, Field(ge=0, le=MAX_INT64)]
"""UTC nanoseconds."""

Offset = Annotated[int, Field(ge=0, le=MAX_INT64)]
"""Of a record in its partition."""

SizeBytes = Annotated[int, Field(ge=0, le=MAX_EXACT_INTEGER)]

MAX_SIDE = 8192
"""Of a picture, in pixels. Sources, decoders, contracts and drawings agree on it: what is wider or higher is refused
before a decoder takes memory for it."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
"""Width or height of a picture in pixels."""

Offcut = Annotated[int, Field(ge=0, le=MAX_SIDE)]
"""Columns or rows that were encoded beside a picture and are not shown."""

Score = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

Measure = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
"""A counter or a rate."""

CameraId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens: it is a Kafka key, part of an object name and of a web address."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""The id that a person or the console gave to something of a camera."""

Term = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A name from the vocabulary of the rules, e.g. of a rule, an analytic or a kind of zone. The bus has no list of them:
who does not know a term lets it pass."""

MAX_OBJECT_BYTES = 4096
"""Of a JSON object as text: some hundred parameters."""
MAX_OBJECT_DEPTH = 4
"""Objects and lists within each other: a schedule by day of the week is 3."""


def _bounded(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if _depth(value) > MAX_OBJECT_DEPTH:
        raise ValueError(f"objects and lists may lie at most {MAX_OBJECT_DEPTH} deep in each other")
    try:
        size_bytes = len(json.dumps(value, allow_nan=False).encode())
    except ValueError:
        raise ValueError("numbers must be finite") from None
    if not _is_exact(value):
        raise ValueError(f"whole numbers may be at most {MAX_EXACT_INTEGER}: larger ones are not exact everywhere")
    if size_bytes > MAX_OBJECT_BYTES:
        raise ValueError(f"the object is longer than {MAX_OBJECT_BYTES} bytes of JSON")
    if not all(map(is_prose, _texts(value))):
        raise ValueError("texts must not hold control characters or marks that cannot be seen")
    return value


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_texts, value))


def _depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(each) for each in value.values()), default=0)
    return 1 + max((_depth(each) for each in value), default=0) if isinstance(value, list) else 0


def _is_exact(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return all(map(_is_exact, value.values()))
    if isinstance(value, list):
        return all(map(_is_exact, value))
    return not isinstance(value, int) or abs(value) <= MAX_EXACT_INTEGER


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
"""A JSON object that whoever passes it on does not read: bounded in size and depth, its numbers finite and exact in
every reader."""

ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME, strip_whitespace=True), AfterValidator(visible)
]
"""A name that people read: one line, in Unicode's composed form, of characters that can be seen."""

Prose = Annotated[str, StringConstraints(max_length=MAX_PROSE), AfterValidator(prose)]
"""What a person wrote: several lines, or nothing."""

Said = Annotated[str, BeforeValidator(cleaned), StringConstraints(max_length=MAX_PROSE)]
"""What a program says. What cannot be seen in it is replaced: a report that quotes is never refused for what it
quotes."""


def _is_object_name(name: str) -> str:
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError("an object's name has no empty part, and none that is . or ..")
    return name


ObjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9._/-]+$"),
    AfterValidator(_is_object_name),
]
"""Of an object in a store, as it stands in a web address without being escaped."""

Normalised = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]

Point = tuple[Normalised, Normalised]
"""(x, y) from the top left corner, as a fraction of the picture's width and height."""

Box = tuple[Normalised, Normalised, Normalised, Normalised]
"""(x1, y1, x2, y2), normalised as `Point`, top left and bottom right."""


class Contract(BaseModel):
    """A value that travels: immutable, and strict about its fields. How large it may be, its topic says."""

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
        except Exception as error:  # whatever it is, it came of these bytes, and comes of them again
            raise InvalidMessageError(f"{cls.__name__}: it cannot be read ({type(error).__name__})") from error


def explain(error: ValidationError) -> str:
    """Say which fields are wrong and why in one line, without the values."""
    return "; ".join(
        f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_url=False, include_input=False)
    )


def _place(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in loc) or "message"
