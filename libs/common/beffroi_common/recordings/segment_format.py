"""What goes with a segment's video: its content type, its metadata in the store, and the tags inside the file."""

from __future__ import annotations

import json
from dataclasses import dataclass

from beffroi_common.contracts import FrameBatch, InvalidMessageError, Recording, StoreName
from beffroi_common.store import StoredObject

CONTENT_TYPE = "video/mp4"

RECORDING = "recording"
"""Metadata: the `Recording` as it was published, in JSON. The index can be rebuilt from it."""

SHA256 = "sha256"
"""Metadata: digest of the video, so that whoever would store it again can ask whether it is there."""

PARTITION = "partition"
"""Metadata: the camera's slot when the segment was stored; what becomes of the segment is published there."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What a stored object says of itself.

    Attributes:
        recording: as it was published when the object was stored.
        partition: of `recordings.v1` on which that was.
    """

    recording: Recording
    partition: int


def metadata_of(recording: Recording, partition: int) -> dict[str, str]:
    """The metadata with which a segment is stored."""
    return {RECORDING: recording.model_dump_json(), SHA256: recording.sha256, PARTITION: str(partition)}


def read_segment(found: StoredObject, store: StoreName) -> Segment:
    """Read the metadata of a segment.

    Args:
        found: what the store says of the object.
        store: where it was found. What the metadata says does not count: a copy has that of the first object.

    Raises:
        InvalidMessageError: it is not a segment of ours, or speaks of another object.
    """
    recording = Recording.decode(found.metadata.get(RECORDING, "").encode())
    partition = found.metadata.get(PARTITION, "")
    if recording.object_name != found.name:
        raise InvalidMessageError(f"its metadata speaks of another object, {recording.object_name}")
    if not (partition.isascii() and partition.isdigit()):
        raise InvalidMessageError("its metadata names no partition")
    return Segment(recording.model_copy(update={"store": store}), int(partition))


def tags_of(first: FrameBatch, previous_sha256: str | None) -> dict[str, str]:
    """Tags inside the file that begins with `first`.

    Date, time and camera go with the video (technical order of 3 August 2007); so does the chain.
    """
    chain = {"epoch": first.epoch, "sequence": first.sequence, "previous_sha256": previous_sha256}
    return {
        "title": first.camera,
        "date": first.capture_time.isoformat(timespec="milliseconds"),
        "comment": json.dumps(chain, separators=(",", ":")),
    }
