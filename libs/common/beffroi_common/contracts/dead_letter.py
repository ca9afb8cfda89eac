"""`<topic>.dlq`: what could not be read, with the reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from .base import Contract, Count, Offset, ShortText, SizeBytes, UtcTime
from .texts import cleaned

MAX_PAYLOAD_BYTES = 64 * 1024
"""A small message is kept whole, a larger one by its digest: people read these."""


class DeadLetter(Contract):
    """A message that can never be read. Of frames it carries metadata, size, digest and reason, never pixels."""

    topic: ShortText
    partition: Count
    offset: Offset
    key: Annotated[str, BeforeValidator(cleaned), StringConstraints(max_length=200)]
    service: ShortText
    reason: Annotated[str, BeforeValidator(cleaned), StringConstraints(max_length=2000)]
    size_bytes: SizeBytes
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    payload: Annotated[bytes, Field(max_length=MAX_PAYLOAD_BYTES)] | None = None
    """None for frames and for what is too large."""
    at: UtcTime
