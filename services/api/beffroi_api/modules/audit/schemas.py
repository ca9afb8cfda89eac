"""What travels for the audit trail."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from beffroi_common.contracts.base import UtcTime


class Action(StrEnum):
    """What was done. A closed list: reports are written against it."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    DENIED = "denied"
    LIVE_STARTED = "live_started"
    LIVE_ENDED = "live_ended"
    STILL_SEEN = "still_seen"
    ALERT_STILL_SEEN = "alert_still_seen"
    VIDEO_SEEN = "video_seen"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    CAMERA_SAVED = "camera_saved"
    CAMERA_REMOVED = "camera_removed"
    MASKING_DECIDED = "masking_decided"
    ZONES_SAVED = "zones_saved"
    LEGAL_BASES_SAVED = "legal_bases_saved"
    USER_ADDED = "user_added"
    USER_DISABLED = "user_disabled"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an action
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an action
    PASSWORD_WRONG = "password_wrong"  # noqa: S105 - the name of an action
    SESSIONS_ENDED = "sessions_ended"
    SECOND_FACTOR_SET = "second_factor_set"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTOR_ASKED = "second_factor_asked"
    SECOND_FACTOR_WRONG = "second_factor_wrong"
    AUDIT_READ = "audit_read"
    TRAIL_KEY_CHANGED = "trail_key_changed"


class AuditRow(BaseModel):
    """One row of the trail. `hash` covers the row and the hash of the one before."""

    id: int
    at: UtcTime
    user: str
    address: str
    action: Annotated[Action | str, Field(union_mode="left_to_right")]
    """A release later than this one may have written others."""
    camera: str | None
    subject: str | None
    details: dict[str, Any]
    hash: str


class AuditPage(BaseModel):
    """Newest first. `next` goes into `before` for the page after."""

    items: list[AuditRow]
    next: int | None
