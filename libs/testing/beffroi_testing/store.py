"""An object store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from beffroi_common.contracts import StoreName
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectChanged, ObjectMissing, RetentionError, StoredObject, StoreUnavailable

from .clock import ManualClock


@dataclass(frozen=True)
class _Kept:
    content: bytes
    about: StoredObject


class MemoryStore:
    """See `ObjectStore`. `away` makes every call fail; `retention_days` is the bucket's rule."""

    def __init__(self, clock: Clock | None = None, name: StoreName = "recordings") -> None:
        self.name = name
        self._clock = clock or ManualClock()
        self._objects: dict[str, _Kept] = {}
        self.retention_days: int | None = None
        self.away = False

    def now(self) -> datetime:
        """See `ObjectStore.now`."""
        self._reach()
        return self._clock.now()

    def make_bucket(self, retention_days: int) -> None:
        """See `ObjectStore.make_bucket`."""
        self._reach()
        if self.retention_days is None:
            self.retention_days = retention_days
        self.check_retention(retention_days)

    def check_retention(self, retention_days: int) -> None:
        """See `ObjectStore.check_retention`."""
        self._reach()
        if self.retention_days != retention_days:
            raise RetentionError(f"objects die after {self.retention_days} days, not after {retention_days}")

    def put(
        self,
        name: str,
        file: Path,
        content_type: str,  # noqa: ARG002
        metadata: Mapping[str, str],
        *,
        replaces: str | None = None,
    ) -> None:
        """See `ObjectStore.put`."""
        self._reach()
        there = self._objects.get(name)
        if (None if there is None else there.about.version) != replaces:
            raise ObjectChanged("somebody else stored or removed this object")
        content = file.read_bytes()
        lower = {key.lower(): value for key, value in metadata.items()}
        version = hashlib.sha256(content).hexdigest()
        self._objects[name] = _Kept(content, StoredObject(name, len(content), self._clock.now(), lower, version))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `ObjectStore.read`."""
        content = self._kept(name).content
        return content[offset : None if length is None else offset + length]

    def stream(self, name: str, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`."""
        wanted = self.read(name, offset, length)
        for start in range(0, len(wanted), chunk_bytes):
            yield wanted[start : start + chunk_bytes]

    def stat(self, name: str) -> StoredObject | None:
        """See `ObjectStore.stat`."""
        self._reach()
        kept = self._objects.get(name)
        return kept.about if kept else None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        self._reach()
        for name in sorted(self._objects):
            if name.startswith(prefix):
                about = self._objects[name].about
                yield StoredObject(name, about.size_bytes, about.modified_at, {}, about.version)

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        self._reach()
        self._objects.pop(name, None)

    def _kept(self, name: str) -> _Kept:
        self._reach()
        if name not in self._objects:
            raise ObjectMissing("no such object")
        return self._objects[name]

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("the object store does not answer")
