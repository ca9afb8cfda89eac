"""Segments read back from the object store itself, not from what anybody says of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import av
from av.video.frame import VideoFrame
from minio import Minio

from .minio import ObjectServer

BUCKET = "beffroi-recordings"


class StoredWronglyError(RuntimeError):
    """An object is not what the index says."""


@dataclass(frozen=True)
class StoredFigures:
    """What segments hold.

    Attributes:
        capture_times_s: of each picture, UTC in seconds since 1970, in order.
        leaking_pixels: what `look` counted in them.
    """

    capture_times_s: tuple[float, ...]
    leaking_pixels: int


def read_back(
    store: ObjectServer, segments: Iterable[Mapping[str, Any]], look: Callable[[VideoFrame], int]
) -> StoredFigures:
    """Read segments out of the store, and decode every picture.

    Args:
        store: the object store.
        segments: as the api lists them.
        look: counts what must not be seen in a picture.

    Raises:
        StoredWronglyError: an object's digest or number of pictures is not the index's.
    """
    client = Minio(endpoint=store.endpoint, access_key=store.access_key, secret_key=store.secret_key, secure=False)
    times: list[float] = []
    leaking = 0
    for segment in segments:
        data = _get(client, segment["object"])
        if hashlib.sha256(data).hexdigest() != segment["sha256"]:
            raise StoredWronglyError(f"{segment['object']} is not the object that the index describes (SHA-256)")
        began_s = datetime.fromisoformat(segment["starts_at"]).timestamp()
        pictures = 0
        for media_s, picture in _pictures(data):
            times.append(began_s + media_s)
            leaking += look(picture)
            pictures += 1
        if pictures != segment["frames"]:
            raise StoredWronglyError(f"{segment['object']} holds {pictures} pictures, not {segment['frames']}")
    return StoredFigures(tuple(sorted(times)), leaking)


def _get(client: Minio, name: str) -> bytes:
    answer = client.get_object(bucket_name=BUCKET, object_name=name)
    try:
        return bytes(answer.read())
    finally:
        answer.close()
        answer.release_conn()


def _pictures(data: bytes) -> Iterator[tuple[float, VideoFrame]]:
    first: float | None = None
    with av.open(io.BytesIO(data), "r") as container:
        for picture in container.decode(video=0):
            first = picture.time if first is None else first
            yield picture.time - first, picture


def pictures_in_loop(capture_times_s: tuple[float, ...], loop_start_s: float, duration_s: float, fps: float) -> int:
    """Return how many stored pictures belong to one loop of a clip.

    The loop's first picture is the first one captured after the camera sent it; from there the loop lasts as long
    as its clip. Half a picture of slack at both ends keeps the jitter of arrival out of the count.
    """
    slack_s = 0.5 / fps
    first = next((time_s for time_s in capture_times_s if time_s >= loop_start_s), None)
    if first is None:
        return 0
    return sum(first - slack_s <= time_s < first + duration_s - slack_s for time_s in capture_times_s)
