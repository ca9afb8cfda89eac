"""Real footage through ingest's cutting and the masker: every picture that can be decoded comes out, masked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

import pytest

from beffroi_common.addresses import AllowedAddresses
from beffroi_common.contracts import AccessUnit, CameraSource, FrameBatch, MaskDecision, Stream
from beffroi_common.media.encoding import Quality
from beffroi_ingest.batching import Batcher, BatchLimits, Stamp
from beffroi_ingest.sources import SourceOptions, open_source
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.stream import Limits, MaskedStream, Reason
from beffroi_testing import ManualClock

MEDIA = Path(__file__).parents[4] / "shared" / "media"
PICTURES = 150


def raw_batches(clip: Path) -> Iterator[FrameBatch]:
    """The first pictures of a clip, as ingest cuts them."""
    clock = ManualClock()

    def pause(seconds: float) -> bool:
        clock.advance(seconds)
        return False

    allowed = AllowedAddresses(folders=(PurePosixPath(MEDIA.resolve()),))
    source = open_source(
        CameraSource(url=f"file://{clip.resolve()}"), SourceOptions(allowed, None, 10, 10), clock, pause
    )
    batcher = Batcher(Stamp("clip", Stream.MAIN, 1, 1), source.info, BatchLimits(0.5, 4_000_000))
    for index, unit in enumerate(islice(source.units(), PICTURES)):
        yield from batcher.add(AccessUnit(unit.pts, unit.dts, index + 1, unit.key, unit.data))
    yield from batcher.flush()
    source.close()


@pytest.mark.parametrize(
    ("name", "before_first_key"),
    [
        ("iacv_tunnelligure.mp4", 0),
        ("o4n_traffic.mp4", 0),  # B-frames
        ("roxa_crosswalk.mp4", 0),  # B-frames, and nothing in the stream says how far they are reordered
        ("ckuhn_traffic.mp4", 4),  # begins in the middle of a group of pictures
    ],
)
def test_every_picture_comes_out_masked(name: str, before_first_key: int, decision: MaskDecision) -> None:
    clip = MEDIA / name
    if not clip.exists():
        pytest.skip(f"the shared footage is not here ({clip})")
    stream = MaskedStream(Limits(1, 36_000_000, 120), Quality("ultrafast", 23, 12_000_000, 1), FirstShapes())
    raw = list(raw_batches(clip))
    blind = decision.model_copy(update={"drawn_on": None})
    outcomes = [each for offset, batch in enumerate(raw) for each in stream.mask(batch, offset, blind)]
    outcomes += stream.finish(blind)
    assert [outcome.raw for outcome in outcomes] == raw
    assert [outcome.result for outcome in outcomes[:before_first_key]] == [Reason.AWAITING_KEY] * before_first_key
    masked = [outcome.result for outcome in outcomes[before_first_key:]]
    assert not [each for each in masked if isinstance(each, Reason)]
    pts = [unit.pts for each in masked if isinstance(each, FrameBatch) for unit in each.units]
    assert pts == sorted(unit.pts for batch in raw[before_first_key:] for unit in batch.units)
