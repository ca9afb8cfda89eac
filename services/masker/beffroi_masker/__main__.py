"""`python -m beffroi_masker`: frames.raw.v1 in, frames.masked.v1 out; while it is behind, frames.live.v1 too."""

from __future__ import annotations

from collections.abc import Collection

from beffroi_common.bus import Partition, Producer, run
from beffroi_common.bus.journal import Journal, journal_in
from beffroi_common.bus.kafka import KafkaBus, await_slots
from beffroi_common.bus.keyed import KeyedProcessor, ThreadExecutor
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.media.encoding import Quality
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import load
from beffroi_common.topics import FRAMES_RAW, Service

from .decisions import Decisions
from .lane import Lane
from .lateness import Lateness
from .processor import Masking, masker_work
from .settings import MaskerSettings
from .stream import Limits

SERVICE = "masker"


def main() -> None:
    """Run until asked to stop."""
    settings = load(MaskerSettings)
    with running(SERVICE, settings) as runtime:
        if await_slots(settings.kafka, Service.MASKER, runtime, settings.retry_log_s) is None:
            return
        bus = KafkaBus(settings.kafka, SERVICE, settings.instance)
        decisions = Decisions(bus, runtime.clock, settings.configuration_age_s)
        decisions.start()
        try:
            if runtime.wait_for(
                decisions.wait_caught_up,
                settings.retry_log_s,
                "waiting for the mask decisions, before which nothing passes: is the broker running and reachable?",
                bootstrap_servers=settings.kafka.bootstrap_servers,
            ):
                _mask(bus, decisions, settings, runtime)
        finally:
            decisions.close()


def _mask(bus: KafkaBus, decisions: Decisions, settings: MaskerSettings, runtime: Runtime) -> None:
    producer = bus.producer()
    status = StatusReporter(producer, SERVICE, settings.instance, runtime.clock)
    masking = Masking(
        decisions=decisions,
        status=status,
        clock=runtime.clock,
        limits=Limits(settings.decoder_threads, settings.max_pixels, settings.max_rewind_batches),
        quality=Quality(settings.preset, settings.crf, settings.max_bitrate_bps, settings.encoder_threads),
        lateness=Lateness(runtime.clock, producer.broker_clock, settings.lane_behind_s),
    )
    try:
        with (
            journal_in(settings.journal_folder, runtime.clock) as journal,
            Lane(bus, masking, journal),
            _processor(settings, masking, producer, runtime, journal) as processor,
        ):
            run(
                bus,
                processor,
                service=SERVICE,
                topics=[FRAMES_RAW],
                producer=producer,
                stop=runtime.stop,
                clock=runtime.clock,
                beat=runtime.health.beat,
                backlog=status.backlog,
                journal=journal,
            )
    finally:
        producer.close()


def _processor(
    settings: MaskerSettings, masking: Masking, producer: Producer, runtime: Runtime, journal: Journal
) -> KeyedProcessor:
    def assigned(held: Collection[Partition]) -> None:
        masking.lateness.hold(held)
        runtime.health.set_ready("assigned")

    return KeyedProcessor(
        masker_work(masking),
        producer,
        runtime.clock,
        ThreadExecutor(settings.workers, SERVICE),
        idle_s=settings.idle_s,
        queue_bytes=settings.work_queue_bytes,
        hang_s=settings.heartbeat_timeout_s,
        on_assignment=assigned,
        journal=journal,
    )


if __name__ == "__main__":
    main()
