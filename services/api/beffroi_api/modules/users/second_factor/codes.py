"""Codes of a second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken

STEP_S = 30
STEPS_BESIDE = 1
"""A telephone's clock may be half a minute off, and a person types for a while."""

ISSUER = "Beffroi"
DIGITS = 6

RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 bits: 16 characters, written on paper."""

PENDING_S = 900
"""So long a secret waits to be confirmed."""


def new_secret() -> str:
    """160 random bits, as authenticators take them."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, at: datetime, last_step: int | None) -> int | None:
    """The step in which this code is right; None: it is not, or that step or a later one was used already."""
    now = int(at.timestamp()) // STEP_S
    totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S)
    for step in range(now - STEPS_BESIDE, now + STEPS_BESIDE + 1):
        is_unused = last_step is None or step > last_step
        if is_unused and hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            return step
    return None


def uri(secret: str, username: str) -> str:
    """What an authenticator reads."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(name=username, issuer_name=ISSUER)


def qr_code(text: str) -> str:
    """A picture of it, as the address of an image."""
    return str(segno.make(text, error="m").svg_data_uri(scale=5, border=4, light="#ffffff"))


def new_recovery_codes() -> list[str]:
    """Codes that each open the account once instead of the telephone."""
    texts = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


def bare(code: str) -> str:
    """A code without what people put between its characters."""
    return "".join(code.split()).replace("-", "").lower()


class Safe:
    """Keeps secrets so that the database alone does not tell them. Its key lies outside of that."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._pepper = hmac.digest(key, b"recovery codes", "sha256")

    def closed(self, secret: str) -> str:
        """A secret as the database keeps it."""
        return self._fernet.encrypt(secret.encode()).decode()

    def opened(self, kept: str) -> str | None:
        """The secret again; None: another key closed it."""
        try:
            return self._fernet.decrypt(kept.encode()).decode()
        except InvalidToken:
            return None

    def recovery_hash(self, code: str) -> str:
        """What is kept of a recovery code."""
        return hmac.new(self._pepper, bare(code).encode(), hashlib.sha256).hexdigest()

    def pending(self, username: str, secret: str, at: datetime) -> str:
        """A secret that waits to be confirmed, in the hands of whose it will be."""
        content = json.dumps([username, secret]).encode()
        return self._fernet.encrypt_at_time(content, int(at.timestamp())).decode()

    def confirmed(self, username: str, pending: str, at: datetime) -> str | None:
        """The secret of that person that waited; None: it is another's, made up, or waited too long."""
        try:
            parts = json.loads(self._fernet.decrypt_at_time(pending.encode(), PENDING_S, int(at.timestamp())))
        except (InvalidToken, ValueError):  # the second: another secret of the same key
            return None
        return str(parts[1]) if isinstance(parts, list) and parts[0] == username else None
