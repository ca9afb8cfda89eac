"""Cameras in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError
from sqlalchemy import select, update

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_api.remembered import Remembered
from beffroi_common.contracts import Camera, InvalidMessageError
from beffroi_common.contracts.texts import cleaned

log = structlog.get_logger(__name__)

NOWHERE = "rtsp://unreadable.invalid/"
"""Address of a camera whose own cannot be read any more (RFC 2606: nobody answers there)."""

REMEMBERED = 2048
"""Cameras whose documents need not be read again: those of a large installation, which every list looks at."""


class Stored(NamedTuple):
    """A row of a camera, to be read and not changed: a list of a thousand of them is made in a few milliseconds."""

    id: str
    slot: int
    version: int
    published_version: int
    document: str


def find(session: ScopedSession, camera: str, *, for_change: bool = False) -> CameraRow | None:
    """A camera, removed ones included. `for_change` keeps others from changing it until the transaction ends."""
    query = select(CameraRow).where(CameraRow.id == camera)
    return session.scalars(query.with_for_update() if for_change else query).first()


def present(session: ScopedSession) -> list[Stored]:
    """All cameras that are not removed, by id."""
    query = (
        select(CameraRow.id, CameraRow.slot, CameraRow.version, CameraRow.published_version, CameraRow.document)
        .where(CameraRow.removed_at.is_(None))
        .order_by(CameraRow.id)
    )
    return [Stored(*row) for row in session.execute(query)]


def names(session: ScopedSession) -> list[str]:
    """All cameras that are not removed, by id."""
    return list(session.scalars(select(CameraRow.id).where(CameraRow.removed_at.is_(None)).order_by(CameraRow.id)))


def every(session: ScopedSession) -> list[CameraRow]:
    """All cameras there ever were."""
    return list(session.scalars(select(CameraRow).order_by(CameraRow.id)))


def communes(session: ScopedSession) -> dict[str, str]:
    """Whose each camera is, removed ones included."""
    return {row.id: row.commune for row in session.execute(select(CameraRow.id, CameraRow.commune))}


def unpublished(session: ScopedSession) -> list[CameraRow]:
    """Cameras whose version the broker does not know yet."""
    query = select(CameraRow).where(CameraRow.published_version < CameraRow.version).order_by(CameraRow.id)
    return list(session.scalars(query))


def mark_published(session: ScopedSession, versions: Mapping[str, int]) -> None:
    """The broker has these versions."""
    for camera, version in versions.items():
        session.execute(
            update(CameraRow)
            .where(CameraRow.id == camera, CameraRow.published_version < version)
            .values(published_version=version)
        )


def write(row: CameraRow, camera: Camera) -> None:
    """Make a row say what `camera` says; its slot stays."""
    row.version = camera.version
    if camera.masking is not None:
        row.mask_version = camera.masking.version
    row.commune = camera.commune
    row.document = camera.model_dump_json()


def stored(row: CameraRow) -> Stored:
    """What a row says at present."""
    return Stored(row.id, row.slot, row.version, row.published_version, row.document)


def document(row: CameraRow | Stored) -> Camera:
    """The camera as the services see it; of one that a release with wider bounds wrote, what is readable of it."""
    try:
        return _read.of(row.id, row.document, _decoded)
    except InvalidMessageError as reason:
        return _readable_part(row.id, row.slot, row.version, row.document, str(reason))


_read = Remembered[str, Camera](REMEMBERED)
"""Nothing changes a camera once it is made, so that one is made of each document."""


def _decoded(document: str) -> Camera:
    return Camera.decode(document.encode())


@lru_cache
def _readable_part(camera: str, slot: int, version: int, document: str, reason: str) -> Camera:
    """One camera must not keep the others from being seen. Without its source it is off, without a decision masked."""
    log.error("a camera that cannot be read as it was saved: save it again", camera=camera, reason=reason)  # once
    written: dict[str, Any] = json.loads(document)
    kept = {"id": camera, "name": camera, "commune": camera, "slot": slot, "version": version}
    kept |= {"source": {"url": NOWHERE}, "enabled": False}
    for name in written.keys() & Camera.model_fields.keys() - kept.keys() | {"source", "name", "commune"}:
        for value in (written.get(name), cleaned(written.get(name))):
            if _is_readable(kept | {name: value}):
                kept[name] = value
                break
    if kept["source"] == written.get("source"):
        kept["enabled"] = bool(written.get("enabled", True))
    return Camera.model_validate(kept)


def _is_readable(camera: dict[str, Any]) -> bool:
    try:
        Camera.model_validate(camera)
    except ValidationError:
        return False
    return True
