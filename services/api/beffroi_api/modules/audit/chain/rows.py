"""The hash of a row: anybody who reads the trail can compute it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from beffroi_api.db.tables import AuditTableRow

FIRST = "0" * 64
"""What the first row carries for the one before."""


def digest(row: AuditTableRow) -> str:
    """SHA-256 over all of a row but its own hash and seal, in one spelling: sorted keys, UTC to the microsecond."""
    content = {
        "id": row.id,
        "at": _spelled(row.at),
        "user": row.user,
        "address": row.address,
        "action": row.action,
        "camera": row.camera,
        "subject": row.subject,
        "details": row.details,
        "previous": row.previous_hash,
    }
    # What no row of ours holds has a hash too: another one than the row's.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _spelled(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
