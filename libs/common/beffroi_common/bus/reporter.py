"""Says on `status.v1` how cameras and this service are: at once when it changes, and again every few seconds."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial

import structlog

from beffroi_common.contracts import CameraStatus, Level, ServiceStatus
from beffroi_common.contracts.status import MAX_MESSAGE
from beffroi_common.errors import InvalidRecord, RetryLater
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import STATUS

from .backlog import Backlog
from .interfaces import Producer

log = structlog.get_logger(__name__)

REPEAT_S = 5.0
"""An unchanged status is repeated so often: its readers call it stale after a few times this."""


FORGET_EVERY_S = 60.0


class StatusReporter:
    """The voice of one instance of a service. Safe to call from several threads."""

    def __init__(
        self, producer: Producer, service: str, instance: str, clock: Clock, backlog: Backlog | None = None
    ) -> None:
        """Say nothing yet.

        Args:
            producer: sends what is said.
            service: who speaks.
            instance: which one of them.
            clock: time.
            backlog: what this instance has yet to read, where that outlives the reporter. Its loop feeds it.
        """
        self._producer = producer
        self._service = service
        self._instance = instance
        self._clock = clock
        self._started_at: datetime = clock.now()
        self._said: dict[str, tuple[str, float]] = {}
        self._forget_at_s = 0.0
        self._lock = threading.Lock()
        self.backlog = backlog or Backlog(clock)

    def camera(
        self,
        camera: str,
        level: Level,
        code: str,
        message: str,
        counters: Mapping[str, float] | None = None,
        resting_rules: Mapping[str, str] | None = None,
    ) -> None:
        """State how `camera` is as far as this service sees it."""
        if not self._due(f"camera/{camera}", code):
            return
        self._send(
            CameraStatus(
                camera=camera,
                service=self._service,
                level=level,
                code=code,
                message=message[:MAX_MESSAGE],
                at=self._clock.now(),
                counters=dict(counters or {}),
                resting_rules=dict(resting_rules or {}),
            )
        )

    def service(
        self,
        level: Level = Level.OK,
        code: str = "running",
        message: str = "",
        counters: Mapping[str, float] | None = None,
    ) -> None:
        """State how this instance is, unless there is worse to say of it: see `_worse`."""
        broker_clock = self._producer.broker_clock
        level, code, message = self._worse(level) or (level, code, message)
        if not self._due("service", code):
            return
        counted = dict(counters or {}) | self._backlog_counters()
        if broker_clock.ahead is not None:
            counted["broker_clock_ahead_s"] = broker_clock.ahead.total_seconds()
        self._send(
            ServiceStatus(
                service=self._service,
                instance=self._instance,
                level=level,
                code=code,
                message=message[:MAX_MESSAGE],
                at=self._clock.now(),
                started_at=self._started_at,
                counters=counted,
            )
        )

    def _worse(self, level: Level) -> tuple[Level, str, str] | None:
        """Messages about to be lost, messages lost; and if all else is well, a clock that stamps them wrongly."""
        if level is not Level.ERROR:
            if (complaint := self.backlog.complaint) is not None:
                return Level.ERROR, "falling_behind", complaint
            if (loss := self.backlog.loss) is not None:
                return Level.ERROR, "overtaken", loss
        if level is Level.OK and (complaint := self._producer.broker_clock.complaint) is not None:
            return Level.ERROR, "clock_wrong", complaint
        return None

    def _backlog_counters(self) -> dict[str, float]:
        """Seconds; without those that are infinite, which JSON cannot say."""
        worst = self.backlog.worst
        if worst is None:
            return {}
        counted = {"behind_s": worst[1].behind_s, "headroom_s": worst[1].headroom_s}
        return {name: round(value, 1) for name, value in counted.items() if math.isfinite(value)}

    def _due(self, key: str, code: str) -> bool:
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._forget_old(now_s)
            said = self._said.get(key)
            if said is not None and said[0] == code and now_s - said[1] < REPEAT_S:
                return False
            self._said[key] = (code, now_s)
            return True

    def _forget_old(self, now_s: float) -> None:
        """What was said longer ago than the repetition is due whoever it is about: nothing is kept of who is gone."""
        if now_s >= self._forget_at_s:
            self._forget_at_s = now_s + FORGET_EVERY_S
            self._said = {key: said for key, said in self._said.items() if now_s - said[1] < REPEAT_S}

    def _send(self, status: CameraStatus | ServiceStatus) -> None:
        try:
            self._producer.send(STATUS, status.key, status, on_delivery=partial(_note_refusal, status.key))
        except RetryLater as reason:
            log.warning("status not sent", key=status.key, code=status.code, reason=str(reason))


def _note_refusal(key: str, refusal: InvalidRecord | RetryLater | None) -> None:
    """It is said again within seconds, and nothing else that waits for the broker may suffer for it."""
    if refusal is not None:
        log.warning("status not sent", key=key, reason=str(refusal))
