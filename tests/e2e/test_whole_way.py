"""The real clip through the whole path, as `make demo-check` looks at it; only its limits on time are left to that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beffroi_local import check, clips, facts
from beffroi_local.demo import running_demo
from beffroi_local.facts import Figures
from beffroi_local.settings import StackSettings


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    if clips.find_clip() is None:
        pytest.skip("no vtest.avi on this machine: install opencv-doc or set BEFFROI_CLIP")
    home: Path = tmp_path_factory.mktemp("way")
    settings = StackSettings.on_free_ports(home)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.model_dump(exclude_defaults=True).items():
            environment.setenv(f"BEFFROI_{name.upper()}", str(value))
        with running_demo("way") as demo, demo.sign_in("operator") as api:
            seen = check.Check(demo, api, settings.truth or check.TRUTH_FILE).run()
            print(seen.line())
            yield seen


def test_those_who_stay_are_alerted_in_each_of_two_loops_and_hardly_anybody_else(figures: Figures) -> None:
    if not figures.loops:
        assert figures.alerts > 0
        pytest.skip(f"no human truth on this machine; {figures.alerts} alerts came")
    assert len(figures.loops) == check.LOOPS
    for loop in figures.loops:
        assert (loop.of, loop.true >= facts.MIN_TRUE, loop.false <= facts.MAX_FALSE) == (5, True, True), figures.line()


def test_nothing_under_the_mask_is_seen_stored_live_annotated_or_in_stills(figures: Figures) -> None:
    assert min(figures.segments, figures.annotated_pictures, figures.stills) > 0
    assert figures.leaking_pixels == 0


def test_every_picture_the_camera_sent_in_one_loop_is_stored_once(figures: Figures) -> None:
    assert figures.frames_in == figures.frames_out > 0
