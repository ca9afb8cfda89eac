"""The rules as a Faust application: an agent on `tracks.v1` with a table of cameras that outlives its worker."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from beffroi_common.bus import Fatal, Offsets, Record, RetryLater
from beffroi_common.runtime.camera_series import CameraSeries
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import MAX_SMALL_RECORD_BYTES, TRACKS

from .changelog import ChangelogPlaces, ForwardTable
from .idle import IdleCameras
from .processor import MAX_STATE_BYTES, TracksProcessor
from .settings import RulesSettings

log = structlog.get_logger(__name__)

APP = "rules"
"""Name of the consumer group, and the beginning of the changelog's name."""

TABLE = "cameras"

COMPACTION_LAG_S = 24 * 3600
"""So long the changelog keeps what was written, though something was written over it: `tracks.v1` lives as long."""

WRITE_AGAIN_S = 6 * 3600.0
"""A state is written again so often. Who was frozen may have written an older one over it, and nobody reads the
changelog of a partition that it has: so it never lies there alone."""

HEARTBEATS = 3
"""In one session time-out, as Kafka advises."""

PATIENCE_S = 1_000_000.0
"""Eleven days: after this Faust's own producer, which writes the changelog, takes a broker that is away for one that
refused."""

REQUEST_MARGIN_S = 30.0
"""Faust wants requests to be allowed to take longer than a session."""


Ends = Callable[[Collection[int]], Mapping[int, int]]
"""Asks the broker for the end of partitions of `tracks.v1`; those of which it says nothing are left out."""


class Failed(Fatal):
    """A bug, or a broker that refuses for good: the process ends and begins again from what is committed."""


class SteadyFlow(FlowControlEvent):
    """Clears what was read ahead once for each interruption.

    Faust resumes twice after a rebalance, before and after it has read the changelog, and its own flow control throws
    away what arrived between: messages are lost and nothing is committed any more (faust-streaming/faust, issue 596).
    """

    def resume(self) -> None:
        """Let messages in again."""
        if not self.is_active():
            super().resume()


class RulesApp(faust.App):
    """Faust, with a flow that loses nothing."""

    @cached_property
    def flow_control(self) -> FlowControlEvent:
        """Flow control of streams."""
        return SteadyFlow(loop=self.loop)


