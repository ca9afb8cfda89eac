"""Alerts in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import AlertRow
from beffroi_common.contracts import AlertState

from .schemas import Life

CLOSED = (AlertState.CLOSED.value,)
GOING_ON = tuple(state.value for state in AlertState if state is not AlertState.CLOSED)
"""The few: named one by one, so that the index of states finds them among all that are closed."""


def find(session: ScopedSession, alert: str, *, for_change: bool = False) -> AlertRow | None:
    """One alert."""
    query = select(AlertRow).where(AlertRow.id == alert)
    return session.scalars(query.with_for_update() if for_change else query).first()


def not_closed(session: ScopedSession, camera: str) -> list[AlertRow]:
    """A camera's alerts whose event goes on, kept from others until the transaction ends."""
    query = select(AlertRow).where(AlertRow.camera == camera, AlertRow.state != AlertState.CLOSED.value)
    return list(session.scalars(query.order_by(AlertRow.id).with_for_update()))


def cameras_with_open(session: ScopedSession) -> list[str]:
    """Cameras that have an alert whose event goes on."""
    query = select(AlertRow.camera).where(AlertRow.state != AlertState.CLOSED.value).distinct()
    return list(session.scalars(query))


def open_since(session: ScopedSession, until: datetime) -> list[AlertRow]:
    """Alerts whose event goes on, and was seen last at that moment or before, kept from others until the end."""
    query = select(AlertRow).where(AlertRow.state != AlertState.CLOSED.value, AlertRow.occurred_at <= until)
    return list(session.scalars(query.order_by(AlertRow.id).with_for_update()))


def page(
    session: ScopedSession,
    *,
    after: datetime,
    camera: str | None,
    life: Life,
    acknowledged: bool | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[AlertRow]:
    """Alerts of after a moment, newest first; `before` is (opened_at, id) of the last one of the page before."""
    query = (
        select(AlertRow)
        .where(AlertRow.occurred_at > after)
        .order_by(AlertRow.opened_at.desc(), AlertRow.id.desc())
        .limit(limit)
    )
    if camera is not None:
        query = query.where(AlertRow.camera == camera)
    if life is not Life.ALL:
        query = query.where(AlertRow.state.in_(CLOSED if life is Life.CLOSED else GOING_ON))
    if acknowledged is not None:
        empty = AlertRow.acknowledged_at.is_(None)
        query = query.where(~empty if acknowledged else empty)
    if before is not None:
        at, alert = before
        query = query.where(or_(AlertRow.opened_at < at, (AlertRow.opened_at == at) & (AlertRow.id < alert)))
    return list(session.scalars(query))


def forget(session: ScopedSession, *, until: datetime, now: datetime) -> None:
    """Alerts of that moment and before, which `page` gives no more; and those that came by then and are still to come,
    by the clock of a camera's machine that was ahead: they would head each list until they are.
    """
    is_to_come = (AlertRow.received_at <= until) & (AlertRow.occurred_at > now)
    session.execute(delete(AlertRow).where(or_(AlertRow.occurred_at <= until, is_to_come)))
