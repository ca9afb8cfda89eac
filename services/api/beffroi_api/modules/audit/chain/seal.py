"""The key of the trail. Whoever writes the database but has not the key can neither make a row nor a head.

A row's hash says that it belongs to the rows before it; its seal, that somebody with the key wrote it. They are apart
so that a head, which is a number of rows and a hash, stays true whatever becomes of the key.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from beffroi_common.contracts import TrailHead

NAME_CHARACTERS = 16

MAC = re.compile(r"[0-9a-f]{64}")

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


def is_seal(value: object) -> TypeGuard[str]:
    """Whether some key could have made it."""
    return isinstance(value, str) and MAC.fullmatch(value) is not None


class Seal:
    """Makes seals and signatures by the key in force, and knows those of the keys before it.

    Keys follow each other in *eras*, counted from the oldest. What was made in one era is not taken in another: whoever
    gets hold of a key that is over must not be able to go on with it.
    """

    def __init__(self, key: bytes, former: Sequence[bytes] = ()) -> None:
        """`key` is in force, `former` were before it, the oldest first."""
        self._keys = (*former, key)
        self.era = len(former)
        """The present one."""

    def of_row(self, digest: str, era: int | None = None) -> str:
        """What a row with this hash carries, at present or in another era."""
        return self._mac(era, f"row\n{digest}")

    def is_of_row(self, digest: str, seal: object, era: int | None = None) -> bool:
        """Whether a row with this hash was written with the key of an era, at first the present one. `seal` is whatever
        stands in the database: SQLite keeps anything in any column.
        """
        return is_seal(seal) and hmac.compare_digest(self.of_row(digest, era), seal)

    def sign(self, rows: int, digest: str, era: int | None = None) -> Head:
        """The head of a trail of so many rows, the last of which has this hash."""
        return Head(rows, digest, self._mac(era, f"head\n{rows}\n{digest}"))

    def is_signed(self, head: Head, era: int | None = None) -> bool:
        """Whether a head was signed with the key of an era, at first the present one."""
        return hmac.compare_digest(self.sign(head.rows, head.hash, era).signature.encode(), head.signature.encode())

    def name(self, era: int | None = None) -> str:
        """What a key is called in the trail: tells it from others, and nothing of it."""
        return self._mac(era, "name")[:NAME_CHARACTERS]

    def _mac(self, era: int | None, text: str) -> str:
        return hmac.digest(self._keys[self.era if era is None else era], text.encode(), "sha256").hex()
