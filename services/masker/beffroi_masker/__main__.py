"""`python -m beffroi_masker`: frames.raw.v1 in, frames.masked.v1 out."""

from __future__ import annotations

from beffroi_common.bus import Producer, run
from beffroi_common.bus.journal import Journal, journal_in
from beffroi_common.bus.kafka import KafkaBus, await_slots
from beffroi_common.bus.keyed import KeyedProcessor, ThreadExecutor
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.media.encoding import Quality
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import load
from beffroi_common.topics import FRAMES_RAW, Service

from .decisions import Decisions
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
    try:
        with (
            journal_in(settings.journal_folder, runtime.clock) as journal,
            _processor(settings, decisions, producer, status, runtime, journal) as processor,
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
    settings: MaskerSettings,
    decisions: Decisions,
    producer: Producer,
    status: StatusReporter,
    runtime: Runtime,
    journal: Journal,
) -> KeyedProcessor:
    masking = Masking(
        decisions=decisions,
        status=status,
        clock=runtime.clock,
        limits=Limits(settings.decoder_threads, settings.max_pixels, settings.max_rewind_batches),
        quality=Quality(settings.preset, settings.crf, settings.max_bitrate_bps, settings.encoder_threads),
    )
    return KeyedProcessor(
        masker_work(masking),
        producer,
        runtime.clock,
        ThreadExecutor(settings.workers, SERVICE),
        idle_s=settings.idle_s,
        queue_bytes=settings.work_queue_bytes,
        hang_s=settings.heartbeat_timeout_s,
        on_assignment=lambda _held: runtime.health.set_ready("assigned"),
        journal=journal,
    )


if __name__ == "__main__":
    main()
