"""How everything is: the latest status of each service, whether it is too old to count, and two dependencies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from pydantic_core import to_json

from beffroi_api.authz.scope import Scope
from beffroi_api.errors import store_words
from beffroi_api.modules.cameras.schemas import StatusSummary
from beffroi_api.remembered import Remembered
from beffroi_api.said import Said
from beffroi_common.bus import Absent, Table
from beffroi_common.contracts import Camera, CameraStatus, Level, ServiceStatus
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, StoreDenied, StoreUnavailable

from .schemas import CameraServiceHealth, Dependency, ServiceHealth

log = structlog.get_logger(__name__)

Status = CameraStatus | ServiceStatus

PROBE_OBJECT = "beffroi-api-probe"
"""Asked for to see that the store answers; it is not there, which is an answer."""

WORST_FIRST = {Level.ERROR: 0, Level.WARNING: 1, Level.OK: 2}

REMEMBERED = 16_384
"""Statuses whose JSON need not be made again: of a large installation with each service that speaks of cameras."""

SHOWN_FOR = timedelta(minutes=10)
"""An instance that says nothing is shown for so long beside one of its service that does: whoever looks must see that
it is missing, and a day later must not."""


class Moment(NamedTuple):
    """The time, read once for many statuses."""

    now: datetime
    monotonic_s: float


@dataclass
class Statuses:
    """`status.v1` as it is, and news where a status differs from the one before."""

    clock: Clock
    stale_after: timedelta
    on_news: Callable[[ServiceHealth | CameraServiceHealth], None]
    own_key: str
    """Our own status. That it comes back by the bus shows that the broker takes and gives messages."""
    table: Table[Status] | None = None
    _said: dict[str, tuple[Level, str, str, dict[str, str]]] = field(default_factory=dict)
    _heard_s: dict[str, float] = field(default_factory=dict)
    """When each came that came since the topic was read to its end: whoever says it may have a clock that is wrong."""
    _by_camera: dict[str, dict[str, CameraStatus]] = field(default_factory=dict)
    """By key, in the order of services, for what is asked of each camera of a list. What is in it is replaced and never
    changed."""
    _camera_of: dict[str, str] = field(default_factory=dict)
    """By key."""
    _services: dict[str, ServiceStatus] = field(default_factory=dict)
    """By key."""
    _json: Remembered[Status, str] = field(default_factory=lambda: Remembered(REMEMBERED))
    _since_s: float = field(init=False)
    """When we began to listen."""

    def __post_init__(self) -> None:
        """Nobody was heard yet."""
        self._since_s = self.clock.monotonic_s()

    def changed(self, key: str, now: Status | Absent) -> None:
        """A status came; on the table's thread."""
        self._sort(key, now)
        if isinstance(now, Absent):
            self._said.pop(key, None)
            self._heard_s.pop(key, None)
            return
        if self.table is not None and self.table.wait_caught_up(0):
            self._heard_s[key] = self.clock.monotonic_s()
        resting = now.resting_rules if isinstance(now, CameraStatus) else {}
        said = (now.level, now.code, now.message, resting)
        if self._said.get(key) != said:
            self._said[key] = said
            self.on_news(self._judged(now))

    def of_camera(self, camera: str) -> list[CameraStatus]:
        """What may be believed of one camera, the worst first."""
        said = self._by_camera.get(camera)
        if said is None:
            return []
        moment = self._moment()
        found = [each for key, each in said.items() if not self._is_stale(key, each, moment)]
        return sorted(found, key=lambda each: WORST_FIRST[each.level])

    def all_services(self) -> list[ServiceHealth]:
        """Every instance of every service that has not left."""
        found = tuple(self._services.values())
        gone = left(found, self.silent_for, SHOWN_FOR)
        present = (each for each in found if each.key not in gone)
        return sorted(map(self._service, present), key=lambda each: (each.service, each.instance))

    def all_cameras(self, cameras: Iterable[str]) -> bytes:
        """These cameras, and what is said of each: a `list[CameraHealth]` in JSON."""
        moment = self._moment()
        return ("[" + ",".join([self._camera(camera, moment) for camera in cameras]) + "]").encode()

    def is_stale(self, status: Status) -> bool:
        """Whether it was said too long ago to be believed.

        What came while we listened counts from then. What was on the topic before goes by its own time, until it is
        repeated: a time to come is that of a clock that was wrong, and no younger.
        """
        return self._is_stale(status.key, status, self._moment())

    def silent_for(self, status: Status) -> timedelta:
        """How long ago it was said: see `is_stale`. What did not come while we listened is at least as old as that."""
        return timedelta(seconds=self._silent_s(status.key, status, self._moment()))

    def broker(self) -> Dependency:
        """Whether our own status came back lately."""
        own = self.table.get(self.own_key) if self.table is not None else Absent.MISSING
        if isinstance(own, Absent):
            return Dependency(
                reachable=False,
                message="The broker has not answered since the api started: is it running, and are its topics made?",
                checked_at=None,
            )
        if self.is_stale(own):
            message = f"The broker has not answered since {own.at:%Y-%m-%d %H:%M:%S} UTC: is it running and reachable?"
            return Dependency(reachable=False, message=message, checked_at=own.at)
        return Dependency(reachable=True, message="", checked_at=own.at)

    def _moment(self) -> Moment:
        return Moment(self.clock.now(), self.clock.monotonic_s())

    def _is_stale(self, key: str, status: Status, moment: Moment) -> bool:
        heard_s = self._heard_s.get(key)
        if heard_s is not None:
            return moment.monotonic_s - heard_s > self.stale_after.total_seconds()
        return abs(moment.now - status.at) > self.stale_after

    def _silent_s(self, key: str, status: Status, moment: Moment) -> float:
        heard_s = self._heard_s.get(key)
        if heard_s is not None:
            return moment.monotonic_s - heard_s
        return max((moment.now - status.at).total_seconds(), moment.monotonic_s - self._since_s)

    def _judged(self, status: Status) -> ServiceHealth | CameraServiceHealth:
        """One that came just now."""
        if isinstance(status, ServiceStatus):
            return self._service(status)
        return CameraServiceHealth(**status.model_dump(), stale=False, silent_s=0.0)

    def _service(self, status: ServiceStatus) -> ServiceHealth:
        silent_s = self.silent_for(status).total_seconds()
        return ServiceHealth(**status.model_dump(), stale=self.is_stale(status), silent_s=silent_s)

    def _camera(self, camera: str, moment: Moment) -> str:
        """A `CameraHealth` in JSON."""
        said = [self._heard(key, each, moment) for key, each in self._by_camera.get(camera, {}).items()]
        return f'{{"camera":{to_json(camera).decode()},"statuses":[{",".join(said)}]}}'

    def _heard(self, key: str, status: CameraStatus, moment: Moment) -> str:
        """A `CameraServiceHealth` in JSON: what was said, which stays as it is, and how long ago that was."""
        said = self._json.of(key, status, _open_json)
        stale = "true" if self._is_stale(key, status, moment) else "false"
        return f'{said},"stale":{stale},"silent_s":{self._silent_s(key, status, moment):.1f}}}'

    def _sort(self, key: str, now: Status | Absent) -> None:
        if isinstance(now, ServiceStatus):
            self._services[key] = now
        else:
            self._services.pop(key, None)
        camera = now.camera if isinstance(now, CameraStatus) else None
        before = self._camera_of.get(key)
        if before is not None and before != camera:
            del self._camera_of[key]
            left = {other: said for other, said in self._by_camera[before].items() if other != key}
            if left:
                self._by_camera[before] = left
            else:
                del self._by_camera[before]
        if isinstance(now, CameraStatus):
            self._camera_of[key] = now.camera
            said = {**self._by_camera.get(now.camera, {}), key: now}
            self._by_camera[now.camera] = dict(sorted(said.items(), key=lambda each: each[1].service))


