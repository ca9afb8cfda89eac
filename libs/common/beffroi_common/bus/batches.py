"""Frame batches as they come off the bus. Nobody decodes a picture that did not pass here."""

from __future__ import annotations

from beffroi_common.contracts import FrameBatch
from beffroi_common.errors import InvalidRecord
from beffroi_common.media.nal import refuse_too_many_parts

from .interfaces import Record
from .of_camera import decode_of_camera


def raw_batch(record: Record) -> FrameBatch:
    """Read what ingest sent.

    Raises:
        InvalidMessageError: it breaks its contract.
        InvalidRecord: it belongs to another camera, or says that it is masked.
    """
    batch = decode_of_camera(record, _readable)
    if batch.mask_version != 0:
        raise InvalidRecord(f"a raw batch says that it is masked with version {batch.mask_version}")
    return batch


def masked_batch(record: Record) -> FrameBatch:
    """Read what the masker sent, or what was drawn upon it.

    Raises:
        InvalidMessageError: it breaks its contract.
        InvalidRecord: it belongs to another camera, or passed no masker.
    """
    batch = decode_of_camera(record, _readable)
    if batch.mask_version < 1:
        raise InvalidRecord(f"this batch passed no masker: find out who else writes to {record.topic}")
    return batch


def _readable(payload: bytes) -> FrameBatch:
    batch = FrameBatch.decode(payload)
    refuse_too_many_parts(batch.codec, batch.units)
    return batch
