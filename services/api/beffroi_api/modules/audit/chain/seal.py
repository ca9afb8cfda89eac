"""The key of the trail. Whoever writes the database but has not the key can neither make a row nor a head.

A row's hash says that it belongs to the rows before it; its seal, that somebody with the key wrote it. They are apart
so that a head, which is a number of rows and a hash, stays true whatever becomes of the key.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from beffroi_common.contracts import TrailHead

TOKEN = re.compile(r"(\d{1,15}):([0-9a-f]{64}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Head:
    """The end of the trail at some moment, signed. As text it is what people note and give to `verify`."""

    rows: int
    hash: str
    signature: str

    def __str__(self) -> str:
        """In one word."""
        return f"{self.rows}:{self.hash}:{self.signature}"

    @classmethod
    def read(cls, text: str) -> Head:
        """The head that somebody noted.

        Raises:
            ValueError: it is none.
        """
        found = TOKEN.fullmatch(text.strip())
        if found is None or int(found.group(1)) == 0:
            raise ValueError("a head is `rows:hash:signature`, as `audit head` and the api's log print it")
        return cls(int(found.group(1)), found.group(2), found.group(3))

    @classmethod
    def published(cls, message: TrailHead) -> Head:
        """The head in a message."""
        return cls(message.rows, message.hash, message.signature)


class Seal:
    """Makes seals and signatures, and knows its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_row(self, digest: str) -> str:
        """What a row with this hash carries."""
        return self._mac(f"row\n{digest}")

    def is_of_row(self, digest: str, seal: str | None) -> bool:
        """Whether a row with this hash was written with the key."""
        return seal is not None and hmac.compare_digest(self.of_row(digest).encode(), seal.encode())

    def sign(self, rows: int, digest: str) -> Head:
        """The head of a trail of so many rows, the last of which has this hash."""
        return Head(rows, digest, self._mac(f"head\n{rows}\n{digest}"))

    def is_signed(self, head: Head) -> bool:
        """Whether a head was signed with the key."""
        return hmac.compare_digest(self.sign(head.rows, head.hash).signature.encode(), head.signature.encode())

    def _mac(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
