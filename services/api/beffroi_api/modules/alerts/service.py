"""Alerts as they come, and who took them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import Also, ScopedSession, nothing
from beffroi_api.db.tables import AlertRow
from beffroi_api.errors import AlreadyAcknowledged, Invalid, NotFound
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.news.repository import Kind
from beffroi_common.contracts import Alert, AlertState, Camera, CloseReason
from beffroi_common.errors import RetryLater
from beffroi_common.runtime.clock import Clock

from . import repository
from .schemas import AlertPage, AlertView, Life

REVOCABLE = frozenset({CloseReason.NO_PICTURE.value, CloseReason.NO_NEWS.value})
"""An alert that ended for want of news goes on when there are later ones: they were late."""

INTAKE = Scope.system("alerts of every camera are kept, closed and forgotten")


@dataclass(frozen=True)
class Alerts:
    """The alerts, kept from `alerts.v1`."""

    database: Database
    trail: Trail
    clock: Clock
    retention: timedelta
    silence: timedelta
    camera: Callable[[str], Camera | None]
    outbox: NewsOutbox
    is_clock_right: Callable[[], bool]
    """What seems to be over is dropped only if so: a clock that is ahead would drop every alert."""

    def take(self, alert: Alert, also: Also = nothing) -> None:
        """Learn how an alert stands, and do `also` with that.

        Learning it twice changes nothing, and out-of-order updates are ignored.
        One whose time is over is not learnt at all: a new database reads the bus from the beginning.

        Raises:
            RetryLater: its time seems to be over, but our clock and the broker's do not agree.
        """
        if alert.occurred_at <= self._horizon():
            if not self.is_clock_right():
                raise RetryLater("an alert whose time seems to be over, by a clock that nobody confirms")
            return
        gone = self._is_gone(alert.camera)
        with self.database.write(INTAKE) as session:
            row = repository.find(session, alert.id, for_change=True)
            if row is not None and not _is_newer(alert, row, gone=gone):
                return
            if row is None:
                row = AlertRow(
                    id=alert.id, received_at=self.clock.now(), opened_at=alert.occurred_at, box=list(alert.box)
                )
                session.add(row)
            _copy(alert, row)
            also(session)
            self.outbox.add(session, Kind.ALERT, alert.id)

    def camera_changed(self, camera: str, _version: int, now: Camera | None) -> None:
        """Close what is open of a camera that was removed or switched off: no picture will come that could end it."""
        if now is None or not now.enabled:
            self._end_of_camera(camera)

    def end_orphans(self) -> None:
        """Housekeeping: close what nobody else will.

        That is what is open of cameras that were removed or switched off, should the process have died before it could
        close it, or an alert have come later; and what the rules have said nothing of for long.
        """
        with self.database.read(INTAKE) as session:
            cameras = repository.cameras_with_open(session)
        for camera in cameras:
            if self._is_gone(camera):
                self._end_of_camera(camera)
        with self.database.write(INTAKE) as session:
            rows = repository.open_since(session, self.clock.now() - self.silence)
            self._end(session, rows, CloseReason.NO_NEWS)

    def _is_gone(self, camera: str) -> bool:
        known = self.camera(camera)
        return known is not None and not known.enabled

    def _end_of_camera(self, camera: str) -> None:
        with self.database.write(INTAKE) as session:
            self._end(session, repository.not_closed(session, camera), CloseReason.NO_PICTURE)

    def _end(self, session: ScopedSession, rows: list[AlertRow], reason: CloseReason) -> None:
        """Close alerts with the last picture that was heard of."""
        for row in rows:
            row.state, row.closed_reason = AlertState.CLOSED.value, reason.value
        for row in rows:
            self.outbox.add(session, Kind.ALERT, row.id)

    def page(
        self, scope: Scope, *, camera: str | None, life: Life, acknowledged: bool | None, before: str | None, limit: int
    ) -> AlertPage:
        """Alerts in scope, newest first, none past its retention.

        Raises:
            Invalid: `before` is not a `next` of an earlier page.
        """
        cursor = _read_cursor(before) if before else None
        with self.database.read(scope) as session:
            rows = repository.page(
                session,
                after=self._horizon(),
                camera=camera,
                life=life,
                acknowledged=acknowledged,
                before=cursor,
                limit=limit + 1,
            )
        items = [self._view(row) for row in rows[:limit]]
        return AlertPage(items=items, next=_cursor(rows[limit - 1]) if len(rows) > limit else None)

    def get(self, scope: Scope, alert: str) -> AlertView:
        """One alert.

        Raises:
            NotFound: there is none in scope, or its time is over.
        """
        with self.database.read(scope) as session:
            return self._view(self._found(repository.find(session, alert), alert))

    def acknowledge(self, who: Identity, alert: str) -> AlertView:
        """Take an alert. Taking one's own again changes nothing.

        Raises:
            NotFound: there is none in scope, or its time is over.
            AlreadyAcknowledged: somebody else took it, and when.
        """
        with self.database.write(Scope.of(who)) as session:
            row = self._found(repository.find(session, alert, for_change=True), alert)
            if row.acknowledged_at is not None and row.acknowledged_by != who.username:
                raise AlreadyAcknowledged(
                    f"{row.acknowledged_by} took this alert at {row.acknowledged_at:%H:%M:%S} UTC.",
                    acknowledged_by=row.acknowledged_by,
                    acknowledged_at=row.acknowledged_at.isoformat(),
                )
            if row.acknowledged_at is None:
                row.acknowledged_by, row.acknowledged_at = who.username, self.clock.now()
                self.trail.add(session, Entry.of(who, Action.ALERT_ACKNOWLEDGED, camera=row.camera, subject=row.id))
                self.outbox.add(session, Kind.ALERT, row.id)
        return self._view(row)

    def forget_old(self) -> None:
        """Housekeeping: an alert lives as long as the recordings that show it."""
        with self.database.write(INTAKE) as session:
            repository.forget(session, until=self._horizon(), now=self.clock.now())

    def _horizon(self) -> datetime:
        return self.clock.now() - self.retention

    def _found(self, row: AlertRow | None, alert: str) -> AlertRow:
        """Housekeeping comes by once an hour: what is due to be forgotten is not there any more."""
        if row is None or row.occurred_at <= self._horizon():
            raise NotFound(f"There is no alert {alert}: its time may be over. Load the list again.")
        return row

    def _view(self, row: AlertRow) -> AlertView:
        camera = self.camera(row.camera)
        zones = {zone.id: zone.name for zone in camera.zones} if camera else {}
        x1, y1, x2, y2 = row.box
        return AlertView(
            id=row.id,
            camera=row.camera,
            camera_name=camera.name if camera else row.camera,
            zone=row.zone,
            zone_name=zones.get(row.zone, row.zone),
            rule=row.rule,
            rule_version=row.rule_version,
            parameters=row.parameters,
            legal_basis=row.legal_basis,
            state=AlertState(row.state),
            onset=row.onset,
            onset_unknown=row.onset_unknown,
            opened_at=row.opened_at,
            occurred_at=row.occurred_at,
            closed_reason=CloseReason(row.closed_reason) if row.closed_reason else None,
            track=row.track,
            box=(x1, y1, x2, y2),
            received_at=row.received_at,
            acknowledged_by=row.acknowledged_by,
            acknowledged_at=row.acknowledged_at,
        )


def _is_newer(alert: Alert, row: AlertRow, *, gone: bool) -> bool:
    if row.state == AlertState.CLOSED.value:
        return alert.occurred_at > row.occurred_at and not gone and row.closed_reason in REVOCABLE
    if alert.state is AlertState.CLOSED:
        return alert.occurred_at >= row.occurred_at
    return alert.occurred_at > row.occurred_at


def _copy(alert: Alert, row: AlertRow) -> None:
    row.camera, row.zone, row.rule, row.rule_version = alert.camera, alert.zone, alert.rule, alert.rule_version
    row.parameters, row.legal_basis = alert.parameters, alert.legal_basis
    row.state, row.closed_reason = alert.state.value, alert.closed_reason.value if alert.closed_reason else None
    row.onset, row.onset_unknown, row.occurred_at = alert.onset, alert.onset_unknown, alert.occurred_at
    row.track = alert.track


def _cursor(row: AlertRow) -> str:
    return base64.urlsafe_b64encode(f"{row.opened_at.isoformat()} {row.id}".encode()).decode()


def _read_cursor(text: str) -> tuple[datetime, str]:
    try:
        at, alert = base64.urlsafe_b64decode(text.encode()).decode().split(" ")
        opened_at = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, binascii.Error, OverflowError):
        raise Invalid("`before` must be the `next` of the page before.") from None
    return opened_at, alert
