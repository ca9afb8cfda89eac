"""What the api reads from the bus for its index: alerts and recordings. How far it has read is in the index, too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from sqlalchemy.exc import DataError, IntegrityError

from beffroi_api.bus.positions import Positions
from beffroi_api.db.database import AWAY
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.recordings.service import Recordings
from beffroi_common.bus import Backlog, Bus, InvalidRecord, Partition, Processor, Record, RetryLater, run
from beffroi_common.bus.of_camera import decode_of_camera, recording_of
from beffroi_common.contracts import Alert
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import ALERTS, RECORDINGS


class IndexIntake(Processor):
    """Writes alerts and recordings into the database, each together with how far the bus was read by then."""

    def __init__(
        self,
        bus: Bus,
        alerts: Alerts,
        recordings: Recordings,
        positions: Positions,
        group: str,
        clock: Clock,
        beat: Callable[[], None],
        backlog: Backlog,
    ) -> None:
        self._bus = bus
        self._alerts = alerts
        self._recordings = recordings
        self._positions = positions
        self._group = group
        self._clock = clock
        self._beat = beat
        self._backlog = backlog

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set.

        Raises:
            DeliveryError: a dead letter was refused; run again, with a new producer.
            RetryLater: it is to be read from elsewhere, or the database cannot say from where; run again.
        """
        self._positions.forget()
        producer = self._bus.producer()
        try:
            run(
                self._bus,
                self,
                group=self._group,
                service="api",
                topics=[ALERTS, RECORDINGS],
                producer=producer,
                stop=stop,
                clock=self._clock,
                beat=self._beat,
                backlog=self._backlog,
                offsets=self._positions,
            )
        finally:
            producer.close()

    def handle(self, record: Record) -> None:
        """Write one message down.

        Raises:
            RetryLater: the database does not answer, or another process writes the same down at this moment.
            InvalidRecord: it breaks its contract, or the database cannot keep it.
        """
        self._positions.reads(record)
        if record.value is None:
            return

        def also(session: ScopedSession) -> None:
            self._positions.advance(session, record)

        try:
            if record.topic == ALERTS.name:
                self._alerts.take(decode_of_camera(record, Alert.decode), also)
            else:
                self._recordings.take(recording_of(record), also)
        except AWAY as error:
            raise RetryLater(f"the database does not answer ({type(getattr(error, 'orig', error)).__name__})") from None
        except IntegrityError:
            # After a rebalance two may read the same message: the row that one of them made is there next time.
            raise RetryLater("another process wrote it down at the same time") from None
        except DataError as error:
            raise InvalidRecord(
                f"the database cannot keep it ({type(error.orig).__name__}): a text holds U+0000"
            ) from None

    def tick(self) -> None:
        """See `Positions.check`."""
        self._positions.check()

    def needed(self) -> Mapping[Partition, int]:
        """What was handled is in the database."""
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Where they are read from is known already."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """How far they are read is somebody else's to say."""
        self._positions.forget(partitions)
