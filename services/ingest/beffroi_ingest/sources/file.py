"""A file as if it were a camera: at its own pace, in a loop, with time stamps that go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from beffroi_common.runtime.clock import Clock
from beffroi_ingest.batching import StreamInfo

from .demuxing import Demuxer
from .errors import SourceError
from .interfaces import EncodedUnit, Pause

OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts",
}
"""Containers of one file. A playlist in disguise must not reach out into the network or into other folders."""


class FileSource:
    """See `Source`."""

    def __init__(self, path: Path, clock: Clock, pause: Pause, open_timeout_s: float, read_timeout_s: float) -> None:
        self._clock = clock
        self._pause = pause
        self._demuxer = Demuxer(f"file:{path}", OPTIONS, open_timeout_s, read_timeout_s)

    @property
    def info(self) -> StreamInfo:
        """See `Source.info`."""
        return self._demuxer.info

    def units(self) -> Iterator[EncodedUnit]:
        """See `Source.units`."""
        start_s = self._clock.monotonic_s()
        first_dts: int | None = None
        for unit in self._looped():
            first_dts = unit.dts if first_dts is None else first_dts
            due_s = start_s + float((unit.dts - first_dts) * self.info.time_base)
            if self._pause(max(0.0, due_s - self._clock.monotonic_s())):
                return
            yield unit

    def close(self) -> None:
        """See `Source.close`."""
        self._demuxer.close()

    def _looped(self) -> Iterator[EncodedUnit]:
        offset = 0
        while True:
            first: int | None = None
            last = step = 0
            for unit in self._demuxer.units():
                if first is None:
                    first = unit.dts
                else:
                    step = unit.dts - last
                last = unit.dts
                yield replace(unit, pts=unit.pts + offset, dts=unit.dts + offset)
            if first is None or step <= 0:
                raise SourceError("unreadable", "The file holds less than two pictures.")
            offset += last - first + step
            self._demuxer.rewind()
