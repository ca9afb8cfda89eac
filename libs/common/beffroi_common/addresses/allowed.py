"""What whoever deploys allows cameras' addresses to be. What nobody named is not allowed."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import PurePosixPath
from typing import Annotated, Any, assert_never

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from .reading import MAX_PORT, Address, FileAddress, GeneratedAddress, IpAddress, RtspAddress

IpNetwork = IPv4Network | IPv6Network

NOWHERE = (IPv4Network("0.0.0.0/8"), IPv4Network("224.0.0.0/3"), IPv6Network("::/128"), IPv6Network("ff00::/8"))
"""What is no one machine: on Linux 0.0.0.0 is this one. Whatever is allowed, no camera is there."""

OWN = (
    IPv4Network("127.0.0.0/8"),
    IPv6Network("::1/128"),
    IPv4Network("169.254.0.0/16"),
    IPv6Network("fe80::/10"),
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("2001::/32"),
)
"""This machine, what answers on its own link (a cloud's metadata service), and notations of IPv6 that hide an IPv4
address. A wider network that is allowed does not mean them: they must be named."""


class AddressNotAllowedError(Exception):
    """The address is outside what is allowed. The text is for a person; it is the same whatever exists there."""


def _split(value: Any) -> Any:
    return [each for each in (part.strip() for part in value.split(",")) if each] if isinstance(value, str) else value


def _network(value: Any) -> IpNetwork:
    return ip_network(value)


NetworkList = Annotated[
    tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...], NoDecode, BeforeValidator(_split)
]
"""Networks, as a list or as text with commas: `10.20.0.0/16,fd00:20::/64`."""


def _absolute(folder: PurePosixPath) -> PurePosixPath:
    if not folder.is_absolute() or ".." in folder.parts:
        raise ValueError("a folder must be absolute")
    return folder


PortList = Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_PORT)], ...], NoDecode, BeforeValidator(_split)]
FolderList = Annotated[
    tuple[Annotated[PurePosixPath, AfterValidator(_absolute)], ...], NoDecode, BeforeValidator(_split)
]

RTSP_PORTS = (554, 8554)
"""RTSP, as cameras and as most relays have it."""


class AllowedAddresses(BaseModel):
    """Where cameras may be. By default nowhere: only test patterns, which reach nothing, are always allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: NetworkList = ()
    """In which cameras are, with commas, e.g. 10.20.0.0/16. Loopback and link-local addresses must be named as such."""
    ports: PortList = RTSP_PORTS
    """On which they listen, with commas."""
    folders: FolderList = ()
    """Whose files may be played as cameras, with what lies deeper in them; with commas."""

    def check(self, address: Address) -> None:
        """Decide on what an address says by itself. Where a name leads to is for whoever resolves it (`reachable`).

        Raises:
            AddressNotAllowedError: it is not allowed, and what to do.
        """
        match address:
            case RtspAddress():
                self._check_rtsp(address)
            case FileAddress():
                if not self.contains(address.path):
                    raise AddressNotAllowedError(
                        "Files of this folder are not allowed as cameras: name a file in an allowed folder, or ask "
                        "whoever runs Beffroi to allow this one (addresses.folders)."
                    )
            case GeneratedAddress():
                pass
            case _:
                assert_never(address)

    def contains(self, path: PurePosixPath) -> bool:
        """Say whether a file lies in an allowed folder, by its path alone."""
        return any(path.is_relative_to(folder) and path != folder for folder in self.folders)

    def reachable(self, found: Collection[IpAddress]) -> list[IpAddress]:
        """Those of the addresses of a host that are allowed, in their order.

        Raises:
            AddressNotAllowedError: none is, or there is none. Which of the two is not told.
        """
        allowed = [each for each in found if self._allows(each)]
        if not allowed:
            raise AddressNotAllowedError(
                "The host is in no network in which cameras may be: correct it, or ask whoever runs Beffroi to allow "
                "its network (addresses.networks)."
            )
        return allowed

    def _check_rtsp(self, address: RtspAddress) -> None:
        if not self.networks:
            raise AddressNotAllowedError(
                "Cameras on the network are not allowed: ask whoever runs Beffroi to name their networks "
                "(addresses.networks)."
            )
        if address.port not in self.ports:
            raise AddressNotAllowedError(
                f"Port {address.port} is not allowed for cameras: correct it, or ask whoever runs Beffroi to allow it "
                "(addresses.ports)."
            )
        if not isinstance(address.host, str):
            self.reachable([address.host])

    def _allows(self, address: IpAddress) -> bool:
        address = getattr(address, "ipv4_mapped", None) or address
        if _within(address, NOWHERE):
            return False
        own = next((network for network in OWN if address in network), None)
        return any(address in each and (own is None or _is_part(each, own)) for each in self.networks)


def _within(address: IpAddress, networks: Collection[IpNetwork]) -> bool:
    return any(address in network for network in networks)


def _is_part(network: IpNetwork, of: IpNetwork) -> bool:
    return network.version == of.version and network.subnet_of(of)  # type: ignore[arg-type]
