"""A camera by RTSP over TCP."""

from __future__ import annotations

from collections.abc import Iterator

from beffroi_ingest.batching import StreamInfo

from .demuxing import Demuxer
from .errors import PictureSizeUnknownError
from .interfaces import EncodedUnit, Pause

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


class RtspSource:
    """See `Source`."""

    def __init__(self, address: str, pause: Pause, open_timeout_s: float, read_timeout_s: float) -> None:
        self._pause = pause
        try:
            self._demuxer = Demuxer(address, SHORT_PROBE, open_timeout_s, read_timeout_s)
        except PictureSizeUnknownError:
            self._demuxer = Demuxer(address, LONG_PROBE, open_timeout_s, read_timeout_s)

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
