"""What ships opens a codec, or looks for start codes, in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[4]
SHIPPED = [
    path
    for folder in ("libs/common", "services")
    for path in (REPOSITORY / folder).rglob("beffroi_*/**/*.py")
    if "node_modules" not in path.parts
]
MEDIA = "libs/common/beffroi_common/media"
STILLS = "services/api/beffroi_api/modules/live/stills/pictures.py"
"""Makes a JPEG of one picture, which nothing else does."""


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (r"CodecContext\.create\(", {f"{MEDIA}/decoding.py", f"{MEDIA}/encoding.py", STILLS}),
        (r"\\x00\\x00\\x01", {f"{MEDIA}/nal.py"}),
        (r"avc1\.\{", {f"{MEDIA}/nal.py"}),
        (r"movflags|default_base_moof", {f"{MEDIA}/mp4_writer.py"}),
        (r"b\"(moof|prft|mdat)\"", {f"{MEDIA}/mp4_reader.py"}),
    ],
)
def test_the_one_place(words: str, places: set[str]) -> None:
    assert SHIPPED
    found = {str(path.relative_to(REPOSITORY)) for path in SHIPPED if re.search(words, path.read_text())}
    assert found == places
