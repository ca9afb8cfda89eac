"""Changing cameras: the database decides, and every listener is called after the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from beffroi_api.authz.policies import may_configure, may_place, may_see_source, require
from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_api.errors import ChangedInBetween, Invalid, no_camera
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.rules.schemas import ZonesInput
from beffroi_api.modules.rules.service import Rules
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.news.repository import Kind
from beffroi_api.remembered import Remembered
from beffroi_api.said import Said
from beffroi_common.addresses import AddressNotAllowedError, AllowedAddresses, read_address
from beffroi_common.contracts import Camera, CameraSource, CameraStatus, LegalBasis
from beffroi_common.contracts.base import explain
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import CAMERAS

from . import repository
from .registry.changes import changes
from .registry.slots import least_loaded
from .schemas import CameraInput, CameraView, MaskingInput, StatusSummary

log = structlog.get_logger(__name__)

LISTED = 2 * repository.REMEMBERED
"""Of each camera two listings: with its source and without."""

NEWS = Scope.system("news of a camera are filtered by whoever receives them")

Listener = Callable[[str, int, Camera | None], None]
"""Receives the id, the version, and the camera as it is then; None: removed. Of two changes at once either may arrive
first: the version says which is newer."""

State = tuple[str, int, Camera | None]
"""What a listener receives."""

Change = Callable[[Camera], dict[str, Any]]
"""Fields of a camera that become different."""


class Basis(NamedTuple):
    """All that the view of a camera is made of."""

    row: repository.Stored
    shows_source: bool
    said: tuple[Said, ...]
    """The worst first."""


@dataclass(frozen=True)
class CameraReader:
    """The cameras of this installation, as the database has them."""

    database: Database

    def every(self, scope: Scope) -> list[Camera]:
        """All cameras in scope."""
        with self.database.read(scope) as session:
            return [repository.document(row) for row in repository.present(session)]

    def names(self, scope: Scope) -> list[str]:
        """Every camera in scope, by id."""
        with self.database.read(scope) as session:
            return repository.names(session)

    def communes(self, scope: Scope) -> dict[str, str]:
        """Whose each camera in scope is, removed ones included."""
        with self.database.read(scope) as session:
            return repository.communes(session)

    def get(self, scope: Scope, camera: str) -> Camera:
        """One camera.

        Raises:
            NotFound: there is none in scope.
        """
        with self.database.read(scope) as session:
            return repository.document(_present(repository.find(session, camera), camera))

    def states(self, scope: Scope) -> list[State]:
        """Every camera in scope that there is or was, as the database has it."""
        with self.database.read(scope) as session:
            return [_state(row) for row in repository.every(session)]

    def state(self, scope: Scope, camera: str) -> State:
        """One camera that there is or was, as the database has it.

        Raises:
            NotFound: there never was one in scope.
        """
        with self.database.read(scope) as session:
            row = repository.find(session, camera)
            if row is None:
                raise no_camera(camera)
            return _state(row)

    def known(self, scope: Scope, camera: str) -> Camera | None:
        """One camera in scope, a removed one included: its recordings live on until their time is over."""
        with self.database.read(scope) as session:
            row = repository.find(session, camera)
            return repository.document(row) if row else None


@dataclass(frozen=True)
class Cameras(CameraReader):
    """The cameras as people see and change them."""

    trail: Trail
    clock: Clock
    slots: int
    allowed: AllowedAddresses
    rules: Rules
    said_of: Callable[[str], list[CameraStatus]]
    summarise: Callable[[Camera, Sequence[Said]], StatusSummary]
    outbox: NewsOutbox
    listeners: list[Listener] = field(default_factory=list)
    _listed: Remembered[Basis, bytes] = field(default_factory=lambda: Remembered(LISTED))

    def views(self, who: Identity) -> bytes:
        """All cameras as `who` may see them: a `list[CameraView]` in JSON."""
        with self.database.read(Scope.of(who)) as session:
            rows = repository.present(session)
        return b"[%b]" % b",".join([self._listing(row, who) for row in rows])

    def view(self, camera: str, who: Identity) -> CameraView:
        """One camera as `who` may see it.

        Raises:
            NotFound: there is none in scope.
        """
        with self.database.read(Scope.of(who)) as session:
            return self._made(self._basis(_stored(session, camera), who))

    def news(self, camera: str) -> CameraView:
        """One camera as everybody may see it in whose scope it is.

        Raises:
            NotFound: there is none.
        """
        with self.database.read(NEWS) as session:
            return self._made(self._basis(_stored(session, camera), None))

    def save(self, who: Identity, camera: str, wanted: CameraInput, expected: int | None) -> None:
        """Make a camera, or replace what an administrator says of it.

        A source with another address shows something else, so the decision on masks made for the old one ends:
        nothing passes until somebody decides again. An address that is not allowed any more may stay as it is: ingest
        does not open it, and the rest can still be changed.
        """
        fields = wanted.model_dump()

        def change(before: Camera) -> dict[str, Any]:
            if before.source.url == wanted.source.url:
                return fields
            self._require_allowed(wanted.source)
            return fields | {"masking": None, "source_version": before.source_version + 1}

        require(may_place(who, wanted.commune), camera)
        with self.database.read(Scope.of(who)) as session:
            row = repository.find(session, camera)
        if row is None or row.removed_at is not None:
            self._require_allowed(wanted.source)
            self._make(who, camera, fields, expected)
        else:
            self._change(who, camera, expected, Action.CAMERA_SAVED, change)

    def _require_allowed(self, source: CameraSource) -> None:
        try:
            self.allowed.check(read_address(source.url))
        except AddressNotAllowedError as reason:
            raise Invalid(f"source.url: {reason}") from None

    def decide_masking(self, who: Identity, camera: str, wanted: MaskingInput, expected: int | None) -> None:
        """Record a person's decision on what must never be seen."""
        decided = {"decided_by": who.username, "decided_at": self.clock.now()}
        masking = wanted.model_dump() | decided
        self._change(who, camera, expected, Action.MASKING_DECIDED, lambda _before: {"masking": dict(masking)})

    def save_zones(self, who: Identity, camera: str, wanted: ZonesInput, expected: int | None) -> None:
        """Replace the zones and the rules that look at them."""

        def change(before: Camera) -> dict[str, Any]:
            rules = self.rules.settled(before, wanted)
            return {
                "zones": [zone.model_dump() for zone in wanted.zones],
                "rules": [rule.model_dump() for rule in rules],
            }

        self._change(who, camera, expected, Action.ZONES_SAVED, change)

    def save_legal_bases(self, who: Identity, camera: str, bases: tuple[LegalBasis, ...], expected: int | None) -> None:
        """Replace the legal bases."""
        dumped = [basis.model_dump() for basis in bases]
        self._change(who, camera, expected, Action.LEGAL_BASES_SAVED, lambda _before: {"legal_bases": dumped})

    def remove(self, who: Identity, camera: str, expected: int | None) -> None:
        """Take a camera out: its services stop. Its recordings live on until their time is over."""
        self._change(who, camera, expected, Action.CAMERA_REMOVED, lambda _before: {"enabled": False}, removed=True)

    def _make(self, who: Identity, camera: str, fields: dict[str, Any], expected: int | None) -> None:
        if expected is not None:
            raise ChangedInBetween(f"There is no camera {camera} any more: load the page again.")
        with self.database.write(Scope.of(who)) as session:
            everybodys = session.unfiltered("ids and slots are shared by the cameras of all communes")
            row = repository.find(everybodys, camera, for_change=True)
            if row is not None:
                require(may_configure(who, repository.document(row)), camera)
            if row is not None and row.removed_at is None:
                raise ChangedInBetween(f"Somebody just made a camera {camera}: load the page again.")
            others = [repository.document(each) for each in repository.present(everybodys)]
            slot = row.slot if row else least_loaded(others, self.slots)
            version = row.version + 1 if row else 1
            source_version = repository.document(row).source_version + 1 if row else 1
            made = _validated(
                {"id": camera, "slot": slot, "version": version, "source_version": source_version, **fields}
            )
            before = repository.document(row) if row else None
            if row is None:
                row = CameraRow(id=camera, slot=slot, mask_version=0, published_version=0)
                session.add(row)
            row.removed_at = None
            repository.write(row, made)
            self.trail.add(
                session, Entry.of(who, Action.CAMERA_SAVED, camera=camera, version=version, **changes(before, made))
            )
            self.outbox.add(session, Kind.CAMERA, camera)
        self.notify(made)

    def _change(
        self,
        who: Identity,
        camera: str,
        expected: int | None,
        action: Action,
        change: Change,
        *,
        removed: bool = False,
    ) -> None:
        with self.database.write(Scope.of(who)) as session:
            row = _present(repository.find(session, camera, for_change=True), camera)
            before = repository.document(row)
            require(may_configure(who, before), camera)
            if expected is not None and expected != before.version:
                raise ChangedInBetween(
                    f"Camera {camera} is at version {before.version}, you changed version {expected}: load it again."
                )
            fields = change(before)
            if fields.get("masking") is not None:
                fields["masking"]["version"] = row.mask_version + 1
            after = _validated(before.model_dump() | fields | {"version": before.version + 1})
            repository.write(row, after)
            row.removed_at = self.clock.now() if removed else None
            said = changes(before, after)
            self.trail.add(session, Entry.of(who, action, camera=camera, version=after.version, **said))
            self.outbox.add(session, Kind.CAMERA, camera)
        self.notify(after, removed=removed)

    def notify(self, camera: Camera, *, removed: bool = False) -> None:
        """Call every listener of this process with a change that it committed."""
        for listener in self.listeners:
            listener(camera.id, camera.version, None if removed else camera)

    def _listing(self, row: repository.Stored, who: Identity) -> bytes:
        basis = self._basis(row, who)
        return self._listed.of((row.id, basis.shows_source), basis, self._json)

    def _basis(self, row: repository.Stored, who: Identity | None) -> Basis:
        """Of a camera as `who` may see it; None: everybody in whose scope it is."""
        shows_source = who is not None and may_see_source(who, repository.document(row))
        return Basis(row, shows_source, tuple(map(Said.of, self.said_of(row.id))))

    def _json(self, basis: Basis) -> bytes:
        return self._made(basis).model_dump_json().encode()

    def _made(self, basis: Basis) -> CameraView:
        row, camera = basis.row, repository.document(basis.row)
        return CameraView(
            id=camera.id,
            name=camera.name,
            commune=camera.commune,
            slot=camera.slot,
            enabled=camera.enabled,
            source=camera.source if basis.shows_source else None,
            nominal_fps=camera.nominal_fps,
            masking=camera.masking,
            zones=camera.zones,
            rules=self.rules.on(camera, basis.said),
            legal_bases=camera.legal_bases,
            version=camera.version,
            published=row.published_version >= row.version,
            status=self.summarise(camera, basis.said),
        )


def _state(row: CameraRow) -> State:
    return row.id, row.version, None if row.removed_at is not None else repository.document(row)


def _stored(session: ScopedSession, camera: str) -> repository.Stored:
    return repository.stored(_present(repository.find(session, camera), camera))


def _present(row: CameraRow | None, camera: str) -> CameraRow:
    if row is None or row.removed_at is not None:
        raise no_camera(camera)
    return row


def _validated(fields: dict[str, Any]) -> Camera:
    try:
        camera = Camera.model_validate(fields)
    except ValidationError as error:
        raise Invalid(explain(error)) from None
    size_bytes = len(camera.encode())
    if size_bytes > CAMERAS.max_record_bytes:  # kept, it could never be sent, nor any camera after it
        raise Invalid(
            f"Camera {camera.id} would be {size_bytes} bytes, and {CAMERAS.max_record_bytes} can be sent: remove zones "
            "or rules, or draw with fewer corners."
        )
    return camera
