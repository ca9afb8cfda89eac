"""The recordings of a store, out of what its objects say of themselves: it alone suffices to rebuild the index."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import structlog

from beffroi_common import pattern
from beffroi_common.contracts import InvalidMessageError, Recording
from beffroi_common.recordings.naming import SEGMENTS
from beffroi_common.recordings.segment_format import read_segment
from beffroi_common.store import ObjectStore

log = structlog.get_logger(__name__)


def recordings_in(store: ObjectStore) -> Iterator[Recording]:
    """Every recording of a store, the oldest day first. One question to the store an object: metadata is not listed.

    An object that is no segment of ours is left out, and the log says so.

    Raises:
        StoreUnavailable: the store does not answer; begin again.
        StoreDenied: it refuses our key.
    """
    for listed in store.list(SEGMENTS):
        found = store.stat(listed.name)
        if found is None:
            continue  # destroyed since it was listed
        try:
            recording = read_segment(found, store.name).recording
        except InvalidMessageError as reason:
            log.warning("not a recording", object=found.name, reason=str(reason))
            continue
        yield recording


def numbers_in(data: bytes) -> list[int | None]:
    """The frame numbers of a recorded test pattern; None: a picture without a readable one."""
    with av.open(io.BytesIO(data), "r") as container:
        pictures = (picture.to_ndarray(format="gray") for picture in container.decode(video=0))
        return [pattern.read(np.ascontiguousarray(picture)) for picture in pictures]
