"""Heads of the audit trail on their way out of the database: to `trail.v1` and to the log.

Whoever cuts rows off the end of the trail, or puts an older database in place of it, would have to undo these too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import structlog
from pydantic import ValidationError

from beffroi_api.db import installation
from beffroi_api.db.database import AWAY, Database
from beffroi_api.modules.audit.chain.seal import Head
from beffroi_api.modules.audit.service import Trail
from beffroi_common.bus import Bus, DeliveryError, Producer, RetryLater, Start
from beffroi_common.contracts import InvalidMessageError, TrailHead
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import TRAIL_HEADS

log = structlog.get_logger(__name__)

EVERY_S = 60.0
"""What is cut off sooner than this after it was written is not missed."""

POLL_S = 0.2


class HeadsSender:
    """Sends the head when the trail has grown, each minute at most; see `Sender`."""

    def __init__(self, trail: Trail, database: Database, producer: Producer, clock: Clock) -> None:
        self._trail = trail
        self._database = database
        self._producer = producer
        self._clock = clock
        self._due_s = clock.monotonic_s()
        self._sent: Head | None = None

    def send(self) -> None:
        """See `Sender.send`."""
        if self._clock.monotonic_s() < self._due_s:
            return
        try:
            self._send()
        except AWAY:
            log.warning("the database does not answer: the head of the trail is published when it does")
        except RetryLater as reason:
            log.warning("head of the trail not sent yet", reason=str(reason))

    def acknowledged(self) -> None:
        """The next one says more than one that was lost."""

    def trouble(self) -> None:
        """None of its own."""

    def close(self) -> None:
        """See `Sender.close`. What was added since the last minute is published too."""
        self._due_s = self._clock.monotonic_s()
        with suppress(DeliveryError):  # the producer is of no use any more: the next one begins with the head of then
            self.send()

    def _send(self) -> None:
        head = self._trail.head()
        if head is None or head == self._sent:
            return
        message = self._message(head)
        if message is None:
            self._due_s = self._clock.monotonic_s() + EVERY_S
            log.error("the last row of the audit trail is none of the api's: verify the trail")
            return
        self._producer.send(TRAIL_HEADS, message.database, message)
        log.info("head of the audit trail", head=str(head))
        self._sent, self._due_s = head, self._clock.monotonic_s() + EVERY_S

    def _message(self, head: Head) -> TrailHead | None:
        """A head as it goes out; None: the last row was written past the api, and has a number or a hash that no row
        has.
        """
        try:
            return TrailHead(
                database=installation.database_id(self._database),
                rows=head.rows,
                hash=head.hash,
                at=self._clock.now(),
                signature=head.signature,
            )
        except ValidationError:
            return None


def published(bus: Bus, database: str, clock: Clock, timeout_s: float) -> Iterator[Head]:
    """Every head of a database that is on the bus, oldest first.

    Raises:
        TimeoutError: the topic was not read to its end in time.
    """
    give_up_s = clock.monotonic_s() + timeout_s
    reader = bus.follower([TRAIL_HEADS], Start.BEGINNING)
    try:
        while True:
            record = reader.poll(POLL_S)
            if record is not None and record.key == database and record.value is not None:
                try:
                    yield Head.published(TrailHead.decode(record.value))
                except InvalidMessageError as reason:
                    log.error("unreadable head of the trail", record=repr(record), reason=str(reason))
            if record is None and reader.caught_up():
                return
            if clock.monotonic_s() > give_up_s:
                raise TimeoutError(f"{TRAIL_HEADS.name} was not read to its end within {timeout_s:.0f} s")
    finally:
        reader.close()
