"""Segments read back from the object store itself, not from what anybody says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from av.video.frame import VideoFrame

from beffroi_common.media import mp4_reader
from beffroi_common.runtime.settings import RECORDINGS_STORE
from beffroi_common.store.minio import MinioStore

from .loops import StoredPicture, thumbnail
from .minio import ObjectServer


class StoredWronglyError(RuntimeError):
    """An object is not what the index says."""


@dataclass(frozen=True)
class StoredFigures:
    """What segments hold.

    Attributes:
        pictures: in order.
        leaking_pixels: what `look` counted in them.
    """

    pictures: tuple[StoredPicture, ...]
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
    objects = recordings_store(store)
    pictures: list[StoredPicture] = []
    leaking = 0
    for segment in segments:
        data = objects.read(segment["object"])
        if hashlib.sha256(data).hexdigest() != segment["sha256"]:
            raise StoredWronglyError(f"{segment['object']} is not the object that the index describes (SHA-256)")
        began_s = datetime.fromisoformat(segment["starts_at"]).timestamp()
        before = len(pictures)
        for media_s, picture in mp4_reader.decoded(data):
            pictures.append(StoredPicture(began_s + media_s, thumbnail(picture)))
            leaking += look(picture)
        if len(pictures) - before != segment["frames"]:
            held = len(pictures) - before
            raise StoredWronglyError(f"{segment['object']} holds {held} pictures, not {segment['frames']}")
    return StoredFigures(tuple(pictures), leaking)


def recordings_store(server: ObjectServer) -> MinioStore:
    """The store of recordings on that server, for this machine's owner."""
    return MinioStore(RECORDINGS_STORE, server.settings())