class StoreProbe:
    """Asks the stores now and then, so that nobody waits for it who wants to know how everything is."""

    def __init__(self, stores: Sequence[ObjectStore], clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._lock = threading.Lock()
        self._found = Dependency(reachable=False, message="The object store was not asked yet.", checked_at=None)

    def ask(self) -> None:
        """Ask each, and remember what the first says that has a complaint."""
        message = next(filter(None, map(_complaint, self._stores)), "")
        found = Dependency(reachable=not message, message=message, checked_at=self._clock.now())
        with self._lock:
            self._found = found

    def found(self) -> Dependency:
        """What was found last."""
        with self._lock:
            return self._found


def _complaint(store: ObjectStore) -> str:
    """What is the matter with a store; empty when it answers."""
    try:
        store.stat(PROBE_OBJECT)
    except (StoreUnavailable, StoreDenied) as error:
        log.warning("the object store is of no use now", store=store.name, reason=str(error))
        return f"{store.name}: {store_words(error)}"
    return ""


@dataclass(frozen=True)
class HealthReport:
    """Everything at a glance."""

    statuses: Statuses
    store: StoreProbe
    cameras: Callable[[Scope], Iterable[str]]
    """Those in scope, by id."""

    def now(self, scope: Scope) -> bytes:
        """How everything is at present, all services and the cameras in scope: a `HealthView` in JSON."""
        return b'{"now":%b,"services":%b,"cameras":%b,"broker":%b,"store":%b}' % (
            to_json(self.statuses.clock.now()),
            to_json(self.statuses.all_services()),
            self.statuses.all_cameras(self.cameras(scope)),
            to_json(self.statuses.broker()),
            to_json(self.store.found()),
        )


def summary(camera: Camera, said: Sequence[Said]) -> StatusSummary:
    """The worst of what is said of a camera; what its configuration says comes first."""
    if not camera.enabled:
        return StatusSummary(level=Level.OK, code="disabled", message="Switched off.", service=None)
    if camera.masking is None:
        message = "Nobody decided on the masks yet: nothing is shown or recorded."
        return StatusSummary(level=Level.ERROR, code="no_mask_decision", message=message, service=None)
    if not said:
        message = "No service has said anything of this camera lately."
        return StatusSummary(level=Level.WARNING, code="unknown", message=message, service=None)
    worst = said[0]
    return StatusSummary(level=worst.level, code=worst.code, message=worst.message, service=worst.service)


def _open_json(status: Status) -> str:
    """As JSON without the last brace, so that more can follow."""
    return status.model_dump_json()[:-1]


def left(said: Iterable[ServiceStatus], silent_for: Callable[[ServiceStatus], timedelta], after: timedelta) -> set[str]:
    """Keys of the instances that have been silent for so long, while another of their service speaks on.

    The last to speak of a service never left: that nobody of it runs is what people must see.
    """
    silent = {each.key: (each.service, silent_for(each)) for each in said}
    least: dict[str, timedelta] = {}
    for service, time in silent.values():
        least[service] = min(time, least.get(service, time))
    return {key for key, (service, time) in silent.items() if time - least[service] > after}
