"""H.264 into fragmented MP4, by PyAV: the same samples give the same bytes, whenever and wherever.

Each fragment begins at a key picture and carries its capture time as a producer reference time box (`prft`, ISO/IEC
14496-12, 8.16.5), so that the capture time of each picture can be read from the file alone.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import av
from av.error import FFmpegError
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from beffroi_common.contracts import InvalidMessageError
from beffroi_common.contracts.frames import TICKS_PER_S

from .samples import MEDIA_TIME_BASE, Sample

OPTIONS = {
    "movflags": "empty_moov+default_base_moof+frag_keyframe",
    "write_prft": "wallclock",  # taken from the packets, see `_reference_time`
    "fflags": "+bitexact",  # no version of the library in the file
    "video_track_timescale": str(TICKS_PER_S),
}
REFERENCE_TIME = struct.Struct("=qi4x")
"""libavutil's AVProducerReferenceTime: microseconds since 1970 UTC, flags."""


class FragmentWriter:
    """Makes one file. Bytes wait in memory until `take`: one fragment at most, besides what was not taken."""

    def __init__(self, first: Sample, tags: Mapping[str, str]) -> None:
        """Begin with the first sample, which holds the parameter sets, without adding it yet.

        Its decoding time is where the file's clock begins.

        Raises:
            InvalidMessageError: no decoder could make sense of it.
        """
        self._origin_dts = first.dts
        self._sink = _Sink()
        self._container = av.open(self._sink, "w", format="mp4", options=OPTIONS)
        self._container.metadata.update(tags)
        try:
            with av.open(io.BytesIO(first.data), format="h264") as source:
                self._stream = self._container.add_stream_from_template(source.streams.video[0], opaque=True)
            self._stream.time_base = MEDIA_TIME_BASE
            self._container.start_encoding()  # writes what the parameter sets say; refuses what makes no sense
        except (FFmpegError, IndexError) as error:
            raise InvalidMessageError(f"its key picture cannot be read as H.264 ({type(error).__name__})") from None

    def add(self, sample: Sample) -> None:
        """Add one picture."""
        packet = av.Packet(sample.data)
        packet.stream = self._stream
        packet.time_base = MEDIA_TIME_BASE
        packet.pts = sample.pts - self._origin_dts
        packet.dts = sample.dts - self._origin_dts
        packet.duration = sample.duration
        packet.is_keyframe = sample.key
        packet.set_sidedata(_reference_time(sample.capture_time_ns))
        self._container.mux_one(packet)

    def take(self) -> bytes:
        """The bytes made since the last call."""
        return self._sink.take()

    def close(self) -> None:
        """End the file; its last bytes are there to take."""
        self._container.close()


class _Sink:
    """What the muxer writes to."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def _reference_time(capture_time_ns: int) -> PacketSideData:
    kind = packet_sidedata_type_from_literal("prft")
    side_data = PacketSideData(kind, REFERENCE_TIME.size)  # type: ignore[call-arg] # missing in the stub
    side_data.update(REFERENCE_TIME.pack(capture_time_ns // 1000, 0))
    return side_data
