"""Secrets by reference: a file in a folder, read when a camera is opened, and never put into a message.

Its first line is `user:password`, each line after it a host or a network to which it may be sent. A camera may name any
secret; where that goes is for whoever deploys it to say, beside the password and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import quote

import structlog

from beffroi_common.addresses import AddressError, IpAddress, read_host

from .errors import SourceError

MAX_SECRET_BYTES = 16 * 1024
"""A line for each of some hundred cameras that share a password."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom a secret would be sent to.

    Attributes:
        host: as the camera's address names it.
        connected: the address that is connected to, the same or what the name was resolved to.
    """

    host: IpAddress | str
    connected: IpAddress


def login(reference: str, secrets_dir: Path | None, to: Destination) -> str:
    """Return `user:password` for an address, quoted. Never log or raise it.

    Raises:
        SourceError: the secret cannot be used for this host. Why, only the log says: who names secrets must not learn
            which there are.
    """
    try:
        user, password, hosts = _read(reference, secrets_dir)
        _require_bound(hosts, to)
    except _UnusableError as reason:
        log.warning("secret not used", secret=reference, reason=str(reason))
        raise SourceError(
            "missing_secret",
            f"The secret {reference} cannot be used for this host: put a file of that name into the folder of secrets, "
            "with user:password in its first line, and in the lines after it the hosts to which it may be sent.",
        ) from None
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


class _UnusableError(Exception):
    """Why a secret is not used, for whoever deploys; without anything that it holds."""


def _read(reference: str, secrets_dir: Path | None) -> tuple[str, str, list[str]]:
    if secrets_dir is None:
        raise _UnusableError("no folder of secrets is set: set secrets_dir")
    try:
        with (secrets_dir / reference).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        first, *hosts = (line.rstrip("\r") for line in content.decode().split("\n"))
    except (OSError, UnicodeDecodeError):
        raise _UnusableError("its file cannot be read") from None
    if len(content) > MAX_SECRET_BYTES:
        raise _UnusableError(f"its file is longer than {MAX_SECRET_BYTES} bytes")
    user, colon, password = first.partition(":")
    if not colon or not user or not first.isprintable():
        raise _UnusableError("its first line does not read user:password")
    return user, password, [each.strip() for each in hosts if each.strip()]


def _require_bound(hosts: list[str], to: Destination) -> None:
    bound = [_names(entry, to) for entry in hosts]  # all are read: a slip in one must not hide behind another
    if not any(bound):
        raise _UnusableError(f"it may not be sent to {to.host}: add that host to the lines after its first")


def _names(entry: str, to: Destination) -> bool:
    """Say whether a line means the host: by its name, its address or a network that it is in."""
    try:
        if "/" in entry:
            return to.connected in ip_network(entry)
        host = read_host(f"[{entry}]" if ":" in entry and not entry.startswith("[") else entry)
    except (AddressError, ValueError):
        raise _UnusableError("a line after its first is neither a host nor a network") from None
    return to.host == host if isinstance(host, str) else to.connected == ip_address(host)
