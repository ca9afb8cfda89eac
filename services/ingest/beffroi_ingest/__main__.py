"""`python -m beffroi_ingest`: cameras in, frames.raw.v1 out."""

from __future__ import annotations

import sys

import structlog

from beffroi_common.bus import Consumer, from_the_beginning
from beffroi_common.bus.age import TopicAge
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.bus.kafka import KafkaBus, await_slots
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import Camera, CameraSource
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import load
from beffroi_common.topics import CAMERAS, Service

from .batching import BatchLimits
from .camera_stream import CameraStream
from .outbox import Outbox, OutboxLimits, SideProducer
from .owner import Owner
from .settings import IngestSettings
from .sources import Pause, Source, SourceOptions, open_source

SERVICE = "ingest"
POLL_S = 0.2
FLUSH_S = 1.0
CLOSE_S = 5.0

log = structlog.get_logger(__name__)


def main() -> None:
    """Run until asked to stop."""
    settings = load(IngestSettings)
    with running(SERVICE, settings) as runtime:
        if await_slots(settings.kafka, Service.INGEST, runtime, settings.retry_log_s) is not None:
            Ingest(settings, runtime).run()


class Ingest:
    """The parts of one instance, wired."""

    def __init__(self, settings: IngestSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._bug: BaseException | None = None
        self._bus = KafkaBus(settings.kafka, SERVICE, settings.instance)
        self._producer = SideProducer(self._bus.producer, runtime.clock)
        self._status = StatusReporter(self._producer, SERVICE, settings.instance, runtime.clock)
        self._outbox = Outbox(
            self._bus.producer,
            OutboxLimits(settings.outbox_bytes, settings.in_flight_bytes, FLUSH_S),
            on_bug=self._end_with,
            beat=lambda: runtime.health.beat("outbox"),
        )
        self._age = TopicAge(CAMERAS, runtime.clock, may_be_truncated=True)  # it is read anew then
        refusals = Refusals(self._producer, SERVICE, [CAMERAS], runtime.clock)
        self._owner = Owner(
            self._new_stream,
            self._outbox,
            self._status,
            refusals,
            runtime.clock,
            is_stale=lambda: self._age.age_s > settings.configuration_age_s,
            was_frozen=lambda: self._bus.membership.in_doubt,
        )

    def run(self) -> None:
        """Run until asked to stop, or until a thread met a bug."""
        self._outbox.start()
        consumer = self._bus.consumer(SERVICE, [CAMERAS], self._owner, begin_at=from_the_beginning)
        try:
            self._follow(consumer)
        finally:
            self._owner.stop()
            consumer.close()
            self._outbox.close(CLOSE_S)
            self._producer.close()
        if self._bug is not None:
            log.critical("a thread ended by a bug", exc_info=self._bug)
            sys.exit(1)

    def _follow(self, consumer: Consumer) -> None:
        wait = Backoff(self._runtime.clock, self._settings.retry_log_s, self._settings.retry_log_s)
        wait.failed()
        while not self._runtime.stop.is_set():
            self._runtime.health.beat()
            record = consumer.poll(POLL_S)
            self._age.measure(consumer)
            if record is not None:
                self._owner.take(record)
            elif consumer.caught_up():
                self._owner.reconcile()
                self._runtime.health.set_ready("assigned")
            else:
                self._owner.tell()
                if wait.is_due():
                    wait.failed()
                    log.warning(
                        "waiting to be given cameras: is the broker running and reachable, are the topics made, and "
                        "are there fewer instances than partitions?",
                        bootstrap_servers=self._settings.kafka.bootstrap_servers,
                    )

    def _new_stream(self, camera: Camera) -> CameraStream:
        return CameraStream(
            camera,
            self._open,
            self._outbox,
            self._status,
            self._runtime.clock,
            BatchLimits(self._settings.batch_s, self._settings.batch_bytes),
            Backoff(self._runtime.clock, self._settings.retry_first_s, self._settings.retry_most_s),
            on_bug=self._end_with,
        )

    def _open(self, source: CameraSource, pause: Pause) -> Source:
        settings = self._settings
        options = SourceOptions(
            settings.addresses, settings.secrets_dir, settings.open_timeout_s, settings.read_timeout_s
        )
        return open_source(source, options, self._runtime.clock, pause)

    def _end_with(self, bug: BaseException) -> None:
        self._bug = bug
        self._runtime.stop.set()


if __name__ == "__main__":
    main()
