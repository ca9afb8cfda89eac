"""The changelog of the table of cameras: what of it is taken, and where something is remembered of a camera."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import faust
import structlog
from pydantic import ValidationError

from beffroi_rules.state import Place

log = structlog.get_logger(__name__)


def goes_back(written: str | None, known: str | None) -> bool:
    """Whether a state of a camera is from before the one that is known.

    Kafka does not fence the changelog: who lost a partition unnoticed, or whose writes waited for a broker, may write
    after its successor, which had counted on. What cannot be read, of another release, is taken as it comes.
    """
    if written is None or known is None:
        return False
    try:
        return Place.model_validate_json(written).is_before(Place.model_validate_json(known))
    except ValidationError:
        return False


class ForwardTable(faust.Table[str, str]):
    """A table whose entries never go back when the changelog is read, by whoever has a partition or stands by.

    Faust knows one state of a camera, the changelog one for each partition: a camera that was given another slot has
    two for a while. What is said of it in the one that it left undoes nothing in the other.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """See `faust.Table`."""
        super().__init__(*arguments, **more)
        self.places = ChangelogPlaces()

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take what was read, but for states from before those that are known, and for ends of what is elsewhere."""
        taken: list[Any] = []
        left_out: set[str] = set()
        known: dict[str, str | None] = {}
        for event in batch:
            camera, partition = event.key, event.message.partition
            if event.value is None:
                self.places.forget(camera, partition)
                is_late = bool(self.places.of(camera))
            else:
                is_late = goes_back(event.value, known.get(camera, self.data.get(camera)))
                self.places.remember(camera, partition, late=is_late)
            if is_late:
                left_out.add(camera)
            else:
                known[camera] = event.value
                taken.append(event)
        if left_out:
            log.info("states from before those that are known are left out", cameras=sorted(left_out))
        super().apply_changelog_batch(taken)


class ChangelogPlaces:
    """By camera: one partition, or two after it was given another slot, until it is forgotten in the first.

    Attributes:
        late: where the last word on a camera is a state from before the one that is known. Once the changelog is
            compacted it is the only one: whoever owns the partition writes the known one again.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, frozenset[int]] = {}
        self.late: set[tuple[str, int]] = set()

    def remember(self, camera: str, partition: int, *, late: bool = False) -> None:
        """Something is remembered there; `late`: from before what is known."""
        self._partitions[camera] = self.of(camera) | {partition}
        (self.late.add if late else self.late.discard)((camera, partition))

    def forget(self, camera: str, partition: int) -> None:
        """Nothing is remembered there any more."""
        self.late.discard((camera, partition))
        self._partitions[camera] = self.of(camera) - {partition}
        if not self._partitions[camera]:
            del self._partitions[camera]

    def of(self, camera: str) -> frozenset[int]:
        """Where something is remembered of a camera."""
        return self._partitions.get(camera, frozenset())

    def within(self, partitions: Collection[int]) -> Iterator[tuple[str, int]]:
        """Each camera of which something is remembered in one of these partitions, with that one."""
        for camera, remembered in list(self._partitions.items()):
            for partition in sorted(remembered.intersection(partitions)):
                yield camera, partition
