"""What passes for a frame batch on the topic it came by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.messages import recording_of
from tests.unit.common.test_contracts import batch

from beffroi_common.bus import InvalidRecord, Record
from beffroi_common.bus.batches import masked_batch, raw_batch
from beffroi_common.bus.of_camera import recording_of as read_recording
from beffroi_common.contracts import Codec, FrameBatch, InvalidMessageError
from beffroi_common.media.nal import MAX_BATCH_PARTS, MAX_PARTS
from beffroi_common.topics import FRAMES_MASKED, FRAMES_RAW, RECORDINGS, Topic


def record(of: FrameBatch, topic: Topic = FRAMES_MASKED, **changes: object) -> Record:
    return replace(Record(topic.name, 0, 0, of.camera, of.encode(), 0), **changes)  # type: ignore[arg-type]


def test_each_topic_has_its_own() -> None:
    raw, masked = batch(mask_version=0), batch(mask_version=1)
    assert raw_batch(record(raw, FRAMES_RAW)) == raw
    assert masked_batch(record(masked)) == masked


def test_a_raw_picture_never_passes_for_a_masked_one_nor_a_masked_one_for_raw() -> None:
    with pytest.raises(InvalidRecord, match=r"passed no masker: find out who else writes to frames\.masked\.v1"):
        masked_batch(record(batch(mask_version=0)))
    with pytest.raises(InvalidRecord, match="says that it is masked with version 3"):
        raw_batch(record(batch(mask_version=3), FRAMES_RAW))


@pytest.mark.parametrize("read", [raw_batch, masked_batch])
def test_what_is_no_batch_of_the_camera_it_travels_under_is_refused(read: object) -> None:
    assert callable(read)
    good = batch(mask_version=int(read is masked_batch))
    with pytest.raises(InvalidRecord, match="the key names camera 'other', the message 'place'"):
        read(record(good, key="other"))
    with pytest.raises(InvalidRecord, match="no tombstones"):
        read(record(good, value=None))
    with pytest.raises(InvalidMessageError, match="cut short"):
        read(record(good, value=good.encode()[:-5]))


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("pictures", [1, 4])
def test_pictures_made_of_beginnings_alone_are_refused(codec: Codec, pictures: int) -> None:
    part, most = b"\xff\xda" if codec is Codec.MJPEG else b"\x00\x00\x01\x09", min(MAX_PARTS, MAX_BATCH_PARTS // 4)
    good = batch(codec=codec)
    units = [replace(good.units[0], pts=9000 * n, dts=9000 * n, data=part * most) for n in range(pictures)]
    assert raw_batch(record(replace(good, units=tuple(units)), FRAMES_RAW))
    units[-1] = replace(units[-1], data=part * (most + 1))
    with pytest.raises(InvalidMessageError, match="parts"):
        raw_batch(record(replace(good, units=tuple(units)), FRAMES_RAW))


def test_what_is_said_of_one_object_under_the_key_of_another_is_refused() -> None:
    said = recording_of("gate", datetime(2026, 1, 1, tzinfo=UTC))
    good = Record(RECORDINGS.name, 0, 0, said.key, said.encode(), 0)
    assert read_recording(good) == said
    for key in ("recordings/segments/other.mp4", "", "gate"):
        with pytest.raises(InvalidMessageError, match="the key names"):
            read_recording(replace(good, key=key))
    with pytest.raises(InvalidMessageError):
        read_recording(replace(good, value=None))
