"""The one thread that sends: what is due of each kind, each round, and how the process is itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Protocol

from beffroi_common.bus import Backlog, Bus, Producer, StatusReporter
from beffroi_common.contracts import Level
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.runtime.steadiness import Steadiness

ROUND_S = 1.0
"""Without being woken it looks so often whether something is due."""

FLUSH_S = 5.0
"""Longest wait for the broker in one round; what is not acknowledged then is looked at again in the next."""


Trouble = tuple[Level, str, str]
"""Level, code and words of a status."""


class Sender(Protocol):
    """One kind of message, for as long as one producer lives."""

    def send(self) -> None:
        """Hand the producer what is due. What cannot be sent now is due again."""

    def acknowledged(self) -> None:
        """The broker has everything that was sent."""

    def trouble(self) -> Trouble | None:
        """What people should know of it; None: all is well."""

    def close(self) -> None:
        """No more is sent."""


MakeSender = Callable[[Producer], Sender]

WELL: Trouble = (Level.OK, "running", "")


class Publisher:
    """Sends until it is stopped. `wake` may be called from any thread."""

    def __init__(
        self,
        bus: Bus,
        senders: Sequence[MakeSender],
        service: str,
        instance: str,
        clock: Clock,
        beat: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._senders = senders
        self._service = service
        self._instance = instance
        self._clock = clock
        self._beat = beat
        self._work = threading.Event()
        self.backlog = Backlog(clock)
        """What this process has yet to read of what it keeps an index of."""
        self._broker_clock: ForeignClock | None = None
        self._steadiness = Steadiness(clock)

    def is_clock_right(self) -> bool:
        """Whether the broker's clock and ours agree, as far as it was heard lately, and ours was not set forward."""
        return self._broker_clock is not None and self._broker_clock.agrees and not self._steadiness.set_forward()

    def wake(self) -> None:
        """Something is to be sent now."""
        self._work.set()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set.

        Raises:
            DeliveryError: the broker refused a message for too long; run again, with a new producer.
            TableDeadError: what the bus says of cameras cannot be read.
        """
        with ExitStack() as open_parts:
            producer = self._bus.producer()
            open_parts.callback(producer.close)
            self._broker_clock = producer.broker_clock
            status = StatusReporter(producer, self._service, self._instance, self._clock, self.backlog)
            senders = [open_parts.enter_context(closing(make(producer))) for make in self._senders]
            while not stop.is_set():
                self._beat()
                self._round(producer, senders, status)
                self._work.wait(ROUND_S)
                self._work.clear()

    def _round(self, producer: Producer, senders: Sequence[Sender], status: StatusReporter) -> None:
        for sender in senders:
            sender.send()
        status.service(*next(filter(None, (sender.trouble() for sender in senders)), WELL))
        if producer.flush(FLUSH_S) == 0:
            for sender in senders:
                sender.acknowledged()
