"""The one registry of topics: contract, retention, size limit, producers and consumers of each.

Broker set-up, producer and consumer settings, access rules and the AsyncAPI document are generated from it or tested
against it. A retention is a promise about the disk: it is also the outage that the topic's readers may have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import TypeAdapter

from .contracts import Alert, Camera, Contract, DeadLetter, FrameBatch, Recording, Status, Tracks, TrailHead, Viewers

MAX_FRAME_RECORD_BYTES = 16 * 1024 * 1024
"""A second of 4K at 100 Mbit/s is 12.5 MB; what is larger is no frame batch."""

MAX_SMALL_RECORD_BYTES = 512 * 1024
"""500 tracked objects are 100 kB of JSON; a camera with every zone drawn to the limit is 250 kB."""

RECORD_OVERHEAD_BYTES = 64 * 1024
"""Key, headers and framing around the largest record: the broker counts them, whoever writes a record does not."""

FRAMES_SEGMENT = timedelta(minutes=1)
SMALL_SEGMENT = timedelta(hours=1)
COMPACTED_SEGMENT = timedelta(minutes=10)
"""How long the broker writes to one log segment: it deletes and compacts whole ones only, so that a message lives up to
this much longer than its retention. (Kafka's default is a week.)"""


LARGEST_LOG_SEGMENT_BYTES = 1024**3
SMALLEST_LOG_SEGMENT_BYTES = 4 * (MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES)
LOG_SEGMENTS = 10
"""A partition that is bounded in bytes has about so many log segments: Kafka deletes whole ones only."""


@dataclass(frozen=True)
class Load:
    """What a partition of the camera topics takes in at most.

    Kafka counts a message's time from its own stamp. One written while its clock was ahead outlives its retention by as
    much, pictures that nobody masked among them: so these have a bound in bytes, which no clock moves.
    """

    bytes_per_s: int

    ROOM: ClassVar[int] = 2
    """Cameras are not spread evenly, nor do they keep to their bitrate. A bound that is too low loses pictures that
    somebody has yet to read; one that is twice too high costs disk, and only on the day of a wrong clock."""

    @classmethod
    def of(cls, cameras: int, slots: int, bits_per_s: int) -> Load:
        """Of so many cameras on so many partitions, each of this bitrate at most."""
        return cls(cls.ROOM * math.ceil(cameras / slots) * math.ceil(bits_per_s / 8))


class Service(StrEnum):
    """Who writes and reads. Each is a Kafka principal of its own."""

    INGEST = "ingest"
    MASKER = "masker"
    VISION = "vision"
    RULES = "rules"
    RECORDER = "recorder"
    API = "api"
    LIVE = "live"
    """Live views as a process of their own, where a site runs them so."""


ALL = frozenset(Service)


@dataclass(frozen=True)
class Topic:
    """One topic of the bus.

    Attributes:
        name: name on the broker, with the contract's version.
        contract: `FrameBatch`, or the JSON model.
        retention: how long a message lives; None: compacted, the latest of each key lives.
        max_record_bytes: largest message anyone may send or read.
        producers: services that may write.
        consumers: services that may read.
        forgotten_after: of a compacted topic: a key of which nothing was said for so long goes by itself. None: whoever
            ends it says so (a tombstone).
        key: what the record key names; a camera's messages go to the partition that is its slot.
        frames: holds pictures: short log segments, never tiered, compacted or mirrored.
        quoted: dead letters quote what could not be read. Not pictures, and not what may hold a password by mistake.
    """

    name: str
    contract: type[Contract] | type[FrameBatch] | TypeAdapter[object]
    retention: timedelta | None
    max_record_bytes: int
    producers: frozenset[Service]
    consumers: frozenset[Service]
    key: str = "camera"
    frames: bool = False
    quoted: bool = True
    forgotten_after: timedelta | None = None

    @property
    def dead_letters(self) -> str:
        """Name of the topic that takes what cannot be read here."""
        return f"{self.name}.dlq"

    @property
    def compression(self) -> str:
        """Encoded video does not get smaller; JSON does."""
        return "none" if self.frames else "lz4"

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings for this topic, at every site."""
        config = {
            "max.message.bytes": str(self.max_record_bytes + RECORD_OVERHEAD_BYTES),
            "message.timestamp.type": "LogAppendTime",  # a camera's wrong clock must not keep pictures alive
        }
        if self.retention is None:
            config |= {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": _ms(COMPACTED_SEGMENT),
            }
            ends = self.forgotten_after
            return config | ({} if ends is None else {"cleanup.policy": "compact,delete", "retention.ms": _ms(ends)})
        config |= {
            "cleanup.policy": "delete",
            "retention.ms": _ms(self.retention),
            "segment.ms": _ms(FRAMES_SEGMENT if self.frames else SMALL_SEGMENT),
        }
        return config | ({"file.delete.delay.ms": "1000"} if self.frames else {})

    def config_under(self, load: Load) -> dict[str, str]:
        """The broker's settings where so much is written: pictures are bounded in bytes, too."""
        if not self.frames or self.retention is None:
            return self.config
        most_bytes = int(load.bytes_per_s * (self.retention + FRAMES_SEGMENT).total_seconds())
        segment_bytes = min(LARGEST_LOG_SEGMENT_BYTES, max(SMALLEST_LOG_SEGMENT_BYTES, most_bytes // LOG_SEGMENTS))
        return self.config | {"retention.bytes": str(most_bytes), "segment.bytes": str(segment_bytes)}


def _ms(duration: timedelta) -> str:
    return str(int(duration.total_seconds() * 1000))


def _frames(name: str, retention: timedelta, producers: set[Service], consumers: set[Service]) -> Topic:
    return Topic(
        name=name,
        contract=FrameBatch,
        retention=retention,
        max_record_bytes=MAX_FRAME_RECORD_BYTES,
        producers=frozenset(producers),
        consumers=frozenset(consumers),
        frames=True,
        quoted=False,
    )


def _small(
    name: str,
    contract: type[Contract] | TypeAdapter[object],
    retention: timedelta | None,
    producers: frozenset[Service] | set[Service],
    consumers: frozenset[Service] | set[Service],
    key: str = "camera",
) -> Topic:
    return Topic(
        name=name,
        contract=contract,
        retention=retention,
        max_record_bytes=MAX_SMALL_RECORD_BYTES,
        producers=frozenset(producers),
        consumers=frozenset(consumers),
        key=key,
    )


S = Service
CAMERAS = replace(_small("cameras.v1", Camera, None, {S.API}, ALL - {S.LIVE}), quoted=False)
FRAMES_RAW = _frames("frames.raw.v1", timedelta(minutes=10), {S.INGEST}, {S.MASKER})
FRAMES_MASKED = _frames("frames.masked.v1", timedelta(hours=2), {S.MASKER}, {S.VISION, S.RECORDER, S.API, S.LIVE})
FRAMES_LIVE = _frames("frames.live.v1", timedelta(minutes=1), {S.MASKER}, {S.API, S.LIVE})
"""The newest key pictures while the masker catches up (ADR 38). Out of order with `frames.masked.v1`, and with holes:
for eyes alone, so that nobody who stores or counts may read it."""
FRAMES_ANNOTATED = _frames("frames.annotated.v1", timedelta(minutes=10), {S.VISION}, {S.API, S.LIVE})
TRACKS = _small("tracks.v1", Tracks, timedelta(days=1), {S.VISION}, {S.RULES, S.API})
ALERTS = _small("alerts.v1", Alert, timedelta(days=14), {S.RULES}, {S.API})
RECORDINGS = _small("recordings.v1", Recording, None, {S.RECORDER}, {S.API, S.RECORDER}, key="<store>/<object name>")
STATUS = _small(
    "status.v1",
    TypeAdapter(Status),
    None,
    ALL,
    {S.API, S.LIVE},
    key="camera/<camera>/<service> or service/<service>/<instance>",
)
VIEWERS = replace(
    _small("viewers.v1", Viewers, None, {S.API, S.LIVE}, {S.VISION, S.API, S.LIVE}),
    forgotten_after=timedelta(days=1),  # what it says holds for seconds
)
TRAIL_HEADS = _small("trail.v1", TrailHead, timedelta(days=400), {S.API}, {S.API}, key="database")
"""Not compacted: who can write here could otherwise replace a newer head by an older one."""

TOPICS: tuple[Topic, ...] = (
    CAMERAS,
    FRAMES_RAW,
    FRAMES_MASKED,
    FRAMES_LIVE,
    FRAMES_ANNOTATED,
    TRACKS,
    ALERTS,
    RECORDINGS,
    STATUS,
    VIEWERS,
    TRAIL_HEADS,
)

DEAD_LETTER_RETENTION = timedelta(days=7)


def dead_letter_topic(topic: Topic) -> Topic:
    """The topic that takes what cannot be read on `topic`.

    Its readers write it; live views leave that to the others, one of whom reads each topic that they read. What quotes
    a message lives no longer than the message would have.
    """
    quoted_for = topic.retention if topic.quoted else None
    return Topic(
        name=topic.dead_letters,
        contract=DeadLetter,
        retention=min(DEAD_LETTER_RETENTION, quoted_for or DEAD_LETTER_RETENTION),
        max_record_bytes=MAX_SMALL_RECORD_BYTES,
        producers=topic.consumers - {S.LIVE},
        consumers=frozenset(),
    )


def every_topic() -> tuple[Topic, ...]:
    """All topics, each followed by its dead letters."""
    return tuple(each for topic in TOPICS for each in (topic, dead_letter_topic(topic)))
