"""The Range header (RFC 9110, section 14): one range, as video players ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from beffroi_api.errors import RangeNotSatisfiable

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last` (included). `partial`: a range was asked for, and is answered with 206."""

    first: int
    last: int
    partial: bool

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


def span_of(header: str | None, size_bytes: int) -> Span:
    """Read a Range header. What is not one range of bytes is ignored, as the standard allows: the whole is answered.

    Raises:
        RangeNotSatisfiable: it begins behind the end.
    """
    whole = Span(0, size_bytes - 1, partial=False)
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or found.group(1) == found.group(2) == "":
        return whole
    first_text, last_text = found.groups()
    if first_text == "":
        first, last = max(0, size_bytes - int(last_text)), size_bytes - 1
    else:
        first, last = int(first_text), min(int(last_text or size_bytes - 1), size_bytes - 1)
        if last_text and int(last_text) < int(first_text):
            return whole
    if first >= size_bytes:
        raise RangeNotSatisfiable(
            f"The recording has {size_bytes} bytes; the range begins behind its end.",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return Span(first, last, partial=True)
