"""Reads access units with FFmpeg's demuxers: video alone, not decoded, as Annex B with parameter sets in band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from beffroi_common.contracts import Codec
from beffroi_common.contracts.base import MAX_SIDE
from beffroi_common.contracts.frames import bounded_pixel_aspect
from beffroi_ingest.batching import StreamInfo
from beffroi_ingest.in_band import InBandSets

from .errors import PictureSizeUnknownError, SourceError
from .interfaces import EncodedUnit
from .stamping import Stamper

av.logging.set_level(None)
"""FFmpeg's own lines may hold the address with its password; what happened is in `SourceError`."""

FILTERS = {Codec.H264: "h264_mp4toannexb", Codec.HEVC: "hevc_mp4toannexb"}
"""They leave alone what is Annex B already."""

CONVERT = "ffmpeg -i INPUT -an -c:v libx264 -pix_fmt yuv420p -bf 0 -g 50 OUTPUT.mp4"

_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (av.error.HTTPUnauthorizedError, "wrong_password", "The camera refused user or password: correct its secret."),
    (av.error.HTTPForbiddenError, "wrong_password", "The camera forbids this user to watch: give it the right."),
    (av.error.HTTPNotFoundError, "not_found", "The camera is there, but not this path: correct its address."),
    (av.error.HTTPClientError, "refused", "The camera refused the request: look at its address and its settings."),
    (av.error.HTTPServerError, "refused", "The camera answered with an error of its own: restart it if this lasts."),
    (av.error.ConnectionRefusedError, "refused", "Nobody answers at the camera's port: is it on, is the port right?"),
    (av.error.ConnectionResetError, "disconnected", "The camera closed the connection."),
    (av.error.BrokenPipeError, "disconnected", "The camera closed the connection."),
    (av.error.EOFError, "disconnected", "The camera ended the stream."),
    (av.error.ExitError, "timeout", "The camera sends nothing: look at its power and its network."),
    (av.error.TimeoutError, "timeout", "The camera sends nothing: look at its power and its network."),
    (av.error.FileNotFoundError, "not_found", "The file is not there: correct its path."),
    (av.error.PermissionError, "not_found", "The file may not be read: give this service the right."),
    (av.error.IsADirectoryError, "not_found", "This is a folder: name a file."),
    (av.error.InvalidDataError, "unreadable", "What comes is no video that can be read."),
    (av.error.ArgumentError, "unreadable", "What comes is no video that can be read."),
)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn FFmpeg's errors into `SourceError`, without a word of FFmpeg's."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
        raise _reason(error) from None


def _reason(error: Exception) -> SourceError:
    for kind, code, message in _REASONS:
        if isinstance(error, kind):
            return SourceError(code, message)
    return SourceError("unreachable", "The camera cannot be reached: look at its address, its power and its network.")


class Demuxer:
    """An opened container and its first video stream."""

    def __init__(self, address: str, options: Mapping[str, str], open_timeout_s: float, read_timeout_s: float) -> None:
        with translated_errors():
            self._container: InputContainer = av.open(
                address, mode="r", options=dict(options), timeout=(open_timeout_s, read_timeout_s)
            )
        try:
            self._stream = self._video()
            self.info = self._describe()
            self._sets = InBandSets(self.info.codec, self._stream.codec_context.extradata)
            self._filter = self._new_filter()
        except BaseException:
            self._container.close()
            raise

    def units(self) -> Iterator[EncodedUnit]:
        """Yield access units until the end.

        Raises:
            SourceError: reading broke off.
        """
        stamper = Stamper(self._stream.time_base, self.info.fps)
        for packet in self._packets():
            for unit in stamper.stamp(packet):
                yield replace(unit, data=self._sets.complete(unit.data, key=unit.key))

    def _packets(self) -> Iterator[Packet[Any]]:
        packets = iter(self._container.demux(self._stream))
        while True:
            with translated_errors():
                packet = next(packets, None)
                if packet is None or packet.size == 0:
                    return
                filtered = [packet] if self._filter is None else self._filter.filter(packet)
            yield from filtered

    def rewind(self) -> None:
        """Begin again (files only)."""
        with translated_errors():
            self._container.seek(0)
        self._filter = self._new_filter()

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def _video(self) -> VideoStream:
        if not self._container.streams.video:
            raise SourceError("no_video", "There is no video stream: correct the address.")
        for stream in self._container.streams:
            stream.discard = Discard.all  # sound and everything else ends here
        video = self._container.streams.video[0]
        video.discard = Discard.default
        return video

    def _describe(self) -> StreamInfo:
        context = self._stream.codec_context
        name = context.name if context is not None else "unknown"
        try:
            codec = Codec(name)
        except ValueError:
            raise SourceError(
                "unsupported_codec",
                f"Video in {name} is not taken: set the camera to H.264, or convert the file: {CONVERT}",
            ) from None
        if not (0 < context.width <= MAX_SIDE and 0 < context.height <= MAX_SIDE):
            raise PictureSizeUnknownError(
                "unreadable", "The picture size is not known: look at the camera's encoder settings."
            )
        time_base = self._stream.time_base
        if time_base is None or time_base <= 0:
            raise SourceError("unreadable", "Pictures come without a clock.")
        return StreamInfo(
            codec, context.width, context.height, Fraction(time_base), _fps(self._stream), _pixel_aspect(self._stream)
        )

    def _new_filter(self) -> BitStreamFilterContext | None:
        name = FILTERS.get(self.info.codec)
        with translated_errors():  # it reads the file's parameter sets, which may be damaged
            return None if name is None else BitStreamFilterContext(name, self._stream)


MAX_FPS = 120.0


def _fps(stream: VideoStream) -> float | None:
    rate = stream.average_rate or stream.base_rate
    return float(rate) if rate and 0 < rate <= MAX_FPS else None


def _pixel_aspect(stream: VideoStream) -> Fraction | None:
    """What the container says. Where it agrees with the pictures they say it themselves, and may change their mind."""
    said = stream.sample_aspect_ratio
    if not said or said == stream.codec_context.sample_aspect_ratio:
        return None
    return bounded_pixel_aspect(Fraction(said))
