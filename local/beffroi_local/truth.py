"""What a person with the footage's truth in hand would say of the alerts: pure functions on boxes and times.

Truth comes as MOTChallenge text (frame from 1, identity, left, top, width, height in pixels, …).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; of the picture's width and height."""

Track = Mapping[int, Box]
"""Where one person is, for each frame (from 0) that shows them."""

TOLERANCE_S = 3.0
"""An alert so far from the true moment still is that alert."""

SAME_PERSON_IOU = 0.2
"""Two boxes of one walking person, a few frames apart, overlap more; two people side by side do not."""

FRAME_TOLERANCE = 3
"""The picture an alert speaks of is known to a few frames: the camera's clock and ours meet in a wall clock."""


@dataclass(frozen=True)
class Stay:
    """Somebody who stays near one point.

    Attributes:
        person: identity in the truth.
        onset_frame: from which on they are near the point where they then are.
        end_frame: last frame of the stay.
    """

    person: int
    onset_frame: int
    end_frame: int


@dataclass(frozen=True)
class SeenAlert:
    """An alert as it was first seen.

    Attributes:
        opened_s: when it opened, in seconds of capture time since the clip's first frame.
        box: where the person was on that picture.
    """

    opened_s: float
    box: Box


@dataclass(frozen=True)
class Verdict:
    """How the alerts of one loop compare with the truth."""

    found: tuple[int, ...]
    missed: tuple[int, ...]
    unmatched: tuple[SeenAlert, ...]
    """The false alerts."""


def load_mot(text: str, width: int, height: int) -> dict[int, dict[int, Box]]:
    """Read truth in MOTChallenge format; `width` and `height` are the picture's, in pixels."""
    tracks: dict[int, dict[int, Box]] = defaultdict(dict)
    for line in text.split():
        frame, person, left, top, wide, high = (float(value) for value in line.split(",")[:6])
        tracks[int(person)][int(frame) - 1] = (
            left / width,
            top / height,
            (left + wide) / width,
            (top + high) / height,
        )
    return dict(tracks)


def stays(
    tracks: Mapping[int, Track], fps: float, aspect: float, radius_height: float, threshold_s: float
) -> list[Stay]:
    """Return each person's longest stay that lasts `threshold_s`, by onset.

    Args:
        tracks: where everybody is.
        fps: frames per second.
        aspect: the picture's width by its height.
        radius_height: of the stay, in fractions of the picture's height, about the foot point of its first frame.
        threshold_s: shorter stays are none.
    """
    found = []
    for person, track in tracks.items():
        onset, end = max((_stay_from(track, frame, aspect, radius_height) for frame in track), key=_length)
        if (end - onset) / fps >= threshold_s:
            found.append(Stay(person, onset, end))
    return sorted(found, key=lambda stay: stay.onset_frame)


def _stay_from(track: Track, onset: int, aspect: float, radius_height: float) -> tuple[int, int]:
    anchor_x, anchor_y = _foot(track[onset])
    end = onset
    while end + 1 in track:
        x, y = _foot(track[end + 1])
        if hypot((x - anchor_x) * aspect, y - anchor_y) > radius_height:
            break
        end += 1
    return onset, end


def _length(interval: tuple[int, int]) -> int:
    return interval[1] - interval[0]


def _foot(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]


def judge(
    alerts: Sequence[SeenAlert],
    truth: Sequence[Stay],
    tracks: Mapping[int, Track],
    fps: float,
    threshold_s: float,
) -> Verdict:
    """Compare one loop's alerts with the truth; each stay answers for one alert, the rest are false."""
    open_stays = list(truth)
    unmatched: list[SeenAlert] = []
    for alert in sorted(alerts, key=lambda each: each.opened_s):
        mine = [
            stay
            for stay in open_stays
            if abs(alert.opened_s - (stay.onset_frame / fps + threshold_s)) <= TOLERANCE_S
            and _overlap_near(tracks[stay.person], round(alert.opened_s * fps), alert.box) >= SAME_PERSON_IOU
        ]
        if mine:
            frame = round(alert.opened_s * fps)
            best = max(mine, key=lambda stay: _overlap_near(tracks[stay.person], frame, alert.box))
            open_stays.remove(best)
        else:
            unmatched.append(alert)
    missed = tuple(stay.person for stay in open_stays)
    return Verdict(tuple(stay.person for stay in truth if stay.person not in missed), missed, tuple(unmatched))


def _overlap_near(track: Track, frame: int, box: Box) -> float:
    frames = range(frame - FRAME_TOLERANCE, frame + FRAME_TOLERANCE + 1)
    return max((iou(track[each], box) for each in frames if each in track), default=0.0)


def iou(one: Box, other: Box) -> float:
    """Return the area that two boxes share by the area that they cover together."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed.

    Raises:
        ValueError: there is no value.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
