"""`<topic>.dlq`: what could not be read, with the reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from .base import Contract, ShortText, UtcTime

MAX_PAYLOAD_BYTES = 64 * 1024
"""A small message is kept whole, a larger one by its digest: people read these."""


class DeadLetter(Contract):
    """A message that can never be read. Of frames it carries metadata, size, digest and reason, never pixels."""

    topic: ShortText
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    key: Annotated[str, StringConstraints(max_length=200)]
    service: ShortText
    reason: Annotated[str, StringConstraints(max_length=2000)]
    size_bytes: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    payload: bytes | None = None
    """None for frames and for what is too large."""
    at: UtcTime
