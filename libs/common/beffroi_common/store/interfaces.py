"""What every object store is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from beffroi_common.contracts import StoreName


@dataclass(frozen=True)
class StoredObject:
    """What the store says of one object. `metadata` names are lower case; empty in listings.

    `version` is another one whenever the object is stored anew with other content.
    """

    name: str
    size_bytes: int
    modified_at: datetime
    metadata: Mapping[str, str]
    version: str


class ObjectStore(Protocol):
    """One bucket. Every method may raise `StoreUnavailable` or `StoreDenied`."""

    @property
    def name(self) -> StoreName:
        """What recordings call it."""

    def now(self) -> datetime:
        """What its own clock says, rounded down to the second: retention is by that clock.

        Raises:
            ClocksDisagree: it takes no request of ours, because ours is too far from it.
        """

    def make_bucket(self, retention_days: int) -> None:
        """Make the bucket with its lifecycle rule where it is not there, then check it as `check_retention`."""

    def check_retention(self, retention_days: int) -> None:
        """See that objects die after exactly `retention_days`, with no versions, lock or replication that keep copies.

        Raises:
            RetentionError: naming what is wrong and what to do.
        """

    def put(
        self, name: str, file: Path, content_type: str, metadata: Mapping[str, str], *, replaces: str | None = None
    ) -> None:
        """Store a file whole, unless somebody else was faster.

        Args:
            name: of the object.
            file: its content.
            content_type: of it.
            metadata: of it.
            replaces: the version of the object that it takes the place of; None: there is none of that name.

        Raises:
            ObjectChanged: there is another one, or none any more. Nothing was stored.
        """

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read bytes of an object into memory.

        Raises:
            ObjectMissing: there is none of that name.
        """

    def stream(self, name: str, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
        """Read bytes of an object in chunks.

        Raises:
            ObjectMissing: there is none of that name.
        """

    def stat(self, name: str) -> StoredObject | None:
        """What the store says of one object, with metadata; None when there is none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose names begin with `prefix`, in order of their names."""

    def remove(self, name: str) -> None:
        """Destroy an object. One that is not there is no error."""
