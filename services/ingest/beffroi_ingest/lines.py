"""What waits to be sent, a line for each camera: what one must wait for, no other does.

No thread, no lock and no broker in here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import chain, count, takewhile

from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock

from .tally import Tally

RETRY_FIRST_S = 0.05
RETRY_MOST_S = 1.0
"""A camera whose partition takes nothing is tried again after the first, doubled up to the most."""


@dataclass(frozen=True, eq=False)
class Item:
    """A batch on its way, and who counts what becomes of it."""

    batch: FrameBatch
    slot: int
    tally: Tally
    number: int = 0
    """Its place in the order of its camera."""

    @property
    def size_bytes(self) -> int:
        """Of the pictures."""
        return self.batch.size_bytes


@dataclass(eq=False)
class Line:
    """The batches of one camera for one slot, in order. `held` came after `waiting`.

    Once one was put back they go one at a time, until one is delivered: else some would be taken before it.
    """

    slot: int
    camera: str
    backoff: Backoff
    waiting: deque[Item] = field(default_factory=deque)
    held: deque[Item] = field(default_factory=deque)
    in_flight: dict[Item, None] = field(default_factory=dict)
    waiting_bytes: int = 0
    one_at_a_time: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.waiting or self.held or self.in_flight)


class Lines:
    """Who is next, who must wait, and what is thrown out when too much waits. Whoever has it sees to the lock.

    A slot may have its share of the bytes in flight, and one batch at least: a partition that takes nothing keeps
    nobody else from sending. What no longer fits is taken from whoever has most.
    """

    def __init__(self, clock: Clock, waiting_bytes: int, in_flight_bytes: int) -> None:
        """Begin empty.

        Args:
            clock: for waits.
            waiting_bytes: most that may wait, of all cameras.
            in_flight_bytes: most that may be handed over and not acknowledged, shared out among the slots.
        """
        self._clock = clock
        self._limit_bytes = waiting_bytes
        self._in_flight_limit_bytes = in_flight_bytes
        self._lines: dict[tuple[int, str], Line] = {}
        self._row: deque[Line] = deque()
        self._lines_of_slot: Counter[int] = Counter()
        self._held_slots: frozenset[int] = frozenset()
        self._numbers = count()
        self._in_flight_bytes: Counter[int] = Counter()
        self.waiting_bytes = 0

    def add(self, item: Item) -> list[Item]:
        """Put a batch at the end of its camera's line; return what had to be thrown out for it."""
        line = self._line_of(item)
        item = replace(item, number=next(self._numbers))
        if item.slot in self._held_slots:
            line.held.append(item)
        else:
            self._enter(line)
            line.waiting.append(item)
        self._count(line, item.size_bytes)
        return self._thrown_out()

    def hold(self, slots: Collection[int]) -> None:
        """Keep what is added for these slots from now on; what waits already is sent."""
        self._held_slots |= frozenset(slots)

    def release(self, slots: Collection[int] | None = None) -> None:
        """Let what is held for these slots go, behind what waited before it; None: for all."""
        for line in self._unheld(self._held_slots if slots is None else slots):
            self._enter(line)
            line.waiting.extend(line.held)
            line.held.clear()

    def discard(self, slots: Collection[int]) -> list[Item]:
        """Throw away what is held for these slots, and return it."""
        thrown: list[Item] = []
        for line in self._unheld(slots):
            self._count(line, -sum(item.size_bytes for item in line.held))
            thrown += line.held
            line.held.clear()
            self._end_if_over(line)
        return thrown

    def clear(self, slots: Collection[int]) -> list[Item]:
        """Throw away whatever there is for these slots, hold no more, and return it. What is in flight may arrive."""
        self._held_slots -= frozenset(slots)
        thrown: list[Item] = []
        for line in [line for line in self._lines.values() if line.slot in slots]:
            in_flight, waiting = list(line.in_flight), [*line.waiting, *line.held]
            for item in in_flight:
                self._land(line, item)
            self._count(line, -sum(item.size_bytes for item in waiting))
            if line.waiting:
                self._row.remove(line)
            line.waiting.clear()
            line.held.clear()
            self._end_if_over(line)
            thrown += [*in_flight, *waiting]
        return thrown

    def next(self) -> Item | None:
        """The batch to be handed over now, which is in flight from here on; the lines take turns."""
        for _ in range(len(self._row)):
            line = self._row[0]
            self._row.rotate(-1)
            if self._may_send(line):
                item = line.waiting.popleft()
                self._count(line, -item.size_bytes)
                line.in_flight[item] = None
                self._in_flight_bytes[line.slot] += item.size_bytes
                self._leave_if_empty(line)
                return item
        return None

    @property
    def any_ready(self) -> bool:
        """Whether a batch may be handed over now."""
        return any(self._may_send(line) for line in self._row)

    @property
    def any_waiting(self) -> bool:
        """Whether a line waits for its slot, or to be tried again."""
        return bool(self._row)

    @property
    def any_in_flight(self) -> bool:
        """Whether something is handed over and not acknowledged."""
        return self._in_flight_bytes.total() > 0

    def settle(self, item: Item, *, delivered: bool) -> bool:
        """It was acknowledged, or will never be; False: it was not in flight any more."""
        line = self._lines.get((item.slot, item.batch.camera))
        if line is None or not self._land(line, item):
            return False
        if delivered:
            line.backoff.reset()
            line.one_at_a_time = False
        self._end_if_over(line)
        return True

    def too_late(self, delivered: Item) -> list[Item]:
        """Throw away what would come behind a later batch of its connection, and return it: no reader takes it."""
        line = self._lines.get((delivered.slot, delivered.batch.camera))
        if line is None or not line.waiting or line.waiting[0].number > delivered.number:
            return []
        epoch = delivered.batch.epoch
        thrown = [each for each in line.waiting if each.number < delivered.number and each.batch.epoch == epoch]
        for item in thrown:
            line.waiting.remove(item)
            self._count(line, -item.size_bytes)
        self._leave_if_empty(line)
        self._end_if_over(line)
        return thrown

    def put_back(self, item: Item) -> list[Item]:
        """It cannot be handed over now, and its camera waits a while; return what had to be thrown out."""
        line = self._lines.get((item.slot, item.batch.camera))
        if line is not None and self._land(line, item):
            line.backoff.failed()
            line.one_at_a_time = True
            self._return(line, [item])
        return self._thrown_out()

    def put_all_back(self) -> list[Item]:
        """Nobody knows what became of what is in flight: it is sent again. Return what had to be thrown out."""
        for line in list(self._lines.values()):
            items = list(line.in_flight)
            for item in items:
                self._land(line, item)
            if items:
                self._return(line, items)
        return self._thrown_out()

    @property
    def oldest(self) -> FrameBatch | None:
        """The batch that waits longest, or is longest in flight, of all cameras."""
        first = [next(chain(line.in_flight, line.waiting, line.held)) for line in self._lines.values()]
        return min((item.batch for item in first), key=lambda batch: batch.units[0].capture_time_ns, default=None)

    def left(self, slots: Collection[int] | None = None) -> int:
        """How many batches of these slots, or of all, wait or are in flight. What is held does not count."""
        lines = (line for line in self._lines.values() if slots is None or line.slot in slots)
        return sum(len(line.waiting) + len(line.in_flight) for line in lines)

    def _line_of(self, item: Item) -> Line:
        key = item.slot, item.batch.camera
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(*key, Backoff(self._clock, RETRY_FIRST_S, RETRY_MOST_S))
            self._lines_of_slot[item.slot] += 1
        return line

    def _may_send(self, line: Line) -> bool:
        if not line.backoff.is_due() or (line.one_at_a_time and line.in_flight):
            return False
        in_flight_bytes = self._in_flight_bytes[line.slot]
        share_bytes = self._in_flight_limit_bytes // len(self._lines_of_slot)
        return in_flight_bytes == 0 or in_flight_bytes + line.waiting[0].size_bytes <= share_bytes

    def _enter(self, line: Line) -> None:
        if not line.waiting:
            self._row.append(line)

    def _leave_if_empty(self, line: Line) -> None:
        if not line.waiting:
            self._row.remove(line)

    def _land(self, line: Line, item: Item) -> bool:
        if item not in line.in_flight:
            return False
        del line.in_flight[item]
        self._in_flight_bytes[line.slot] -= item.size_bytes
        return True

    def _return(self, line: Line, items: Iterable[Item]) -> None:
        self._enter(line)
        for item in items:
            earlier = sum(1 for _ in takewhile(lambda each: each.number < item.number, line.waiting))  # noqa: B023
            line.waiting.insert(earlier, item)
            self._count(line, item.size_bytes)

    def _unheld(self, slots: Collection[int]) -> list[Line]:
        self._held_slots -= frozenset(slots)
        return [line for line in self._lines.values() if line.slot in slots and line.held]

    def _thrown_out(self) -> list[Item]:
        thrown: list[Item] = []
        while self.waiting_bytes > self._limit_bytes:
            line = max(self._lines.values(), key=lambda each: each.waiting_bytes)
            item = (line.waiting or line.held).popleft()
            self._count(line, -item.size_bytes)
            if line in self._row:
                self._leave_if_empty(line)
            self._end_if_over(line)
            thrown.append(item)
        return thrown

    def _count(self, line: Line, size_bytes: int) -> None:
        line.waiting_bytes += size_bytes
        self.waiting_bytes += size_bytes

    def _end_if_over(self, line: Line) -> None:
        if line.is_over:
            del self._lines[line.slot, line.camera]
            self._lines_of_slot[line.slot] -= 1
            self._lines_of_slot = +self._lines_of_slot
