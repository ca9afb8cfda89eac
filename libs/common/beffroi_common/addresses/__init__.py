"""Addresses that cameras may have: read strictly, and held against what whoever deploys allows. Pure: nothing is asked.

The api decides by it at the door, and ingest again before it opens anything, each by its own settings.
"""

from .allowed import RTSP_PORTS, AddressNotAllowedError, AllowedAddresses, FolderList, NetworkList, PortList
from .reading import (
    SCHEMES,
    Address,
    AddressError,
    FileAddress,
    GeneratedAddress,
    IpAddress,
    RtspAddress,
    read_address,
    read_host,
)

__all__ = [
    "RTSP_PORTS",
    "SCHEMES",
    "Address",
    "AddressError",
    "AddressNotAllowedError",
    "AllowedAddresses",
    "FileAddress",
    "FolderList",
    "GeneratedAddress",
    "IpAddress",
    "NetworkList",
    "PortList",
    "RtspAddress",
    "read_address",
    "read_host",
]
