"""Reads an address into its parts, so strictly that no two readers of it can differ.

Python's `urlsplit` drops line breaks and FFmpeg sends them, name services take `0x7f.1` for a number, and each library
has its own idea of a backslash. Whatever is outside the grammar below is refused, and what is opened is written anew
from the parts, never passed on as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePosixPath
from urllib.parse import unquote_to_bytes

MAX_ADDRESS_LENGTH = 500
MAX_NAME_LENGTH = 253
"""Of a host, as in RFC 1035."""
RTSP_PORT = 554
MAX_PORT = 65_535

SCHEMES = ("rtsp", "file", "pattern")

IpAddress = IPv4Address | IPv6Address

_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*", re.ASCII)
"""What RFC 3986 lets an address be made of: no blank, no control character, no backslash."""
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7[fF]")
"""A per cent sign that escapes nothing, or that hides a control character."""
_RTSP = re.compile(r"rtsp://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]*)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^#]*)?")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)


class AddressError(ValueError):
    """This is no address. Its text is for a person and holds nothing of the address, which could hold a password."""


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """A camera on the network.

    Attributes:
        host: an address, or a name in small letters that is no number in disguise.
        port: where it listens.
        path: what is asked of it, with its slash and its query; empty: nothing was said.
    """

    host: IpAddress | str
    port: int
    path: str

    def url(self, host: IpAddress | str, login: str = "") -> str:
        """Write the address with another host, e.g. the one that its name was resolved to.

        Args:
            host: which to connect to.
            login: `user:password`, quoted; empty: none.
        """
        named = f"[{host}]" if isinstance(host, IPv6Address) else str(host)
        return f"rtsp://{login}{'@' if login else ''}{named}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A file on the machine that reads it: absolute, without a step back."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class GeneratedAddress:
    """Pictures that are made where they are read: nothing is reached. What the text asks for, its source reads."""

    text: str


Address = RtspAddress | FileAddress | GeneratedAddress


def read_address(url: str) -> Address:
    """Read a camera's address.

    Raises:
        AddressError: it is none.
    """
    scheme = url.partition(":")[0]
    if scheme not in SCHEMES:
        raise AddressError(f"url must begin with one of {', '.join(SCHEMES)}")
    if len(url) > MAX_ADDRESS_LENGTH:
        raise AddressError(f"url must be at most {MAX_ADDRESS_LENGTH} characters long")
    if _CHARACTERS.fullmatch(url) is None:
        raise AddressError("url must be made of letters, digits and signs alone: write others as %20 and the like")
    if _BAD_ESCAPE.search(url) is not None:
        raise AddressError("url must not hold a control character, nor a per cent sign that stands for itself")
    if scheme == "rtsp":
        return _rtsp(url)
    return _file(url) if scheme == "file" else GeneratedAddress(url)


def read_host(text: str) -> IpAddress | str:
    """Read the name or the address of a machine.

    Raises:
        AddressError: it is neither.
    """
    if not text:
        raise AddressError("an rtsp url needs a host")
    if text.startswith("["):
        return _ip(IPv6Address, text[1:-1])
    labels = text.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # name services take it for an address, in one of many notations
        return _ip(IPv4Address, text)
    if len(text) > MAX_NAME_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise AddressError("the host must be a name of letters, digits and hyphens, or an address")
    return text.lower()


def _ip(kind: type[IPv4Address] | type[IPv6Address], text: str) -> IpAddress:
    try:
        found = kind(text)
    except ValueError:
        raise AddressError("the host must be an address such as 192.0.2.7 or [2001:db8::7]") from None
    # The same machine as IPv4 knows it: a network of IPv4 addresses must not be left by writing them as IPv6.
    return getattr(found, "ipv4_mapped", None) or found


def _rtsp(url: str) -> RtspAddress:
    if "@" in url.removeprefix("rtsp://").partition("/")[0]:
        raise AddressError("url must not hold a user or a password: name a secret in `credentials`")
    found = _RTSP.fullmatch(url)
    if found is None:
        raise AddressError("an rtsp url reads rtsp://host:port/path")
    port = int(found["port"] or RTSP_PORT)
    if not 0 < port <= MAX_PORT:
        raise AddressError(f"the port must be from 1 to {MAX_PORT}")
    return RtspAddress(read_host(found["host"]), port, found["path"] or "")


def _file(url: str) -> FileAddress:
    path = url.removeprefix("file://")
    if path == url or not path.startswith("/") or path.startswith("//") or re.search("[?#]", path):
        raise AddressError("a file's address reads file:///folder/name")
    try:
        found = PurePosixPath(unquote_to_bytes(path).decode())
    except UnicodeDecodeError:
        raise AddressError("a file's name must be text: write its letters in UTF-8") from None
    if ".." in found.parts or any(not each.isprintable() for each in str(found)):
        raise AddressError("a file's address must name it without a step back and without invisible characters")
    return FileAddress(found)
