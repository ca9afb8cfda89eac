"""What every source is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from beffroi_ingest.batching import StreamInfo

Pause = Callable[[float], bool]
"""Waits for so many seconds, and returns True at once when asked to stop."""


@dataclass(frozen=True, slots=True)
class EncodedUnit:
    """One encoded picture as its source gives it, in decoding order.

    Attributes:
        pts: presentation time in the stream's time base.
        dts: decoding time in the stream's time base.
        key: a decoder can start here.
        data: Annex B (H.264, H.265) or one JPEG. Never printed.
    """

    pts: int
    dts: int
    key: bool
    data: bytes

    def __repr__(self) -> str:
        """Everything but the picture."""
        return f"EncodedUnit(pts={self.pts}, key={self.key}, {len(self.data)} bytes)"


class Source(Protocol):
    """An opened source."""

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream."""

    def units(self) -> Iterator[EncodedUnit]:
        """Yield units as they come, until asked to stop.

        Raises:
            SourceError: it broke off, and why.
        """

    def close(self) -> None:
        """Release it."""
