"""How large a message may be: what goes onto a topic, and what is taken from it."""

from __future__ import annotations

from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.topics import Topic

from .errors import TooLarge
from .interfaces import Record


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


def refuse_too_large(topic: Topic, record: Record) -> None:
    """See that a record of a topic is no larger than whoever writes there may make it.

    Raises:
        TooLarge: it is.
    """
    limit = topic.max_record_bytes
    if record.value is not None and len(record.value) > limit:
        raise TooLarge(f"{len(record.value)} bytes, more than the {limit} that {topic.name} allows")
