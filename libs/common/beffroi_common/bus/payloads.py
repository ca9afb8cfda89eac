"""What goes onto a topic, as bytes that the topic takes."""

from __future__ import annotations

from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.topics import Topic

from .errors import TooLarge


def payload_of(topic: Topic, value: Contract | FrameBatch | None) -> bytes | None:
    """Encode a message; None, a tombstone, stays None.

    Raises:
        TooLarge: the topic takes no message of that size.
    """
    if value is None:
        return None
    payload = value.encode()
    if len(payload) > topic.max_record_bytes:
        raise TooLarge(f"{topic.name}: {len(payload)} bytes, more than the {topic.max_record_bytes} allowed")
    return payload
