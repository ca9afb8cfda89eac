"""The index of recordings, rebuilt from what the objects of a store say of themselves."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from beffroi_common.contracts import InvalidMessageError, Recording
from beffroi_common.store import ObjectStore

from .naming import SEGMENTS
from .segment_format import read_segment

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
