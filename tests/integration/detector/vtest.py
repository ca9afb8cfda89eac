"""PETS 2009 S2.L1 with its human truth, as masked batches: read from the shared footage, never committed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from beffroi_common.contracts import (
    AccessUnit,
    Alert,
    AlertState,
    Box,
    Camera,
    CameraRule,
    CameraSource,
    Codec,
    FrameBatch,
    LegalBasis,
    Stream,
    Zone,
)

MEDIA = Path(__file__).parents[4] / "shared" / "media"
CLIP = MEDIA / "vtest.avi"
TRUTH = MEDIA.parent / "truth" / "vtest_mot15.txt"

SIZE_WH = (768, 576)
FPS = 10
FRAMES = 795
MASKED_ROWS = 110
"""The buildings at the top."""
BATCH_PICTURES = 5
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND_NS = 1_000_000_000

ONSETS = {9: 1.7, 11: 14.5, 12: 14.7, 1: 49.1, 15: 2.1}
"""Identities that stay within 60 px for 10 s, and since when, in seconds of the clip (shared/media/README.md)."""
THRESHOLD_S = 10.0
TOLERANCE_S = 3.0

CROSSROADS = ((0.0, 0.27), (0.45, 0.22), (0.8, 0.2), (1.0, 0.14), (1.0, 1.0), (0.0, 1.0))


def camera() -> Camera:
    """One zone over the whole crossroads, 10 s within 60 pixels, under a legal basis."""
    parameters = {"threshold_s": THRESHOLD_S, "radius_height": 60 / SIZE_WH[1]}
    rule = CameraRule(id="loitering", rule="loitering", parameters=parameters, geometry={"zone": "z"})
    return Camera(
        id="vtest",
        name="Carrefour",
        commune="Lille",
        slot=0,
        source=CameraSource(url=CLIP.as_uri()),
        zones=(Zone(id="z", name="Carrefour", kind="sensitive", shape="polygon", points=CROSSROADS),),
        rules=(rule,),
        legal_bases=(
            LegalBasis(
                analytic="loitering",
                purpose="essai",
                reference="arrêté 1",
                starts_at=START - timedelta(days=1),
                ends_at=START + timedelta(days=1),
            ),
        ),
    )


def masked_units(crf: int, seed: int = 0, jitter_s: float = 0.03, frames: int = FRAMES) -> list[AccessUnit]:
    """The clip as the masker sends it: buildings flat, x264, each batch on its own, arrival times that tremble."""
    chance = random.Random(seed)
    units: list[AccessUnit] = []
    encoder: av.VideoCodecContext | None = None
    with av.open(CLIP) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == frames:
                break
            if number % BATCH_PICTURES == 0:
                encoder = _encoder(crf)
            assert encoder is not None
            masked = _mask(frame.reformat(format="yuv420p").to_ndarray())
            picture = av.VideoFrame.from_ndarray(masked, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            (packet,) = encoder.encode(picture)
            captured_ns = round((number / FPS + chance.uniform(0, jitter_s)) * SECOND_NS)
            units.append(AccessUnit(number, number, captured_ns, packet.is_keyframe, bytes(packet)))
    return units


def batches(units: list[AccessUnit], loops: int, offset_s: float = 0.0) -> Iterator[FrameBatch]:
    """Endless play: the clip again and again in continuous time, beginning `offset_s` after a full second."""
    begin_ns = round(START.timestamp()) * SECOND_NS + round(offset_s * SECOND_NS)
    length_ns = FRAMES * SECOND_NS // FPS
    for sequence, first in enumerate(range(0, loops * FRAMES, BATCH_PICTURES)):
        loop, start = divmod(first, FRAMES)
        shift_ns = begin_ns + loop * length_ns
        yield FrameBatch(
            camera="vtest",
            stream=Stream.MAIN,
            epoch=1,
            sequence=sequence,
            time_base=Fraction(1, FPS),
            codec=Codec.H264,
            width=SIZE_WH[0],
            height=SIZE_WH[1],
            mask_version=1,
            units=tuple(
                AccessUnit(
                    loop * FRAMES + unit.pts,
                    loop * FRAMES + unit.pts,
                    shift_ns + unit.capture_time_ns,
                    unit.key,
                    unit.data,
                )
                for unit in units[start : start + BATCH_PICTURES]
            ),
        )


@dataclass
class Verdict:
    """What the alerts of one loop were worth."""

    true: dict[int, float] = field(default_factory=dict)
    """Delay against the true moment, in seconds, by identity."""
    false: list[str] = field(default_factory=list)


def judge(alerts: list[Alert], loops: int, offset_s: float = 0.0) -> list[Verdict]:
    """Compare opened alerts with the human truth, loop by loop."""
    truth = _truth()
    verdicts = [Verdict() for _ in range(loops)]
    for alert in alerts:
        if alert.state is not AlertState.OPENED:
            continue
        at_s = (alert.occurred_at - START).total_seconds() - offset_s
        loop, in_loop_s = divmod(at_s, FRAMES / FPS)
        verdict = verdicts[int(loop)]
        person = _who(truth[round(in_loop_s * FPS) % FRAMES], alert.box)
        late_s = in_loop_s - ONSETS.get(person, 0.0) - THRESHOLD_S
        if person in ONSETS and person not in verdict.true and abs(late_s) <= TOLERANCE_S:
            verdict.true[person] = round(late_s, 1)
        else:
            verdict.false.append(f"person {person} at {in_loop_s:.1f} s")
    return verdicts


def truth_objects() -> dict[int, dict[int, Box]]:
    """Human boxes by frame and identity."""
    return _truth()


def _truth() -> dict[int, dict[int, Box]]:
    frames: dict[int, dict[int, Box]] = defaultdict(dict)
    for line in TRUTH.read_text().splitlines():
        number, identity, left, top, width, height = (float(value) for value in line.split(",")[:6])
        corners = np.array([left, top, left + width, top + height]) / np.array([*SIZE_WH, *SIZE_WH])
        x1, y1, x2, y2 = (float(value) for value in corners.clip(0, 1))
        frames[int(number) - 1][int(identity)] = (x1, y1, x2, y2)
    return frames


def _who(people: dict[int, Box], box: Box) -> int:
    overlaps = {identity: _overlap(each, box) for identity, each in people.items()}
    best = max(overlaps, key=overlaps.__getitem__, default=-1)
    return best if overlaps.get(best, 0.0) > 0.3 else -1


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (_area(a) + _area(b) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _mask(planes: np.ndarray) -> np.ndarray:
    width, height = SIZE_WH
    planes[:MASKED_ROWS] = 96
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[:, : (MASKED_ROWS + 1) // 2] = 128
    return planes


def _encoder(crf: int) -> av.VideoCodecContext:
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = SIZE_WH
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, FPS)
    encoder.framerate = Fraction(FPS)
    encoder.thread_count = 1
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(crf), "bf": "0", "g": "1000"}
    return encoder
