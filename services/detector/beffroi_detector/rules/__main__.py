"""`python -m beffroi_detector.rules`: tracks.v1 in, alerts.v1 out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported all the same

from beffroi_common.bus import StatusReporter, Table
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.bus.kafka import KafkaBus, admin_client, await_slots
from beffroi_common.contracts import Camera, Level
from beffroi_common.runtime.lifecycle import Runtime, running
from beffroi_common.runtime.settings import load
from beffroi_common.topics import CAMERAS, TRACKS, Service
from beffroi_rules import registry
from beffroi_rules.fitting import Plans

from .app import Failed, make_app
from .processor import TracksProcessor
from .settings import RulesSettings

log = structlog.get_logger(__name__)

SERVICE = "rules"
METADATA_TIMEOUT_S = 5.0
BEAT_S = 0.5
STALE = (
    Level.ERROR,
    "stale_configuration",
    "It is not known whether a legal basis is still in force, since cameras.v1 cannot be read: no rule runs, and "
    "tracks wait. Look at the broker, and at the rules' right to read that topic.",
)
TALKATIVE = ("faust", "mode", "aiokafka")
"""They tell each step of every start and rebalance as news; `log_level` debug lets them."""


def main() -> None:
    """Run until asked to stop."""
    with _with_data_folder(load(RulesSettings)) as settings, running(SERVICE, settings) as runtime:
        if settings.log_level != "debug":
            for talkative in TALKATIVE:
                logging.getLogger(talkative).setLevel(logging.WARNING)
        runtime.health.set_ready("assigned", False)
        bus = KafkaBus(settings.kafka, SERVICE, settings.instance)
        cameras = Table(
            bus,
            CAMERAS,
            Camera.decode,
            runtime.clock,
            key_of=attrgetter("id"),
            max_age_s=settings.configuration_age_s,
            name=SERVICE,
        )
        cameras.start()
        try:
            if partitions := _wait_for_broker(cameras, settings, runtime):
                asyncio.run(_process(bus, cameras, partitions, settings, runtime))
        finally:
            cameras.close()


@contextmanager
def _with_data_folder(settings: RulesSettings) -> Iterator[RulesSettings]:
    """Settings that name a folder, be it one for this run alone, which goes with it."""
    if settings.data_folder is not None:
        yield settings
        return
    with TemporaryDirectory(prefix="beffroi-rules-") as folder:
        yield settings.model_copy(update={"data_folder": Path(folder)})


def _wait_for_broker(cameras: Table[Camera], settings: RulesSettings, runtime: Runtime) -> int | None:
    """Wait until the cameras and the number of partitions of `tracks.v1` are known; None when asked to stop before."""
    slots = await_slots(settings.kafka, Service.RULES, runtime, settings.retry_log_s)
    if slots is None or not runtime.wait_for(
        cameras.wait_caught_up,
        settings.retry_log_s,
        "waiting for the cameras' configuration, before which no rule runs: is the broker running?",
        bootstrap_servers=settings.kafka.bootstrap_servers,
    ):
        return None
    return slots


def _ends(admin: AdminClient, partitions: Collection[int]) -> Mapping[int, int]:
    """The end of each partition of `tracks.v1`, of those of which the broker says it."""
    asked = {TopicPartition(TRACKS.name, each): OffsetSpec.latest() for each in partitions}  # type: ignore[no-untyped-call]
    ends: dict[int, int] = {}
    for place, answer in (admin.list_offsets(asked, request_timeout=METADATA_TIMEOUT_S) if asked else {}).items():
        try:
            ends[place.partition] = answer.result().offset
        except KafkaException as reason:
            log.debug("the broker does not say how far there are tracks", partition=place.partition, reason=str(reason))
    return ends


def _situation(processor: TracksProcessor, *, cameras_are_stale: bool) -> tuple[Level, str, str]:
    if cameras_are_stale:
        return STALE
    if processor.waits_for is not None:
        return Level.ERROR, "alerts_wait", f"Tracks wait, and no alert is raised: {processor.waits_for}"
    return Level.OK, "running", ""


async def _process(
    bus: KafkaBus, cameras: Table[Camera], partitions: int, settings: RulesSettings, runtime: Runtime
) -> None:
    producer = bus.producer()
    status = StatusReporter(producer, SERVICE, settings.instance, runtime.clock)
    failure: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failure.append(error)

    admin = admin_client(settings.kafka, f"beffroi-{SERVICE}-{settings.instance}")
    processor = TracksProcessor(
        cameras=cameras.get,
        producer=producer,
        refusals=Refusals(producer, SERVICE, [TRACKS], runtime.clock),
        status=status,
        clock=runtime.clock,
        plans=Plans(registry.load()),
    )
    app = make_app(settings, partitions, processor, fail, partial(_ends, admin))
    app.on_partitions_assigned.connect(lambda *_args, **_more: runtime.health.set_ready("assigned"))
    starting = asyncio.create_task(app.start())
    try:
        while not (runtime.stop.is_set() or failure or app.crashed):
            runtime.health.beat()
            status.service(*_situation(processor, cameras_are_stale=cameras.is_stale))
            if starting.done():
                starting.result()
            await asyncio.sleep(BEAT_S)
    finally:
        starting.cancel()
        await app.stop()
        producer.close()
    if failure or app.crashed:
        raise Failed("the rules end; what is not acknowledged is processed again after a restart") from (
            failure[0] if failure else app.crash_reason
        )


if __name__ == "__main__":
    main()
