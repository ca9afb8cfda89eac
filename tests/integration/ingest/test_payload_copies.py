"""How often a picture is copied on its way through ingest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_a_picture_is_copied_no_more_often_than_it_must_be() -> None:
    """Once out of FFmpeg, three times by Protobuf, once by the client; once more where parameter sets are put in."""
    # In a process of its own: it changes how memory is taken from the kernel.
    measured = subprocess.run(
        [sys.executable, "-m", "bench.payload_copies"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    totals = [round(float(each)) for each in re.findall(r"bytes: ([\d.]+) copies", measured.stdout)]
    assert totals == [5, 6], measured.stdout
