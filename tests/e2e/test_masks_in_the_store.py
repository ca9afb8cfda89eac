"""Noise under the masks of a picture of odd size, nothing else in view: stored pictures are flat to their last edge.

What is outside the masks has the masks' own colour, so that whatever differs anywhere in a stored picture, luma or
chroma, is a trace of what was underneath. The masks end where blocks of JPEG do, which keeps the noise inside them.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.e2e.system import Camera, running_system, wait_for

from beffroi_local.stored import read_back

WIDTH, HEIGHT = 641, 479
EVEN_WIDTH, EVEN_HEIGHT = 642, 480
"""What people draw on: the size of the encoded picture."""

BLOCK = 16
FPS, PICTURES = 10, 40
MASKED = ((160, 0, 320, 128), (624, 464, 642, 480))
"""Two rectangles (x1, y1, x2, y2) in pixels: at the upper edge, and in the odd corner at the lower right."""

FLAT = {"y": 96, "u": 128, "v": 128}
TOLERANCE = 3
"""What x264 may miss a flat colour by."""

CAMERA = "impair"


def noisy_picture(random: np.random.Generator) -> av.VideoFrame:
    chroma = ((HEIGHT + 1) // 2, (WIDTH + 1) // 2)
    planes = [
        np.full(shape, value, np.uint8)
        for shape, value in zip(((HEIGHT, WIDTH), chroma, chroma), FLAT.values(), strict=True)
    ]
    for x1, y1, x2, y2 in MASKED:
        for plane, step in zip(planes, (1, 2, 2), strict=True):
            area = plane[y1 // step : y2 // step, x1 // step : x2 // step]
            area[:] = random.integers(0, 256, area.shape, np.uint8)
    # The format says full range, as the masker hands it on: 96 stays 96.
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuvj420p")
    for samples, target in zip(planes, picture.planes, strict=True):
        rows = np.zeros((target.height, target.line_size), np.uint8)
        rows[:, : samples.shape[1]] = samples
        target.update(rows.tobytes())
    return picture


def write_clip(path: Path) -> None:
    random = np.random.default_rng(0)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=FPS, options={"qmin": "1", "qmax": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(PICTURES):
            picture = noisy_picture(random)
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def polygon(x1: float, y1: float, x2: float, y2: float) -> list[tuple[float, float]]:
    corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    return [(x / EVEN_WIDTH, y / EVEN_HEIGHT) for x, y in corners]


def planes_of(picture: av.VideoFrame) -> dict[str, NDArray[np.uint8]]:
    found = {}
    for name, plane in zip(FLAT, picture.planes, strict=True):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
        found[name] = rows[:, : plane.width]
    return found


def traces(picture: av.VideoFrame) -> int:
    """How many samples of a picture, anywhere, are not flat."""
    return sum(
        int((np.abs(plane.astype(np.int16) - FLAT[name]) > TOLERANCE).sum())
        for name, plane in planes_of(picture).items()
    )


def camera(clip: Path) -> Camera:
    about = {"name": "Taille impaire", "commune": "Démonstration", "source": {"url": clip.as_uri()}}
    masking = {"mode": "burn", "polygons": [polygon(*each) for each in MASKED], "reason": "bruit"}
    return Camera(about, masking)


def test_the_clip_shows_noise_that_the_check_would_see(tmp_path: Path) -> None:
    write_clip(tmp_path / "odd.avi")
    with av.open(str(tmp_path / "odd.avi"), "r") as container:
        first = next(container.decode(video=0))
    assert (first.width, first.height) == (WIDTH, HEIGHT)
    assert traces(first) > 10_000
    outside = planes_of(first)["y"][140:460, 330:620]
    assert int(np.abs(outside.astype(np.int16) - FLAT["y"]).max()) <= TOLERANCE


def test_stored_pictures_and_stills_show_no_trace_of_what_is_under_the_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "odd.avi"
    monkeypatch.setenv("BEFFROI_CAMERA_FOLDERS", str(tmp_path))
    write_clip(clip)
    with running_system(tmp_path / "home", {CAMERA: camera(clip)}) as system:
        wait_for(lambda: len(system.segments(CAMERA)) >= 3, "three segments")
        segments, still = system.segments(CAMERA), system.api.still(CAMERA)
        stored = read_back(system.stack.parts.store, segments, traces)
    assert stored.leaking_pixels == 0
    assert (segments[0]["width"], segments[0]["height"]) == (EVEN_WIDTH, EVEN_HEIGHT)
    assert still is not None
    with av.open(io.BytesIO(still), "r") as container:
        assert traces(next(container.decode(video=0))) == 0
