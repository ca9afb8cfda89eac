"""Messages of one camera as they come off the bus, each under the key that names its camera or its object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from beffroi_common.contracts import InvalidMessageError, Recording
from beffroi_common.errors import InvalidRecord

from .interfaces import Record


class OfCamera(Protocol):
    """A message that says whose it is."""

    @property
    def camera(self) -> str:
        """The id of the camera."""


Message = TypeVar("Message", bound=OfCamera)


def decode_of_camera(record: Record, decode: Callable[[bytes], Message]) -> Message:
    """Read a message of the camera that its key names: whoever works by key would else take it for another's.

    Raises:
        InvalidMessageError: it breaks its contract.
        InvalidRecord: it belongs to another camera, or there is none.
    """
    if record.value is None:
        raise InvalidRecord(f"{record.topic} has no tombstones")
    message = decode(record.value)
    if message.camera != record.key:
        raise InvalidRecord(f"the key names camera {record.key!r}, the message {message.camera!r}")
    return message


def recording_of(record: Record) -> Recording:
    """Read what is said of a segment, whose key names its object.

    Raises:
        InvalidMessageError: it breaks its contract, or stands under another object's key.
    """
    recording = Recording.decode(record.value or b"")
    if recording.key != record.key:
        raise InvalidMessageError(f"the key names {record.key!r}, the message {recording.key!r}")
    return recording
