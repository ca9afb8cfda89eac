import pytest

from beffroi_local.paths import REPOSITORY
from beffroi_local.truth import Box, SeenAlert, Stay, iou, judge, load_mot, percentile, stays

FPS = 10.0
THRESHOLD_S = 10.0
TRUTH_FILE = REPOSITORY.parent / "shared" / "truth" / "vtest_mot15.txt"


def box_at(x: float, y: float = 0.5) -> Box:
    return (x, y, x + 0.05, y + 0.2)


STANDS: dict[int, Box] = {frame: box_at(0.5) for frame in range(20, 180)}
WALKS: dict[int, Box] = {frame: box_at(frame / 200) for frame in range(190)}
TRACKS = {7: STANDS, 8: WALKS}
TRUTH = [Stay(7, 20, 179)]


def test_who_stands_stays_and_who_walks_does_not() -> None:
    assert stays(TRACKS, FPS, aspect=4 / 3, radius_height=0.1, threshold_s=THRESHOLD_S) == TRUTH


def test_a_gap_in_the_truth_ends_a_stay() -> None:
    track = {frame: box for frame, box in STANDS.items() if frame != 100}
    assert stays({7: track}, FPS, aspect=1, radius_height=0.1, threshold_s=THRESHOLD_S) == []


@pytest.mark.parametrize(
    ("alerts", "verdict"),
    [
        ([], ((), (7,), 0)),
        ([SeenAlert(12.0, box_at(0.5))], ((7,), (), 0)),
        ([SeenAlert(14.9, box_at(0.51))], ((7,), (), 0)),
        ([SeenAlert(15.1, box_at(0.5))], ((), (7,), 1)),
        ([SeenAlert(12.0, box_at(0.8))], ((), (7,), 1)),
        ([SeenAlert(12.0, box_at(0.5)), SeenAlert(13.0, box_at(0.5))], ((7,), (), 1)),
    ],
    ids=["none", "on time", "in time", "too late", "somebody else", "twice"],
)
def test_alerts_are_judged(alerts: list[SeenAlert], verdict: tuple[tuple[int, ...], tuple[int, ...], int]) -> None:
    judged = judge(alerts, TRUTH, TRACKS, FPS, THRESHOLD_S)
    assert (judged.found, judged.missed, len(judged.unmatched)) == verdict


def test_mot_lines_count_frames_from_one_and_boxes_in_pixels() -> None:
    assert load_mot("1,9,384,144,76.8,57.6,1,0,0,0\n", 768, 576) == {9: {0: pytest.approx((0.5, 0.25, 0.6, 0.35))}}


def test_overlap() -> None:
    assert iou((0, 0, 2, 1), (1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (1, 1, 2, 2)) == 0


def test_percentile() -> None:
    assert percentile(range(100), 0.95) == 95
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.95)


@pytest.mark.skipif(not TRUTH_FILE.exists(), reason="the project's footage is not beside this checkout")
def test_five_people_stay_in_vtest() -> None:
    tracks = load_mot(TRUTH_FILE.read_text(), 768, 576)
    found = stays(tracks, FPS, aspect=768 / 576, radius_height=60 / 576, threshold_s=THRESHOLD_S)
    assert {stay.person for stay in found} == {1, 9, 11, 12, 15}
