"""From a camera's configuration to an opened source: what is not allowed is refused before anything is looked at."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import assert_never

from beffroi_common.addresses import (
    AddressError,
    AddressNotAllowedError,
    AllowedAddresses,
    FileAddress,
    GeneratedAddress,
    IpAddress,
    RtspAddress,
    read_address,
)
from beffroi_common.contracts import CameraSource
from beffroi_common.runtime.clock import Clock

from .credentials import Destination, login
from .errors import SourceError
from .file import FileSource
from .interfaces import Pause, Source
from .pattern import PatternSource
from .rtsp import RtspSource, Target

Resolve = Callable[[str], list[IpAddress]]
"""Asks the name service for the addresses of a name; none: there is none, or nobody answers."""


def resolve(name: str) -> list[IpAddress]:
    """See `Resolve`."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))


@dataclass(frozen=True)
class SourceOptions:
    """What opening needs beside the address.

    Attributes:
        allowed: where cameras may be.
        secrets_dir: folder of secrets, one file each.
        open_timeout_s: longest wait for the first pictures.
        read_timeout_s: longest wait between two pictures.
        resolve: asks the name service.
    """

    allowed: AllowedAddresses
    secrets_dir: Path | None
    open_timeout_s: float
    read_timeout_s: float
    resolve: Resolve = field(default=resolve)


def open_source(source: CameraSource, options: SourceOptions, clock: Clock, pause: Pause) -> Source:
    """Open what `source` names.

    Raises:
        SourceError: it cannot be opened, and why.
    """
    try:
        address = read_address(source.url)
        options.allowed.check(address)
        match address:
            case RtspAddress():
                return _open_rtsp(address, source.credentials, options, pause)
            case FileAddress():
                path = _resolved(address, options.allowed)
                return FileSource(path, clock, pause, options.open_timeout_s, options.read_timeout_s)
            case GeneratedAddress():
                return PatternSource(address.text, clock, pause)
            case _:
                assert_never(address)
    except AddressError as reason:
        raise SourceError("wrong_address", f"The camera's address cannot be read: {reason}.") from None
    except AddressNotAllowedError as reason:
        raise SourceError("address_not_allowed", str(reason)) from None


def _open_rtsp(address: RtspAddress, secret: str | None, options: SourceOptions, pause: Pause) -> Source:
    # A name is asked for once. Asked again by whoever connects, it could lead elsewhere than where it was checked.
    found = options.resolve(address.host) if isinstance(address.host, str) else [address.host]
    host = options.allowed.reachable(found)[0]
    user = login(secret, options.secrets_dir, Destination(address.host, host)) if secret is not None else ""
    return RtspSource(Target(address, host, user), pause, options.open_timeout_s, options.read_timeout_s)


def _resolved(address: FileAddress, allowed: AllowedAddresses) -> Path:
    """The file itself: what lies in an allowed folder may be a link that leads out of it, or no file at all."""
    missing = SourceError("not_found", "There is no such file in the allowed folders: correct its path.")
    try:
        path = Path(address.path).resolve(strict=True)
        folders = tuple(Path(folder).resolve(strict=True) for folder in allowed.folders if Path(folder).is_dir())
        inside = any(path.is_relative_to(folder) for folder in folders)
        if not inside or not path.is_file():
            raise missing
    except (OSError, RuntimeError, ValueError):
        raise missing from None
    return path
