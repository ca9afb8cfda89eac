"""Cameras in the database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_common.contracts import Camera


def find(session: ScopedSession, camera: str, *, for_change: bool = False) -> CameraRow | None:
    """A camera, removed ones included. `for_change` keeps others from changing it until the transaction ends."""
    query = select(CameraRow).where(CameraRow.id == camera)
    return session.scalars(query.with_for_update() if for_change else query).first()


def present(session: ScopedSession) -> list[CameraRow]:
    """All cameras that are not removed, by id."""
    return list(session.scalars(select(CameraRow).where(CameraRow.removed_at.is_(None)).order_by(CameraRow.id)))


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


def document(row: CameraRow) -> Camera:
    """The camera as the services see it."""
    return Camera.decode(row.document.encode())
