"""All tables. A change here needs a migration (`migrations/versions`); a test compares the two."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from beffroi_api.db.types import TrailDetails, TrailTime, UtcDateTime

RowId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself only in an INTEGER key."""


class Base(DeclarativeBase):
    """Root of the tables; constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[float]: JSON, list[int]: JSON}  # noqa: RUF012


class InstallationRow(Base):
    """One row: this database's identity. Who shares it shares out what is read from the bus."""

    __tablename__ = "installation"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    database_id: Mapped[str] = mapped_column(String(32))


class PositionRow(Base):
    """How far the index was read from a partition of the bus; written with what was read. See `bus.positions`."""

    __tablename__ = "positions"
    topic: Mapped[str] = mapped_column(String(100), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    stamp_ms: Mapped[int] = mapped_column(BigInteger)
    """When the broker got the last record that was read; UTC, milliseconds since 1970."""


class LeaseRow(Base):
    """Work that one of several processes does, and until when it is this one's; see `db.leases`."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    term: Mapped[int] = mapped_column(Integer)
    """Counts the holders."""
    until_s: Mapped[float] = mapped_column(Double)
    """By the database's clock, seconds since 1970."""


class NewsRow(Base):
    """Something changed: every process on this database hears of it. The newest are kept."""

    __tablename__ = "news"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a number means one piece of news, also when none is left
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(63))
    """Id of the camera, the alert or the recording."""


class UserRow(Base):
    """A person. Never deleted: the audit trail names them."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    username: Mapped[str] = mapped_column(String(63), unique=True)
    display_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(10))
    password_hash: Mapped[str] = mapped_column(String(255))
    password_given: Mapped[bool] = mapped_column(Boolean)
    """Somebody else chose the password: its owner chooses another before anything else."""
    second_factor: Mapped[str | None] = mapped_column(String(400))
    """The secret of its codes, encrypted; None: the password alone is asked for."""
    second_factor_step: Mapped[int | None] = mapped_column(BigInteger)
    """Half minutes since 1970, of the last code that was taken: neither it nor an earlier one is taken again."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SessionRow(Base):
    """A sign-in. Only a hash of its token is kept: who reads the database cannot use it.

    Its number means one session for ever: what was handed out in it is known by that, and outlives it.
    """

    __tablename__ = "sessions"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    address: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200))
    """What the browser says it is: a person knows their own machines by it."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class RecoveryCodeRow(Base):
    """A code that takes the place of a second factor once. Only a hash of it is kept."""

    __tablename__ = "recovery_codes"
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))


class SignInFailureRow(Base):
    """A wrong password, kept as long as it counts."""

    __tablename__ = "sign_in_failures"
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account: Mapped[str] = mapped_column(String(63), index=True)
    address: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime]


class CameraRow(Base):
    """A camera: the contract as JSON, and what is asked for by itself. Kept when removed: slot and versions go on."""

    __tablename__ = "cameras"
    id: Mapped[str] = mapped_column(String(63), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer)
    mask_version: Mapped[int] = mapped_column(Integer)
    """Highest version ever decided: a version never means two decisions."""
    published_version: Mapped[int] = mapped_column(Integer)
    removed_at: Mapped[datetime | None]
    commune: Mapped[str] = mapped_column(String(200), index=True)
    """Whose camera it is; the same as in `document`. What is in scope is asked of this column, also for the alerts and
    recordings of the camera."""
    document: Mapped[str] = mapped_column(Text)


class AlertRow(Base):
    """An alert as it stands after its latest message."""

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_newest", "opened_at", "id"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    camera: Mapped[str] = mapped_column(String(63), index=True)
    zone: Mapped[str] = mapped_column(String(63))
    rule: Mapped[str] = mapped_column(String(40))
    rule_version: Mapped[int] = mapped_column(Integer)
    parameters: Mapped[dict[str, Any]]
    legal_basis: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), index=True)
    onset: Mapped[datetime]
    onset_unknown: Mapped[bool]
    opened_at: Mapped[datetime]
    occurred_at: Mapped[datetime]
    closed_reason: Mapped[str | None] = mapped_column(String(40))
    track: Mapped[str] = mapped_column(String(63))
    box: Mapped[list[float]]
    """At `opened_at`."""
    received_at: Mapped[datetime]
    acknowledged_by: Mapped[str | None] = mapped_column(String(63))
    acknowledged_at: Mapped[datetime | None]


class RecordingRow(Base):
    """A segment in the object store, or one that was. `id` is derived from the store's name and the object's."""

    __tablename__ = "recordings"
    __table_args__ = (UniqueConstraint("store", "object_name"), Index("ix_recordings_timeline", "camera", "starts_at"))
    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    store: Mapped[str] = mapped_column(String(31))
    object_name: Mapped[str] = mapped_column(String(500))
    camera: Mapped[str] = mapped_column(String(63))
    state: Mapped[str] = mapped_column(String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    frames: Mapped[int] = mapped_column(Integer)
    missing_batches: Mapped[int] = mapped_column(Integer)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    codec: Mapped[str] = mapped_column(String(40))
    mask_versions: Mapped[list[int]]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime]


class PlaybackRow(Base):
    """A range of a segment that is being handed out: it becomes one row of the audit trail, and ends here.

    Requests that go on exactly where it ends are the same range. It outlives its session: what was seen was seen.
    """

    __tablename__ = "playbacks"
    __table_args__ = (Index("ix_playbacks_continued", "session_id", "recording_id"),)
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    session_id: Mapped[int] = mapped_column(BigInteger)
    recording_id: Mapped[str] = mapped_column(String(24))
    user: Mapped[str] = mapped_column(String(63))
    address: Mapped[str] = mapped_column(String(64))
    first_byte: Mapped[int] = mapped_column(BigInteger)
    last_byte: Mapped[int] = mapped_column(BigInteger)
    requests: Mapped[int] = mapped_column(Integer)
    began_at: Mapped[datetime] = mapped_column(index=True)
    last_at: Mapped[datetime] = mapped_column(index=True)


class OpenViewRow(Base):
    """A live view that is open, or whose process is gone: see `live.looks`. Its number means one view for ever."""

    __tablename__ = "open_views"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    user: Mapped[str] = mapped_column(String(63))
    address: Mapped[str] = mapped_column(String(64))
    camera: Mapped[str] = mapped_column(String(63))
    view: Mapped[str] = mapped_column(String(20))
    began_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class AuditTableRow(Base):
    """A row of the trail; `hash` covers all of it and the hash of the row before, `seal` is the key's."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(TrailTime)
    user: Mapped[str] = mapped_column(String(63), index=True)
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(40))
    camera: Mapped[str | None] = mapped_column(String(63), index=True)
    subject: Mapped[str | None] = mapped_column(String(500))
    details: Mapped[dict[str, Any]] = mapped_column(TrailDetails)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    seal: Mapped[str | None] = mapped_column(String(64))
    """None: written by a release before the key, and not sealed yet (`commands.audit seal`): then it is not trusted."""
