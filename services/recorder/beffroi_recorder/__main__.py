"""`python -m beffroi_recorder`: wires the recorder and runs it until it is asked to stop."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import closing
from datetime import timedelta

import structlog

from beffroi_common.bus import Partition, Producer, StatusReporter, run
from beffroi_common.bus.journal import journal_in
from beffroi_common.bus.kafka import KafkaBus, await_slots
from beffroi_common.contracts import Level
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import load
from beffroi_common.store import ObjectStore, RetentionError, StoreDenied
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import FRAMES_MASKED, Service

from .bucket import open_bucket
from .keep.destroyer import Destroyer, NotDestroyedError
from .keep.register import Register
from .keep.retention import Retention, RetentionThread
from .publishing import FLUSH_TIMEOUT_S
from .record.cutting import CutRules
from .record.heads import Heads
from .record.processor import Recorder
from .record.uploads import UploadQueue
from .record.work_dir import WorkDir
from .settings import RecorderSettings
from .trouble import Troubles

SERVICE = "recorder"

RETRY_LOG_S = 5.0
"""How often it is said that the broker is waited for."""

log = structlog.get_logger(__name__)


def main() -> None:
    """Run; a bucket that breaks its promise or a refused key ends the process with status 1."""
    settings = load(RecorderSettings)
    with running(SERVICE, settings) as runtime:
        slots = await_slots(settings.kafka, Service.RECORDER, runtime, RETRY_LOG_S)
        if slots is None:
            return
        bus = KafkaBus(settings.kafka, SERVICE, settings.instance)
        producer = bus.producer()
        reporter = StatusReporter(producer, SERVICE, settings.instance, runtime.clock)
        try:
            store = MinioStore(settings.store_name, settings.store)
            _record(settings, runtime, bus, slots, producer, reporter, store)
        except (StoreDenied, RetentionError, NotDestroyedError) as reason:
            log.error("cannot record", error=type(reason).__name__, reason=str(reason))
            reporter.service(Level.ERROR, "store_refuses", str(reason))
            sys.exit(1)
        finally:
            producer.close()


def _record(
    settings: RecorderSettings,
    runtime: Runtime,
    bus: KafkaBus,
    slots: int,
    producer: Producer,
    reporter: StatusReporter,
    store: ObjectStore,
) -> None:
    backoff = _backoff(settings, runtime)
    troubles = Troubles()
    runtime.health.set_ready("partitions", False)
    with (
        WorkDir(settings.work_dir, settings.work_bytes) as work,
        journal_in(settings.journal_folder, runtime.clock) as journal,
    ):
        if not open_bucket(
            store,
            settings.retention_days,
            reporter=reporter,
            clock=runtime.clock,
            stop=runtime.stop,
            beat=runtime.health.beat,
            backoff=backoff,
        ):
            return
        destroyer = Destroyer(
            store,
            producer,
            runtime.clock,
            Register(bus, slots, store, producer, runtime.clock, timedelta(days=settings.retention_days)),
            slots=slots,
            retention_days=settings.retention_days,
            interval_s=settings.destroy_interval_s,
            most=settings.destroy_most,
            hand_over_s=4 * settings.store.timeout_s + FLUSH_TIMEOUT_S,  # connect and answer, twice, and the word of it
        )
        retention = Retention(destroyer, _backoff(settings, runtime), troubles)
        heads = Heads(store, work)

        def owned(partitions: Collection[Partition]) -> None:
            runtime.health.set_ready("partitions", bool(partitions))
            destroyer.own(partitions)

        recorder = Recorder(
            store=settings.store_name,
            rules=CutRules(settings.segment_s, settings.max_gap_s, settings.max_drift_s),
            idle_s=settings.idle_s,
            queue_bytes=settings.work_queue_bytes,
            backoff=backoff,
            work=work,
            heads=heads,
            uploads=lambda stored: UploadQueue(store, producer, heads, stored, runtime.clock),
            producer=producer,
            troubles=troubles,
            reporter=reporter,
            clock=runtime.clock,
            sweep=destroyer.sweep,
            owned=owned,
            journal=journal,
        )
        with closing(destroyer), RetentionThread(retention.turn, runtime.health, runtime.stop):
            run(
                bus,
                recorder,
                service=SERVICE,
                topics=[FRAMES_MASKED],
                producer=producer,
                stop=runtime.stop,
                clock=runtime.clock,
                beat=runtime.health.beat,
                backlog=reporter.backlog,
                journal=journal,
            )


def _backoff(settings: RecorderSettings, runtime: Runtime) -> Backoff:
    return Backoff(runtime.clock, settings.store_retry_first_s, settings.store_retry_most_s)


if __name__ == "__main__":
    main()
