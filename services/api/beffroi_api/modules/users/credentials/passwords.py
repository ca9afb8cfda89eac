"""Passwords: argon2id, a bounded number of checks at a time."""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
"""As the CNIL recommends (2022) for a password that alone protects an account, with throttling."""
MAX_LENGTH = 256


class Passwords:
    """Hashes and checks. An unknown user costs as much time as a known one."""

    def __init__(self, parallel: int) -> None:
        self._hasher = PasswordHasher()  # RFC 9106, low-memory profile: 64 MiB
        self._turn = threading.BoundedSemaphore(parallel)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """Hash a password for keeping."""
        with self._turn:
            return self._hasher.hash(_spelled(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether `password` belongs to the hash `kept`; None: there is no such user, which takes as long."""
        with self._turn:
            if self._nobody is None:
                self._nobody = self._hasher.hash("nobody has this password")
            try:
                self._hasher.verify(kept or self._nobody, _spelled(password))
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None


def _spelled(password: str) -> str:
    """One spelling: an é is one character on some keyboards and two on others."""
    return unicodedata.normalize("NFC", password)
