"""How everything is: the latest status of each service, whether it is too old to count, and two dependencies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from beffroi_api.authz.scope import Scope
from beffroi_api.modules.cameras.schemas import StatusSummary
from beffroi_common.bus import Absent, Table
from beffroi_common.contracts import Camera, CameraStatus, Level, ServiceStatus
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, StoreDenied, StoreUnavailable

from .schemas import CameraHealth, CameraServiceHealth, Dependency, HealthView, ServiceHealth

Status = CameraStatus | ServiceStatus

PROBE_OBJECT = "beffroi-api-probe"
"""Asked for to see that the store answers; it is not there, which is an answer."""

WORST_FIRST = (Level.ERROR, Level.WARNING, Level.OK)

SHOWN_FOR = timedelta(minutes=10)
"""An instance that says nothing is shown for so long beside one of its service that does: whoever looks must see that
it is missing, and a day later must not."""


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
    """By key, for `of_camera`, which is asked of each camera of a list. What is in it is replaced and never changed."""
    _camera_of: dict[str, str] = field(default_factory=dict)
    """By key."""
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
        found = [each for each in self._by_camera.get(camera, {}).values() if not self.is_stale(each)]
        return sorted(found, key=lambda each: WORST_FIRST.index(each.level))

    def all_services(self) -> list[ServiceHealth]:
        """Every instance of every service that has not left."""
        found = [each for each in self._values() if isinstance(each, ServiceStatus)]
        gone = left(found, self.silent_for, SHOWN_FOR)
        present = (each for each in found if each.key not in gone)
        judged = (ServiceHealth(**each.model_dump(), stale=self.is_stale(each)) for each in present)
        return sorted(judged, key=lambda each: (each.service, each.instance))

    def all_cameras(self, cameras: list[Camera]) -> list[CameraHealth]:
        """Every camera that is configured, and what is said of it."""
        said: dict[str, list[CameraServiceHealth]] = {camera.id: [] for camera in cameras}
        for each in self._values():
            if isinstance(each, CameraStatus) and each.camera in said:
                # It was read as what it is: nothing is checked a second time, of some thousand at once.
                judged = CameraServiceHealth.model_construct(**dict(each), stale=self.is_stale(each))
                said[each.camera].append(judged)
        return [
            CameraHealth(camera=camera, statuses=sorted(found, key=lambda each: each.service))
            for camera, found in said.items()
        ]

    def is_stale(self, status: Status) -> bool:
        """Whether it was said too long ago to be believed.

        What came while we listened counts from then. What was on the topic before goes by its own time, until it is
        repeated: a time to come is that of a clock that was wrong, and no younger.
        """
        heard_s = self._heard_s.get(status.key)
        if heard_s is not None:
            return self.clock.monotonic_s() - heard_s > self.stale_after.total_seconds()
        return abs(self.clock.now() - status.at) > self.stale_after

    def silent_for(self, status: Status) -> timedelta:
        """How long ago it was said: see `is_stale`. What did not come while we listened is at least as old as that."""
        now_s = self.clock.monotonic_s()
        heard_s = self._heard_s.get(status.key)
        if heard_s is not None:
            return timedelta(seconds=now_s - heard_s)
        return max(self.clock.now() - status.at, timedelta(seconds=now_s - self._since_s))

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

    def _judged(self, status: Status) -> ServiceHealth | CameraServiceHealth:
        fields = status.model_dump()
        if isinstance(status, ServiceStatus):
            return ServiceHealth(**fields, stale=False)
        return CameraServiceHealth(**fields, stale=False)

    def _sort(self, key: str, now: Status | Absent) -> None:
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
            self._by_camera[now.camera] = {**self._by_camera.get(now.camera, {}), key: now}

    def _values(self) -> list[Status]:
        return list(self.table.values().values()) if self.table is not None else []


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
        return str(error)
    return ""


@dataclass(frozen=True)
class HealthReport:
    """Everything at a glance."""

    statuses: Statuses
    store: StoreProbe
    cameras: Callable[[Scope], list[Camera]]

    def now(self, scope: Scope) -> HealthView:
        """How everything is at present: all services, and the cameras in scope."""
        return HealthView(
            services=self.statuses.all_services(),
            cameras=self.statuses.all_cameras(self.cameras(scope)),
            broker=self.statuses.broker(),
            store=self.store.found(),
        )


def summary(camera: Camera, said: list[CameraStatus], now: datetime) -> StatusSummary:
    """The worst of what is said of a camera; what its configuration says comes first."""
    if not camera.enabled:
        return StatusSummary(level=Level.OK, code="disabled", message="Switched off.", service=None, at=now)
    if camera.masking is None:
        message = "Nobody decided on the masks yet: nothing is shown or recorded."
        return StatusSummary(level=Level.ERROR, code="no_mask_decision", message=message, service=None, at=now)
    if not said:
        message = "No service has said anything of this camera lately."
        return StatusSummary(level=Level.WARNING, code="unknown", message=message, service=None, at=None)
    worst = said[0]
    return StatusSummary(level=worst.level, code=worst.code, message=worst.message, service=worst.service, at=worst.at)


def left(said: Iterable[ServiceStatus], silent_for: Callable[[ServiceStatus], timedelta], after: timedelta) -> set[str]:
    """Keys of the instances that have been silent for so long, while another of their service speaks on.

    The last to speak of a service never left: that nobody of it runs is what people must see.
    """
    silent = {each.key: (each.service, silent_for(each)) for each in said}
    least: dict[str, timedelta] = {}
    for service, time in silent.values():
        least[service] = min(time, least.get(service, time))
    return {key for key, (service, time) in silent.items() if time - least[service] > after}
