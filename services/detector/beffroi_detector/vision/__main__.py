"""`python -m beffroi_detector.vision`: frames.masked.v1 in, tracks.v1 and frames.annotated.v1 out."""

from __future__ import annotations

import structlog

from beffroi_common.bus import StatusReporter, run
from beffroi_common.bus.journal import journal_in
from beffroi_common.bus.kafka import KafkaBus, await_slots
from beffroi_common.bus.keyed import KeyedProcessor, ThreadExecutor
from beffroi_common.media.encoding import Quality
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import SettingsError, load
from beffroi_common.topics import FRAMES_MASKED, Service
from beffroi_detector.catalogue import model_folder
from beffroi_detector.manifest import ModelError
from beffroi_rules import registry
from beffroi_rules.fitting import Plans

from .camera_stream import CameraStream
from .configuration import BusConfiguration
from .decoding import PictureDecoder
from .model import Detector, ModelOptions
from .processor import Looking, Pace, vision_work
from .settings import VisionSettings
from .tracking import CameraTracker, TrackOptions

SERVICE = "vision"
log = structlog.get_logger(__name__)


def main() -> None:
    """Run until asked to stop."""
    settings = load(VisionSettings)
    with running(SERVICE, settings) as runtime:
        runtime.health.set_ready("model", False)
        runtime.health.set_ready("assigned", False)
        detector = _detector(settings)
        runtime.health.set_ready("model")
        log.info("model loaded", model=detector.name, device=settings.device)
        if await_slots(settings.kafka, Service.VISION, runtime, settings.retry_log_s) is None:
            return
        bus = KafkaBus(settings.kafka, SERVICE, settings.instance)
        configuration = BusConfiguration(
            bus, runtime.clock, Plans(registry.load(), detector.classes), settings.configuration_age_s
        )
        configuration.start()
        try:
            if runtime.wait_for(
                configuration.wait_caught_up,
                settings.retry_log_s,
                "waiting for the cameras' configuration, before which nothing is analysed: is the broker running?",
                bootstrap_servers=settings.kafka.bootstrap_servers,
            ):
                _look(bus, configuration, detector, settings, runtime)
        finally:
            configuration.close()


def _detector(settings: VisionSettings) -> Detector:
    try:
        folder = settings.model_folder or model_folder(settings.model)
        return Detector(
            folder,
            ModelOptions(
                device=settings.device,
                threads=settings.threads,
                parallel=settings.workers,
                input_wh=(settings.input_width, settings.input_height),
                max_batch=settings.max_inference_batch,
                confidence=settings.confidence_low,
                overlap=settings.overlap,
            ),
        )
    except ModelError as error:
        raise SettingsError(f"BEFFROI_VISION_MODEL: {error}") from None


def _look(
    bus: KafkaBus, configuration: BusConfiguration, detector: Detector, settings: VisionSettings, runtime: Runtime
) -> None:
    producer = bus.producer()
    tracking = TrackOptions(settings.confidence_high, settings.lost_track_s, settings.sample_period_s)
    quality = Quality(settings.annotated_preset, settings.annotated_crf)
    status = StatusReporter(producer, SERVICE, settings.instance, runtime.clock)
    looking = Looking(
        configuration=configuration,
        status=status,
        clock=runtime.clock,
        new_stream=lambda: CameraStream(
            PictureDecoder(settings.max_pixels), detector, CameraTracker(tracking), quality
        ),
        pace=Pace(
            period_s=settings.sample_period_s,
            catch_up_after_s=settings.catch_up_after_s,
            catch_up_period_s=settings.catch_up_period_s,
            annotated_late_s=settings.annotated_late_s,
        ),
        max_rewind_batches=settings.max_rewind_batches,
    )
    try:
        with (
            journal_in(settings.journal_folder, runtime.clock) as journal,
            KeyedProcessor(
                vision_work(looking),
                producer,
                runtime.clock,
                ThreadExecutor(settings.workers, SERVICE),
                idle_s=settings.idle_s,
                queue_bytes=settings.work_queue_bytes,
                hang_s=settings.heartbeat_timeout_s,
                on_assignment=lambda _held: runtime.health.set_ready("assigned"),
                journal=journal,
            ) as vision,
        ):
            run(
                bus,
                vision,
                service=SERVICE,
                topics=[FRAMES_MASKED],
                producer=producer,
                stop=runtime.stop,
                clock=runtime.clock,
                beat=runtime.health.beat,
                backlog=status.backlog,
                journal=journal,
            )
    finally:
        producer.close()


if __name__ == "__main__":
    main()
