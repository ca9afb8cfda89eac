from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.detector.pictures import SECOND_NS, SIZE_WH, START_NS, batch, decoded, grey

from beffroi_common.media.decoding import DecodeError
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.drawing import Outline, annotate
from beffroi_detector.vision.letterbox import GREY, Letterbox
from beffroi_detector.vision.model import distinct
from beffroi_detector.vision.sampling import Sampler
from beffroi_detector.vision.tracking import CameraTracker, Tracked, TrackOptions

STEP_NS = SECOND_NS // 5
TRIANGLE = ((0.1, 0.5), (0.9, 0.5), (0.9, 0.9))


def found(*boxes: tuple[float, float, float, float], confidence: float = 0.9) -> Detections:
    columns = np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), confidence, np.float32)
    return Detections(*columns, ("person",) * len(boxes))


@pytest.mark.parametrize(
    ("xyxy", "confidence", "reason"),
    [
        (np.zeros((2, 4)), np.zeros(1), "fit together"),
        (np.zeros((1, 3)), np.zeros(1), "fit together"),
        (np.full((1, 4), np.nan), np.zeros(1), "finite"),
        (np.zeros((1, 4)), np.full(1, 1.5), "between 0 and 1"),
    ],
)
def test_wrong_columns_are_refused(xyxy: np.ndarray, confidence: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Detections(xyxy.astype(np.float32), confidence.astype(np.float32), ("person",) * len(confidence))


@given(st.integers(1, 4000), st.integers(1, 3000))
def test_boxes_come_back_from_the_letterbox_where_they_were(width: int, height: int) -> None:
    letterbox = Letterbox((width, height), (512, 384))
    fitted = letterbox.fitted_wh
    assert fitted[0] <= 512
    assert fitted[1] <= 384
    box = np.array([[0.25 * width, 0.5 * height, width, height]], np.float32)
    assert letterbox.restore(box * np.float32(letterbox.scale)) == pytest.approx(box, rel=1e-3)


def test_the_letterbox_is_grey_around_the_picture() -> None:
    into = np.zeros((384, 512, 3), np.uint8)
    Letterbox((128, 48), (512, 384)).place(grey((128, 48), luma=235), into)
    assert (into[:192] > 200).all()
    assert (into[192:] == GREY).all()


def test_of_boxes_that_share_much_the_best_stays() -> None:
    xywh = np.array([[0, 0, 10, 20], [1, 0, 10, 20], [50, 0, 10, 20]], np.float32)
    assert distinct(xywh, np.array([0.5, 0.9, 0.4], np.float32), 0.6).tolist() == [1, 2]
    assert distinct(xywh[:0], np.zeros(0, np.float32), 0.6).tolist() == []


def test_the_first_picture_of_each_slot_is_taken() -> None:
    sampler = Sampler()
    times_s = [0.0, 0.1, 0.19, 0.21, 0.3, 0.45, 0.59, 0.62]
    assert [t for t in times_s if sampler.take(round(t * SECOND_NS), 0.2)] == [0.0, 0.21, 0.45, 0.62]


def test_a_replay_samples_the_same_pictures() -> None:
    times_ns = [START_NS + round(n * SECOND_NS / 12.5) for n in range(200)]
    whole, second_half = Sampler(), Sampler()
    taken = [t for t in times_ns if whole.take(t, 0.2)]
    again = [t for t in times_ns[100:] if second_half.take(t, 0.2)]
    assert again[1:] == [t for t in taken if t > again[0]]
    assert 78 <= len(taken) <= 81


def tracker() -> CameraTracker:
    return CameraTracker(TrackOptions(confidence_high=0.4, lost_track_s=2.0, sample_period_s=0.2))


def test_names_hold_and_never_come_again() -> None:
    names: set[str] = set()
    for run in range(2):
        following = tracker()
        for step in range(5):
            at_ns = START_NS + (run * 100 + step) * STEP_NS
            seen = following.follow(found((10 + step, 10, 30 + step, 60), (80, 10, 100, 60)), at_ns)
        assert len({each.track for each in seen}) == 2
        assert not names & {each.track for each in seen}
        names |= {each.track for each in seen}


def test_names_follow_from_the_pictures() -> None:
    steps = [found((10 + n, 10, 30 + n, 60), (80, 10, 100, 60)) for n in range(5)]
    one, other = tracker(), tracker()
    for n, each in enumerate(steps):
        at_ns = START_NS + n * STEP_NS
        assert one.follow(each, at_ns) == other.follow(each, at_ns)


def test_a_track_bridges_a_gap_and_ends_after_a_longer_one() -> None:
    following = tracker()
    here = found((10, 10, 30, 60))
    at_ns = [START_NS + n * STEP_NS for n in range(60)]
    first = [following.follow(here, t) for t in at_ns[:5]][-1][0].track
    for t in at_ns[5:10]:
        assert following.follow(found(), t) == []
    assert following.follow(here, at_ns[10])[0].track == first
    following.follow(here, at_ns[10] + 30 * STEP_NS)
    assert following.follow(here, at_ns[10] + 31 * STEP_NS)[0].track != first


def test_low_confidence_begins_no_track() -> None:
    following = tracker()
    assert all(
        following.follow(found((10, 10, 30, 60), confidence=0.3), START_NS + n * STEP_NS) == [] for n in range(5)
    )


def test_boxes_and_zones_are_drawn_and_the_picture_itself_stays() -> None:
    picture = grey((320, 240))
    drawn = annotate(
        picture, [Tracked("abc-0", "person", (100, 60, 140, 200), 0.8)], [Outline("Parvis", TRIANGLE, closed=True)]
    )
    planes = drawn.to_ndarray()
    assert planes[150, 100] == 235
    assert planes[150, 120] == 120
    assert (picture.to_ndarray()[:240] == 120).all()
    assert (planes[240:] != 128).any()


@pytest.mark.parametrize("size_wh", [(320, 240), (322, 242), (321, 241), (768, 576)])
def test_any_size_can_be_drawn_on(size_wh: tuple[int, int]) -> None:
    picture = grey((size_wh[0] // 2 * 2, size_wh[1] // 2 * 2)).reformat(*size_wh, format="yuv444p")
    drawn = annotate(
        picture, [Tracked("a-0", "car", (-5, -5, 400, 300), 0.8)], [Outline("Zone é", TRIANGLE, closed=False)]
    )
    assert (drawn.width, drawn.height) == (size_wh[0] // 2 * 2, size_wh[1] // 2 * 2)


def test_batches_are_decoded_with_the_units_they_came_in() -> None:
    decoder = PictureDecoder(1_000_000)
    for sequence in range(3):
        one = batch(sequence)
        pictures = decoder.decode(one)
        assert [picture.unit for picture in pictures] == list(one.units)
        assert all((picture.frame.width, picture.frame.height) == SIZE_WH for picture in pictures)


def test_annotated_batches_stand_on_their_own() -> None:
    one = batch(0)
    assert [unit.key for unit in one.units] == [True, False, False, False, False]
    assert len(decoded(one.units)) == 5


def test_damage_is_said_and_waits_for_a_key_frame() -> None:
    decoder = PictureDecoder(max_pixels=100)  # smaller than any picture here
    with pytest.raises(DecodeError):
        decoder.decode(batch(0))
    assert not decoder.in_step


def test_pictures_larger_than_a_batch_says_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = PictureDecoder(1_000_000)
    assert len(decoder.decode(batch(0))) == 5
    monkeypatch.setattr("beffroi_detector.vision.decoding.MAX_BATCH_PIXELS", 4 * SIZE_WH[0] * SIZE_WH[1])
    with pytest.raises(DecodeError):
        decoder.decode(batch(1))
    assert not decoder.in_step
