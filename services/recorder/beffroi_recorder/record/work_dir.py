"""The local disk on which segments are made: one instance's own, bounded, and nothing lost when it is full."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from beffroi_common.bus import RetryLater
from beffroi_common.runtime.metrics import QUEUE_LIMIT_BYTES
from beffroi_common.runtime.settings import SettingsError

LOCK = "recorder.lock"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Append = Callable[[Path, int, bytes], None]
"""Writes bytes at an offset of a file, cutting off what lies behind it; the seam for tests of a full disk."""


class DiskFull(RetryLater):
    """There is no room to make segments in. What is on the bus stays there meanwhile."""


def append_at(file: Path, offset: int, data: bytes) -> None:
    """Write `data` at `offset`; what a failed attempt left behind it is cut off first.

    Raises:
        OSError: the disk does not take it, or has lost what was before it.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < offset:
            raise OSError(errno.EIO, f"what was written into {file} is gone")
        os.ftruncate(descriptor, offset)
        view = memoryview(data)
        while view:
            view = view[os.pwrite(descriptor, view, offset + len(data) - len(view)) :]
    finally:
        os.close(descriptor)


class WorkDir:
    """Holds the files of segments in the making, and counts their bytes."""

    def __init__(self, path: Path, most_bytes: int, append: Append = append_at) -> None:
        self._path = path
        self._most_bytes = most_bytes
        QUEUE_LIMIT_BYTES.labels(queue="work_dir").set(most_bytes)
        self._append = append
        self._files: set[GrowingFile] = set()
        self._unwritten: dict[GrowingFile, None] = {}
        self._used_bytes = 0
        self._lock = -1

    def __enter__(self) -> Self:
        """Take the directory and empty it.

        Raises:
            SettingsError: it cannot be written, or another recorder works in it.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"work_dir {self._path} is used by another recorder: give each instance a directory of its own"
            ) from None
        except OSError as error:
            raise SettingsError(f"work_dir {self._path} cannot be written ({error.strerror}): check it") from None
        for left in self._path.glob("*.part"):
            left.unlink()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was in the making, and let others have the directory."""
        for file in list(self._files):
            file.discard()
        os.close(self._lock)

    @property
    def used_bytes(self) -> int:
        """Bytes of all segments here, those that wait for the disk included."""
        return self._used_bytes

    def new_file(self, name: str) -> GrowingFile:
        """A file that is not on the disk yet."""
        file = GrowingFile(self._path / f"{name}.part", self._append, self)
        self._files.add(file)
        return file

    def make_room(self) -> None:
        """See that one more batch fits. While the store is away there are thousands of files: only those that wait for
        the disk are looked at.

        Raises:
            DiskFull: it does not.
        """
        for file in list(self._unwritten):
            file.write()
        if self.used_bytes > self._most_bytes:
            raise DiskFull(
                f"segments in the making fill {self.used_bytes} bytes, more than work_bytes ({self._most_bytes}): "
                "is the object store away or slow? Else raise the setting"
            )

    def note(self, file: GrowingFile, grown_bytes: int, *, waits: bool) -> None:
        """A file has grown, or shrunk, by so much; `waits`: some of it is not on the disk."""
        if file not in self._files:
            return
        self._used_bytes += grown_bytes
        if waits:
            self._unwritten[file] = None
        else:
            self._unwritten.pop(file, None)

    def forget(self, file: GrowingFile) -> None:
        """A file is removed."""
        self.note(file, -file.size_bytes, waits=False)
        self._files.discard(file)


class GrowingFile:
    """Bytes on their way to the disk. What a full disk did not take waits in memory: one fragment at most."""

    def __init__(self, path: Path, append: Append, work: WorkDir) -> None:
        self.path = path
        self._append = append
        self._work = work
        self.discarded = False
        self._written_bytes = 0
        self._waiting = b""

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk and before it."""
        return self._written_bytes + len(self._waiting)

    def add(self, data: bytes) -> None:
        """Take bytes; they are on the disk after `write`."""
        self._waiting += data
        self._work.note(self, len(data), waits=bool(self._waiting))

    def write(self) -> None:
        """Bring what waits to the disk: all of it, or it goes on waiting.

        Raises:
            DiskFull: there is no space left.
        """
        if not self._waiting:
            return
        try:
            self._append(self.path, self._written_bytes, self._waiting)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskFull(
                f"no space left for segments in {self.path.parent} ({error.strerror}): free some, or give work_dir "
                "a larger disk; recording goes on by itself then"
            ) from None
        self._written_bytes += len(self._waiting)
        self._waiting = b""
        self._work.note(self, 0, waits=False)

    def require_whole(self) -> None:
        """See that the disk has what was written: who makes segments anew is whoever starts again.

        Raises:
            OSError: it has not. Somebody else emptied the folder.
        """
        if self.path.stat().st_size != self._written_bytes:
            raise OSError(errno.EIO, f"what was written into {self.path} is gone")

    def discard(self) -> None:
        """Remove it."""
        self.discarded = True
        self.path.unlink(missing_ok=True)
        self._work.forget(self)
        self._waiting = b""
