"""Instants as people ask for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from beffroi_common.contracts.base import to_utc

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=LATEST), AfterValidator(to_utc)]
"""An instant with its zone, kept in UTC: no recording lies beyond these bounds, and close to the ends of the calendar
neither another zone nor the day before exists."""
