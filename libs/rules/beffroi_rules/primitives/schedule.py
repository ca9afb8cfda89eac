"""The hours in which a rule looks, in the commune's local time."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from beffroi_common.contracts import CloseReason
from beffroi_rules.words import FieldWords


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        raise ValueError("the time zone is not known: name one as Europe/Paris is named") from None
    return name


def _time_of_day(example: str) -> object:
    return Field(examples=[example], json_schema_extra={"format": "time"})


TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Hours(BaseModel):
    """Local hours of the commune in which a rule looks, e.g. 22:00–06:00. Over midnight when `end` < `start`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Annotated[TimeOfDay, _time_of_day("22:00")]
    end: Annotated[TimeOfDay, _time_of_day("06:00")]
    timezone: Annotated[
        str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True), AfterValidator(_known_timezone)
    ] = "Europe/Paris"


WORDS = {
    "fr": {
        "schedule": FieldWords("Seulement à certaines heures"),
        "schedule.start": FieldWords("De"),
        "schedule.end": FieldWords("À"),
        "schedule.timezone": FieldWords("Fuseau horaire"),
    },
    "en": {
        "schedule": FieldWords("Only at certain hours"),
        "schedule.start": FieldWords("From"),
        "schedule.end": FieldWords("To"),
        "schedule.timezone": FieldWords("Time zone"),
    },
}
"""For the words of a rule that has a parameter `schedule`."""


def within(hours: Hours | None, at: datetime) -> bool:
    """Whether the instant `at` falls within `hours` (end excluded). No hours, or an empty span, is all day."""
    if hours is None:
        return True
    local = at.astimezone(ZoneInfo(hours.timezone)).time()
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    if start == end:
        return True
    if start < end:
        return start <= local < end
    return local >= start or local < end


def outside(hours: Hours | None, at: datetime) -> CloseReason | None:
    """Why a rule with these hours does not look at the instant `at`; None: it looks."""
    return None if within(hours, at) else CloseReason.OUT_OF_HOURS