def make_app(
    settings: RulesSettings,
    partitions: int,
    processor: TracksProcessor,
    fail: Callable[[BaseException], None],
    ends: Ends = lambda _partitions: {},
) -> faust.App:
    """Make the application.

    Args:
        settings: of the instance.
        partitions: of `tracks.v1`; the changelog must have as many.
        processor: processes each record.
        fail: is called with a bug, after which nothing is acknowledged any more.
        ends: says up to where there is something to read. Without an answer no camera is idle.
    """
    app = RulesApp(**_config(settings, partitions))
    table: Any = app.Table(
        TABLE,
        partitions=partitions,
        key_type=str,
        value_type=str,  # JSON as text: Faust cannot recover a table of plain dictionaries
        extra_topic_configs={
            "max.message.bytes": str(MAX_STATE_BYTES),
            "min.compaction.lag.ms": str(COMPACTION_LAG_S * 1000),
        },
    )
    topic = app.topic(TRACKS.name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    writer = _StateWriter(settings, processor, table, table.places)
    app.on_partitions_assigned.connect(writer.begin, weak=False)
    app.on_partitions_revoked.connect(writer.leave, weak=False)
    app.on_rebalance_complete.connect(lambda *_arguments, **_more: writer.resume(_assigned(app)), weak=False)

    @app.agent(topic)
    async def watch(stream: Any) -> None:
        # Acknowledged by hand: an agent that raises would acknowledge all the same.
        manual = stream.noack()
        with _telling(fail):
            await writer.write_all(manual, manual.events())

    async def end_idle() -> None:
        with _telling(fail):
            await writer.end_idle(await _caught_up(app, writer, ends))

    app.timer(settings.idle_check_s)(end_idle)
    return app


@contextmanager
def _telling(fail: Callable[[BaseException], None]) -> Iterator[None]:
    """Tell of a bug, which Faust alone would only log."""
    try:
        yield
    except Exception as error:
        fail(error)
        raise


def _assigned(app: faust.App) -> set[int]:
    return {each.partition for each in app.consumer.assignment() if each.topic == TRACKS.name}


async def _caught_up(app: faust.App, writer: _StateWriter, ends: Ends) -> set[int]:
    """Partitions of which all that the broker has was counted."""
    reached: dict[int, int] = {}
    found = await asyncio.get_running_loop().run_in_executor(None, ends, frozenset(writer.active))
    for partition in found:
        due = writer.next_offset(partition)
        if due is None:  # nothing came of it since it was assigned: Faust reads on from what is committed
            due = await _position(app, partition)
        if due is not None:
            reached[partition] = due
    writer.measure(reached, found)
    return {partition for partition, due in reached.items() if due >= found[partition]}


async def _position(app: faust.App, partition: int) -> int | None:
    try:
        position: int | None = await app.consumer.position(TP(TRACKS.name, partition))
    except (ConsumerNotStarted, KafkaError):  # or stopped, or the partition was lost meanwhile, as to a broker away
        return None
    return position


class _StateWriter:
    """Processes events in order and writes down what to remember, once what was said about them is safe."""

    def __init__(
        self,
        settings: RulesSettings,
        processor: TracksProcessor,
        table: Any,
        places: ChangelogPlaces | None = None,
    ) -> None:
        self._settings = settings
        self._processor = processor
        self._table = table
        self._places = places or ChangelogPlaces()
        self._next_offset: dict[int, int] = {}
        self._unacknowledged: list[tuple[Any, Any, Record]] = []
        """Streams and their events whose dead letters the broker has not taken yet."""
        self._idle = IdleCameras(settings.idle_s, 2 * settings.idle_check_s)
        self._turn = asyncio.Lock()
        """Tracks and idleness of a camera are counted one after the other."""
        self._written_s: dict[tuple[str, int], float] = {}
        self._had: frozenset[int] = frozenset()
        """Partitions at the last assignment. Faust revokes all of them at each rebalance, also those that stay."""
        self._series = CameraSeries(processor.clock)
        self.active: frozenset[int] = frozenset()
        """Partitions whose state was read from the changelog, and is written by this instance alone."""

    async def begin(self, *_arguments: Any, **_more: Any) -> None:
        """Partitions were assigned again: each may begin anywhere."""
        self._next_offset.clear()
        self._unacknowledged.clear()

    async def leave(self, *arguments: Any, **_more: Any) -> None:
        """Partitions were revoked: whoever has them next counts what is refused of them anew."""
        self.active = frozenset()
        _app, revoked = arguments
        left = {(each.topic, each.partition) for each in revoked}
        self._unacknowledged = [each for each in self._unacknowledged if each[2].source not in left]
        self._processor.refusals.drop(left)

    async def resume(self, assigned: Collection[int]) -> None:
        """What was remembered of these partitions was read from the changelog."""
        self._idle.begin()
        self.active = frozenset(assigned)
        stay, self._had = self._had & self.active, self.active
        self._written_s = {place: at_s for place, at_s in self._written_s.items() if place[1] in stay}
        for camera, partition in [each for each in self._places.late if each[1] in self.active]:
            self._write_again(camera, partition)

    def next_offset(self, partition: int) -> int | None:
        """The one after that counted last; None: none was since the partition was assigned."""
        return self._next_offset.get(partition)

    def measure(self, reached: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Take stock of what was not counted yet, up to the ends of the partitions."""
        self._processor.status.backlog.measure(
            {(TRACKS.name, partition): offset for partition, offset in reached.items()},
            {(TRACKS.name, partition): Offsets(None, end) for partition, end in ends.items()},
        )

    async def write_all(self, stream: Any, events: AsyncIterable[Any]) -> None:
        async for event in events:
            record = _record(event)
            self._refuse_hole(record)
            self._processor.status.backlog.observe(record)
            async with self._turn:
                after = await self._process(record)
                if after is not None:
                    self._idle.observe(record.partition, record.key)
                    self._table[record.key] = after
                    self._remember_here_alone(record.key, record.partition)
            self._unacknowledged.append((stream, event, record))
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Acknowledge what is done with: a dead letter that the broker does not take holds its own record back."""
        refusals = self._processor.refusals
        refusals.turn()
        events, self._unacknowledged = self._unacknowledged, []
        done: list[tuple[Any, Any]] = []
        for stream, event, record in events:
            if refusals.is_pending(record):
                self._unacknowledged.append((stream, event, record))
            else:
                done.append((stream, event))
        for stream, event in done:
            await stream.ack(event)

    async def end_idle(self, caught_up: Collection[int]) -> None:
        """End what is open of cameras that give no tracks any more, and forget those that are gone from here."""
        await self._acknowledge()
        self._idle.turn(caught_up, self._processor.clock.monotonic_s())
        self._retain()
        for camera, partition in self._places.within(self.active.intersection(caught_up)):
            async with self._turn:
                if partition in self.active and self._idle.is_idle(partition, camera):
                    await self._try_to_end(camera, partition)

    def _retain(self) -> None:
        """Write again what was written long ago, and forget whose cameras are another worker's by now."""
        now_s = self._processor.clock.monotonic_s()
        held = list(self._places.within(self.active))
        for place in held:
            if now_s - self._written_s.setdefault(place, now_s) >= WRITE_AGAIN_S:
                self._write_again(*place)
        cameras = {camera for camera, _ in held}
        self._series.retain(cameras)
        self._processor.retain(cameras)

    def _write_again(self, camera: str, partition: int) -> None:
        remembered = self._table.data.get(camera)
        if remembered is not None and self._places.of(camera) == {partition}:
            self._table.send_changelog(partition, camera, remembered)
            self._note_written(camera, partition)

    def _note_written(self, camera: str, partition: int) -> None:
        self._places.remember(camera, partition)
        self._written_s[camera, partition] = self._processor.clock.monotonic_s()

    async def _try_to_end(self, camera: str, partition: int) -> None:
        try:
            await self._end(camera, partition)
        except RetryLater as reason:
            log.warning("retry later", camera=camera, reason=str(reason))

    async def _end(self, camera: str, partition: int) -> None:
        if self._processor.is_elsewhere(camera, partition):
            self._forget(camera, partition)
            return
        remembered = self._table.get(camera)
        after = None if remembered is None else self._processor.end_idle(camera, partition, remembered)
        if after is not None:
            await self._flush()
            if partition not in self.active:
                return  # revoked meanwhile: whoever has it now says the same, under the same identity
            self._table.send_changelog(partition, camera, after)
            self._table.data[camera] = after
            self._note_written(camera, partition)
        if self._processor.is_gone(camera):
            self._forget(camera, partition)

    def _remember_here_alone(self, camera: str, partition: int) -> None:
        self._note_written(camera, partition)
        for other in (self._places.of(camera) - {partition}) & self.active:
            self._forget(camera, other)

    def _forget(self, camera: str, partition: int) -> None:
        self._table.send_changelog(partition, camera, None, value_serializer="raw")
        self._idle.forget(partition, camera)
        self._places.forget(camera, partition)
        self._written_s.pop((camera, partition), None)
        if not self._places.of(camera):
            self._table.data.pop(camera, None)
            self._processor.forget(camera)
        log.info("the state of a camera that is gone from here is forgotten", camera=camera, partition=partition)

    async def _process(self, record: Record) -> str | None:
        while True:
            try:
                after = self._processor.process(record, self._table.get(record.key))
                await self._flush()
            except RetryLater as reason:
                if self._processor.waits_for is None:
                    log.warning("retry later", record=repr(record), reason=str(reason))
                self._processor.waits_for = reason
                self._processor.refusals.turn()  # it may wait for these, and nobody else sends them meanwhile
                await asyncio.sleep(self._settings.retry_s)
            else:
                self._processor.waits_for = None
                return after

    def _refuse_hole(self, record: Record) -> None:
        """Tracks are never compacted: an offset that is left out was lost on the way, and a restart reads it again."""
        expected = self._next_offset.get(record.partition, record.offset)
        if record.offset > expected:
            raise Failed(f"{record!r} came where offset {expected} was due")
        self._next_offset[record.partition] = record.offset + 1

    async def _flush(self) -> None:
        """Wait until the broker has every alert: what is remembered must have been said.

        Raises:
            RetryLater: it does not take one at present.
        """
        loop = asyncio.get_running_loop()
        while left := await loop.run_in_executor(None, self._processor.flush, self._settings.flush_timeout_s):
            log.warning("waiting for the broker to take alerts", messages=left)


def _record(event: Any) -> Record:
    message = event.message
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=(message.key or b"").decode("utf-8", "replace"),
        value=message.value,
        timestamp_ms=round(message.timestamp * 1000),
    )


def _config(settings: RulesSettings, partitions: int) -> dict[str, Any]:
    kafka = settings.kafka
    return {
        "id": APP,
        "broker": [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": kafka.session_timeout_s / HEARTBEATS,
        "broker_request_timeout": kafka.session_timeout_s + REQUEST_MARGIN_S,
        "broker_commit_interval": settings.commit_interval_s,
        "broker_check_crcs": True,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": f"{APP}-{settings.instance}",  # known by name after a restart
        "consumer_max_fetch_size": max(MAX_STATE_BYTES, 2 * MAX_SMALL_RECORD_BYTES),
        "producer_max_request_size": MAX_STATE_BYTES,
        "producer_acks": -1,
        "producer_request_timeout": PATIENCE_S,
        "processing_guarantee": "at_least_once",
        "stream_buffer_maxsize": settings.stream_buffer,
        "topic_partitions": partitions,
        "topic_replication_factor": settings.changelog_replicas,
        "topic_allow_declare": True,
        "topic_disable_leader": True,
        "store": "memory://",
        "Table": ForwardTable,
        "datadir": str(settings.data_folder or ""),
        "web_enabled": False,
    }


def _credentials(kafka: KafkaSettings) -> Credentials | None:
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = None if kafka.security_protocol == "SASL_PLAINTEXT" else _tls(kafka)
    if kafka.security_protocol == "SSL":
        return SSLCredentials(context)
    return SASLCredentials(
        username=kafka.username,
        password=kafka.password.get_secret_value() if kafka.password else None,
        mechanism=kafka.sasl_mechanism,
        ssl_context=context,
    )


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
    if kafka.certificate_file is not None:
        context.load_cert_chain(kafka.certificate_file, kafka.key_file)
    return context
