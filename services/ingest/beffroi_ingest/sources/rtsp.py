"""A camera by RTSP over TCP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from beffroi_common.addresses import AddressError, IpAddress, RtspAddress, read_address
from beffroi_ingest.batching import StreamInfo

from .demuxing import Demuxer
from .errors import PictureSizeUnknownError, SourceError
from .interfaces import EncodedUnit, Pause
from .relay import LOOPBACK, Relay

OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",  # sound is not even asked for
    "protocol_whitelist": "rtsp,tcp,rtp",
    "fpsprobesize": "0",  # the frame rate is measured here
}

SHORT_PROBE = OPTIONS | {"analyzeduration": "1", "probesize": "32"}
"""Most cameras say all in their SDP. Pictures read to find out more would be handed over late, all at once, and so
get a wrong capture time."""

LONG_PROBE = OPTIONS | {"analyzeduration": "5000000", "probesize": "5000000"}
"""For the others."""

MAX_REDIRECTS = 3
"""Within one camera, e.g. from its general address to a stream's; more are a circle."""

GOODBYE_S = 0.5
"""For the last request (TEARDOWN), by which a camera frees one of its few sessions at once."""


@dataclass(frozen=True)
class Target:
    """What is opened.

    Attributes:
        address: as the camera's configuration has it.
        host: the address to connect to, which was checked.
        login: `user:password`, quoted; empty: none. Never shown.
    """

    address: RtspAddress
    host: IpAddress
    login: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"Target({self.host}:{self.address.port})"


class RtspSource:
    """See `Source`."""

    def __init__(self, target: Target, pause: Pause, open_timeout_s: float, read_timeout_s: float) -> None:
        self._pause = pause
        self._timeouts_s = (open_timeout_s, read_timeout_s)
        try:
            self._demuxer, self._relay = self._open(target, SHORT_PROBE)
        except PictureSizeUnknownError:
            self._demuxer, self._relay = self._open(target, LONG_PROBE)

    @property
    def info(self) -> StreamInfo:
        """See `Source.info`."""
        return self._demuxer.info

    def units(self) -> Iterator[EncodedUnit]:
        """See `Source.units`."""
        for unit in self._demuxer.units():
            if self._pause(0):
                return
            yield unit

    def close(self) -> None:
        """See `Source.close`."""
        self._demuxer.close()
        self._relay.close(GOODBYE_S)

    def _open(self, target: Target, options: Mapping[str, str]) -> tuple[Demuxer, Relay]:
        """Open it, and follow redirects as long as they stay on the host, each by a connection of our own."""
        address = target.address
        for _ in range(MAX_REDIRECTS + 1):
            relay = Relay(target.host, address.port, self._timeouts_s[0])
            through = RtspAddress(ip_address(LOOPBACK), relay.port, address.path)
            try:
                return Demuxer(through.url(through.host, target.login), options, *self._timeouts_s), relay
            except SourceError:
                relay.close()
                if relay.location is None:
                    raise
                address = _moved(target, through, relay.location)
            except BaseException:
                relay.close()
                raise
        raise SourceError("redirected", "The camera sends in a circle: correct its address.")


def _moved(target: Target, asked: RtspAddress, location: str) -> RtspAddress:
    """Where a redirect leads on the same host and port.

    Raises:
        SourceError: it leads elsewhere.
    """
    own = {(target.address.host, target.address.port), (target.host, target.address.port), (asked.host, asked.port)}
    try:
        to = read_address(location)
    except AddressError:
        to = None
    if not isinstance(to, RtspAddress) or (to.host, to.port) not in own:
        raise SourceError(
            "redirected",
            "The camera sends to another host, which is not followed: enter the address at which it is itself.",
        )
    return RtspAddress(target.address.host, target.address.port, to.path)
