"""In which partitions of the table's changelog something is remembered of a camera."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any


class ChangelogPlaces:
    """By camera: one partition, or two after it was given another slot, until it is forgotten in the first."""

    def __init__(self) -> None:
        self._partitions: dict[str, frozenset[int]] = {}

    async def recall(self, event: Any) -> None:
        """Something was read from the changelog, as Faust hands it on."""
        if event.message.value is None:
            self.forget(event.key, event.message.partition)
        else:
            self.remember(event.key, event.message.partition)

    def remember(self, camera: str, partition: int) -> None:
        """Something is remembered there."""
        self._partitions[camera] = self.of(camera) | {partition}

    def forget(self, camera: str, partition: int) -> None:
        """Nothing is remembered there any more."""
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
