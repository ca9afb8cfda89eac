"""Destroys what is due, sees that it is gone, and says so. The store's own lifecycle is a scanner, not a deadline.

Whoever destroys by the clock believes no clock alone: what is due is due by the store's clock and by ours, and while
the two are apart nothing is destroyed. Where both are one, it asks how much time has passed. A wrong clock costs a
delay, which is said, and no recording.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from beffroi_common.bus import Fatal, Partition, Producer, RetryLater
from beffroi_common.contracts import InvalidMessageError
from beffroi_common.recordings.segment_format import read_segment
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.runtime.steadiness import Steadiness
from beffroi_common.store import ClocksDisagree, ObjectStore, StoredObject, StoreUnavailable
from beffroi_common.topics import FRAMES_MASKED
from beffroi_recorder.publishing import Publication

from .expiry import ExpiryIndex
from .register import Register, destroyed
from .sweep import Sweep

log = structlog.get_logger(__name__)

DESTROYER_PARTITION: Partition = (FRAMES_MASKED.name, 0)
"""Whoever owns this partition destroys: one instance at a time, without another coordinator."""

LONGEST_ROUND_S = 0.5
"""A round ends after this long, whatever is left: in between the loop beats its heart and looks at its stop."""

PAUSE_S = 1.0
"""Between two rounds while more is due: the store has recordings to take as well."""

SHORTEST_SESSION_S = 6.0
"""Kafka's own bound: whoever is paused for less keeps its partitions."""

PUT_OFF_S = 60.0
"""An object that the store did not destroy twice is tried again after so long, once all others are done with."""

BROKER_S = 1.0
"""Longest wait for the broker before anything is destroyed. The status said every few seconds waits if it is away."""


class NotDestroyedError(Fatal):
    """The store said that it removed an object, and still has it."""


@dataclass(frozen=True, slots=True)
class _PutOff:
    """An object that the store did not destroy.

    Attributes:
        begun: it, if its removal was begun and so has to be said.
        again_s: when it is tried again.
    """

    begun: StoredObject | None
    again_s: float


