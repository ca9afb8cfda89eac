"""An object of the store as a file that can be read and sought, a bounded part of it in memory."""

from __future__ import annotations

import io

from beffroi_common.store import ObjectStore

BLOCK_BYTES = 64 * 1024
"""Read at least: headers lie half a megabyte apart, and asking for more than one at a time is reading everything."""


class ObjectFile(io.RawIOBase):
    """Reads ranges as they are asked for; keeps the last block."""

    def __init__(self, store: ObjectStore, name: str, size_bytes: int) -> None:
        self._store = store
        self._name = name
        self._size_bytes = size_bytes
        self._at = 0
        self._block_start = 0
        self._block = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer at the end of the block at hand; b"" at the end of the object."""
        left = self._size_bytes - self._at
        if left <= 0 or size == 0:
            return b""
        if not self._block_start <= self._at < self._block_start + len(self._block):
            self._block = self._store.read(self._name, self._at, min(max(BLOCK_BYTES, size), left))
            self._block_start = self._at
        inside = self._at - self._block_start
        found = self._block[inside : len(self._block) if size < 0 else inside + size]
        self._at += len(found)
        return found
