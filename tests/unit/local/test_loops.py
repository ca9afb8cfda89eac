import numpy as np
import pytest

from beffroi_local import clips
from beffroi_local.loops import LoopNotFoundError, StoredPicture, first_picture, loop_start

FPS, PICTURES = 10.0, 50
RANDOM = np.random.default_rng(1)
CLIP = [RANDOM.uniform(0, 255, (8, 8)).astype(np.float32) for _ in range(PICTURES)]


def stored(jitter_s: float = 0.0) -> list[StoredPicture]:
    noise = [RANDOM.normal(0, 2, (8, 8)).astype(np.float32) for _ in range(3 * PICTURES)]
    return [
        StoredPicture(100 + number / FPS + jitter_s * (number % 3), CLIP[number % PICTURES] + noise[number])
        for number in range(3 * PICTURES)
    ]


@pytest.mark.parametrize("jitter_s", [0.0, 0.2, 0.6])
def test_a_loop_is_found_by_what_it_shows(jitter_s: float) -> None:
    pictures = stored(jitter_s)
    starts = [loop_start(pictures, CLIP[0], 100 + number * PICTURES / FPS) for number in range(3)]
    assert starts == [0, PICTURES, 2 * PICTURES]


def test_a_lost_picture_shows() -> None:
    pictures = stored()
    del pictures[70]
    assert loop_start(pictures, CLIP[0], 110.0) - loop_start(pictures, CLIP[0], 105.0) == PICTURES - 1


def test_a_time_that_is_not_stored_is_said() -> None:
    with pytest.raises(LoopNotFoundError, match="no picture"):
        loop_start(stored(), CLIP[0], 300.0)


def test_the_first_picture_of_a_prepared_clip_is_what_it_shows() -> None:
    first = first_picture(clips.load(clips.prepare_pattern()))
    assert first.shape == (96, 128)
    assert first[48, 4] != pytest.approx(first[48, 100], abs=5)