class Destroyer:
    """Works in the instance that owns `DESTROYER_PARTITION`. The loop that records calls `own`, one thread all else.

    A hand-over waits for nobody, lest a store that hangs hold it up. Whoever loses the partition brings the one object
    that it is at to its end or leaves it; whoever gets it waits for that long, then finds what is gone unsaid by the
    register. So one of the two says it, and not both; also where the first was frozen in between, and goes on later.

    Nothing is destroyed unsaid: each object is destroyed, seen to be gone and said to be before the next, and none
    while messages to the broker wait. What was interrupted is brought to its end before anything else; but if it is the
    store that says nothing of one object twice, that is put off, and the others are destroyed in time.
    """

    def __init__(
        self,
        store: ObjectStore,
        producer: Producer,
        clock: Clock,
        register: Register,
        *,
        slots: int,
        retention_days: int,
        interval_s: float,
        most: int,
        hand_over_s: float,
    ) -> None:
        """Wire it.

        Args:
            store: what it destroys in.
            producer: says what was destroyed.
            clock: ours.
            register: is compared with the store between rounds.
            slots: partitions of `recordings.v1`.
            retention_days: how long recordings are kept.
            interval_s: from round to round.
            most: objects destroyed in one round.
            hand_over_s: a term begins so much later: the owner before may be at its last object still.
        """
        self._store = store
        self._producer = producer
        self._publication = Publication(producer, slots)
        self._clock = clock
        self._retention_days = retention_days
        self._interval_s = interval_s
        self._most = most
        self._hand_over_s = hand_over_s
        self._begins_s = 0.0
        self._expiry = ExpiryIndex(store, clock, timedelta(days=retention_days))
        self._store_clock = ForeignClock("object store", clock, resolution=timedelta(seconds=1))
        self._steadiness = Steadiness(clock)
        self._now = datetime.min.replace(tzinfo=UTC)
        self._register = register
        self._begun: StoredObject | None = None
        self._put_off: dict[str, _PutOff] = {}
        self._tried = ""
        """What the store did not do something to last."""
        self._say_until_s = 0.0
        self._next_s = 0.0
        self._terms = 0
        self._term: int | None = None
        self._listed_in_term: int | None = None
        self.sweep = Sweep(store.name, clock)

    def own(self, partitions: Collection[Partition]) -> None:
        """Take which partitions this instance owns. Coming to own `DESTROYER_PARTITION` begins a term."""
        if DESTROYER_PARTITION not in partitions:
            self._term = None
            self.sweep.leave()
        elif self._term is None:
            self._terms += 1
            self._begins_s = self._clock.monotonic_s() + self._hand_over_s
            self.sweep.begin()
            self._term = self._terms

    def tick(self) -> None:
        """Do a round when it is time.

        Raises:
            RetryLater: store or broker cannot at present; the round is made at the next call.
            ClocksDisagree: the store's clock and ours are apart, or ours was set forward: nothing is destroyed.
            RetentionError: the bucket's rules are not the promise any more: nothing may be stored in it.
            NotDestroyedError: an object cannot be destroyed.
            StoreDenied: the store refuses our key.
        """
        if not self._is_owner:
            self._begun = None
            self._put_off.clear()
            self._register.forget()
            return
        now_s = self._clock.monotonic_s()
        if now_s < max(self._next_s, self._begins_s):
            return
        self._begin_term()
        more = self._round(now_s + LONGEST_ROUND_S)
        if not more and not self._put_off:
            self.sweep.done()
        self._next_s = self._clock.monotonic_s() + (PAUSE_S if more else self._interval_s)

    def close(self) -> None:
        """Leave the bus."""
        self._register.forget()

    @property
    def _is_owner(self) -> bool:
        return self._term is not None

    def _begin_term(self) -> None:
        term = self._term
        if term is not None and term != self._listed_in_term:
            self._put_off.clear()
            self._expiry.forget()  # another instance may have gone on from it
            self._register.forget()
            self._listed_in_term = term

    def _round(self, end_s: float) -> bool:
        """Destroy some; return whether there may be more."""
        self._store.check_retention(self._retention_days)
        if self._producer.flush(BROKER_S):
            raise RetryLater("the broker takes no messages at present, and nothing is destroyed unsaid")
        self._now = self._agreed_now()
        self._say_until_s = self._clock.monotonic_s() + SHORTEST_SESSION_S + self._hand_over_s
        self._finish()
        for _ in range(self._most):
            if not self._is_owner or not self._step():
                return False
            if self._clock.monotonic_s() >= end_s:
                break
        return True

    def _agreed_now(self) -> datetime:
        """What time it is by both clocks, the earlier of the two. A round keeps to it: a clock may be set meanwhile."""
        asked_s = self._clock.monotonic_s()
        theirs = self._store.now()
        self._store_clock.said(theirs, asked_s)
        complaint = self._store_clock.complaint
        if complaint is not None:
            raise ClocksDisagree(f"{complaint}. Nothing is destroyed until they agree")
        step = self._steadiness.set_forward()
        if step:
            raise ClocksDisagree(
                f"the clock here was set forward by {step.total_seconds():,.0f} s. Nothing is destroyed until it is "
                "set back, was so for a day, or the recorder is started anew"
            )
        return min(theirs, self._clock.now())

    def _step(self) -> bool:
        """Destroy the next that is due, or look for more; False: there is none."""
        self._say_until_s = self._clock.monotonic_s() + SHORTEST_SESSION_S + self._hand_over_s
        name = self._expiry.first(self._now)
        if name is None:
            if self._expiry.look_on(self._now) or self._register.look_on(self._now, self._say_until_s):
                return True
            return self._take_up()
        if name not in self._put_off:
            self._destroy(name)
        self._expiry.drop_first()
        return True

    def _take_up(self) -> bool:
        """Try again the first that was put off for long enough; False: there is none."""
        now_s = self._clock.monotonic_s()
        name = next((name for name, each in self._put_off.items() if each.again_s <= now_s), None)
        if name is None:
            return False
        self._tried, self._begun = name, self._put_off[name].begun
        if self._begun is None:
            self._destroy(name)
        else:
            self._finish()
        return True

    def _destroy(self, name: str) -> None:
        with self._others_first(name):
            found = self._store.stat(name)
        # It may have been destroyed, or stored again, since it was listed.
        if found is not None and self._expiry.is_due(found, self._now):
            self._begun = found
            self._finish()
        self._put_off.pop(name, None)

    def _finish(self) -> None:
        """Bring what was begun to its end. Each step may be repeated."""
        if self._begun is None:
            return
        name = self._begun.name
        with self._others_first(name):
            self._store.remove(name)
            if self._store.stat(name) is not None:
                raise NotDestroyedError(
                    f"{name} is still in the store after its removal: look for versions, locks or a copy in front of it"
                )
        self._say(self._begun)
        self._begun = None
        self._put_off.pop(name, None)
        log.info("destroyed", object=name)

    @contextmanager
    def _others_first(self, name: str) -> Iterator[None]:
        """What the store does not do to one object, tried twice, it may do to another."""
        try:
            yield
        except StoreUnavailable:
            if self._tried == name:
                self._put_off[name] = _PutOff(self._begun, self._clock.monotonic_s() + PUT_OFF_S)
                self._begun = None
            self._tried = name
            raise

    def _say(self, found: StoredObject) -> None:
        if self._clock.monotonic_s() > self._say_until_s:
            # A process that was paused for so long may have been succeeded by one that found the object gone.
            self._begun = None
            self._register.forget()
            raise RetryLater("this process stood still: what it removed is said once register and bucket are compared")
        try:
            segment = read_segment(found, self._store.name)
        except InvalidMessageError as reason:
            log.warning("what was destroyed was not a recording of ours", object=found.name, reason=str(reason))
            return
        self._publication.publish(destroyed(segment.recording, self._now), segment.partition)
