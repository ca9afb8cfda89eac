from beffroi.local.stored import pictures_in_loop

FPS, PICTURES = 10.0, 50
TIMES = tuple(100.03 + number / FPS for number in range(3 * PICTURES))


def test_a_loops_pictures_are_counted_once() -> None:
    assert pictures_in_loop(TIMES, 105.0, 5.0, FPS) == PICTURES


def test_a_lost_and_a_doubled_picture_show() -> None:
    assert pictures_in_loop(TIMES[:70] + TIMES[71:], 105.0, 5.0, FPS) == PICTURES - 1
    assert pictures_in_loop(tuple(sorted((*TIMES, TIMES[70]))), 105.0, 5.0, FPS) == PICTURES + 1


def test_jitter_at_the_ends_changes_nothing() -> None:
    jittered = tuple(time_s + (0.04 if number % 2 else 0.0) for number, time_s in enumerate(TIMES))
    assert pictures_in_loop(jittered, 105.0, 5.0, FPS) == PICTURES


def test_nothing_stored_is_none() -> None:
    assert pictures_in_loop((), 105.0, 5.0, FPS) == 0
