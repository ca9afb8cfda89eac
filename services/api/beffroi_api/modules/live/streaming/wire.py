"""A batch as it goes to the browser: 4 bytes big-endian header length, JSON header, Annex B access units."""

from __future__ import annotations

import struct

from beffroi_api.modules.live.schemas import LiveHeader, LiveUnit, View

from .viewer import Held


def message(held: Held, view: View, server_time_ms: int) -> bytes:
    """One binary live message."""
    batch = held.batch
    header = LiveHeader(
        camera=batch.camera,
        view=view,
        epoch=batch.epoch,
        sequence=batch.sequence,
        mask_version=batch.mask_version,
        codec=held.codec,
        width=batch.width,
        height=batch.height,
        server_time_ms=server_time_ms,
        catching_up=held.by_lane,
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
