"""Secrets by reference: a file in a folder, read when a camera is opened, and never put into a message."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from beffroi_common.contracts import CameraSource

from .errors import SourceError

MAX_SECRET_BYTES = 4096


def address(source: CameraSource, secrets_dir: Path | None) -> str:
    """The address to open, with user and password in it when the source names a secret. Never log or raise it.

    Raises:
        SourceError: the secret is missing or is not `user:password`.
    """
    if source.credentials is None:
        return source.url
    user, password = _read(source.credentials, secrets_dir)
    parts = urlsplit(source.url)
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return urlunsplit(parts._replace(netloc=netloc))


def _read(reference: str, secrets_dir: Path | None) -> tuple[str, str]:
    if secrets_dir is None:
        raise SourceError(
            "missing_secret",
            f"The camera names the secret {reference}, and no folder of secrets is set: set secrets_dir.",
        )
    try:
        with (secrets_dir / reference).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise SourceError(
            "missing_secret",
            f"The secret {reference} cannot be read: put a file of that name into the folder of secrets.",
        ) from None
    user, colon, password = content.partition(":")
    if not colon or not user:
        raise SourceError("missing_secret", f"The secret {reference} does not read user:password on one line.")
    return user, password
