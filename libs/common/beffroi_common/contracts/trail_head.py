"""`trail.v1`: how far the audit trail reached, so that rows cut off its end are missed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import Contract, UtcTime

Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes in hexadecimal digits."""


class TrailHead(Contract):
    """The end of the audit trail at some moment.

    Attributes:
        database: identity of the database that holds the trail.
        rows: how many rows it had.
        hash: of the last of them, and through it of all.
        at: when the api looked.
        signature: made with the key of the trail, which neither the bus nor the database has.
    """

    database: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    rows: int = Field(ge=1, lt=10**15)
    hash: Hex32
    at: UtcTime
    signature: Hex32
