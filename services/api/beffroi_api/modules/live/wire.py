"""A batch as it goes to the browser: 4 bytes big-endian header length, JSON header, Annex B access units."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from beffroi_common.contracts import FrameBatch

from .schemas import LiveHeader, LiveUnit, View

SPS = 7
"""NAL unit type of a sequence parameter set (ITU-T H.264, table 7-1)."""


def avc_codec(annex_b: bytes) -> str | None:
    """`avc1.PPCCLL` (RFC 6381: profile, constraints, level) out of the parameter set in band; None: there is none."""
    for start in _nal_starts(annex_b):
        if annex_b[start] & 0x1F == SPS and len(annex_b) >= start + 4:
            return "avc1." + annex_b[start + 1 : start + 4].hex()
    return None


def message(batch: FrameBatch, view: View, codec: str, server_time_ms: int) -> bytes:
    """One binary live message."""
    header = LiveHeader(
        camera=batch.camera,
        view=view,
        epoch=batch.epoch,
        sequence=batch.sequence,
        mask_version=batch.mask_version,
        codec=codec,
        width=batch.width,
        height=batch.height,
        server_time_ms=server_time_ms,
        units=[
            LiveUnit(
                size=len(unit.data),
                key=unit.key,
                capture_time_ms=unit.capture_time_ns // 1_000_000,
                pts_us=int(unit.pts * batch.time_base * 1_000_000),
            )
            for unit in batch.units
        ],
    )
    text = header.model_dump_json().encode()
    return b"".join((struct.pack(">I", len(text)), text, *(unit.data for unit in batch.units)))


def _nal_starts(annex_b: bytes) -> Iterator[int]:
    """Index of the first byte after each start code."""
    at = annex_b.find(b"\x00\x00\x01")
    while at >= 0 and at + 3 < len(annex_b):
        yield at + 3
        at = annex_b.find(b"\x00\x00\x01", at + 3)
