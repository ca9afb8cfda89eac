"""The wall: pictures that move, tell their age, and never look live when they are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.application import eventually

from beffroi_common.topics import FRAMES_MASKED

from .footage import Footage, pattern_footage
from .pixels import number_on
from .stage import Stage

Enter = Callable[..., Page]

STALE_AFTER_S = 5.0
TELLING_S = 0.5
"""The age is told four times a second."""

WATCH = """() => {
  window.lookedLive = [];
  setInterval(() => {
    for (const picture of document.querySelectorAll('.live-picture')) {
      const age = Number(picture.querySelector('.age').dataset.ageS || 'NaN');
      if (age > %s && !picture.querySelector('.veil')) window.lookedLive.push(age);
    }
  }, 50);
}""" % (STALE_AFTER_S + TELLING_S)


def tile(page: Page, camera: str) -> Locator:
    return page.locator(f"[data-camera='{camera}']")


def age_s(tile_: Locator) -> float:
    told = tile_.locator(".age").get_attribute("data-age-s")
    return float(told) if told else float("nan")


def shows_live(tile_: Locator) -> None:
    expect(tile_.locator(".live-picture")).to_have_attribute("data-freshness", "live")
    expect(tile_.locator(".veil")).to_have_count(0)


@pytest.fixture
def wall(stage: Stage, pattern_clip: Footage, enter: Enter) -> Page:
    """Two cameras that play."""
    stage.add_camera("gare", "Parvis de la gare", pattern_clip).start()
    stage.add_camera("place", "Place du Théâtre", pattern_clip).start()
    page = enter("operator")
    page.evaluate(WATCH)
    return page


def test_pictures_move_and_tell_their_age(wall: Page) -> None:
    for camera in ("gare", "place"):
        shows_live(tile(wall, camera))
        seen: set[int] = set()
        eventually(partial(_collects_five, tile(wall, camera), seen))
        assert seen <= set(range(40))
        assert 0.0 <= age_s(tile(wall, camera)) < STALE_AFTER_S
    expect(tile(wall, "place").locator(".age")).to_have_text(re.compile(r"Âge de l’image :\s*\d,\d s"))


def _collects_five(tile_: Locator, seen: set[int]) -> bool:
    number = number_on(tile_.locator("canvas"))
    if number is not None:
        seen.add(number)
    return len(seen) >= 5


def test_a_camera_that_stalls_never_looks_live(stage: Stage, wall: Page) -> None:
    shows_live(tile(wall, "place"))
    stage.cameras["place"].stop()
    veil = tile(wall, "place").locator(".veil")
    expect(veil).to_contain_text("Image figée")
    expect(veil).to_contain_text("Aucune image depuis")
    expect(wall.get_by_role("status").filter(has_text="Place du Théâtre : image figée")).to_have_count(1)
    shows_live(tile(wall, "gare"))
    stage.cameras["place"].start()
    shows_live(tile(wall, "place"))
    assert wall.evaluate("window.lookedLive") == []


def test_what_new_masks_hide_leaves_the_screen_of_a_stalled_camera(stage: Stage, wall: Page) -> None:
    canvas, veil = tile(wall, "place").locator("canvas"), tile(wall, "place").locator(".veil")
    shows_live(tile(wall, "place"))
    stage.cameras["place"].stop()
    expect(veil).to_contain_text("Image figée")
    assert number_on(canvas) is not None
    everything = {"mode": "burn", "polygons": [[[0, 0], [1, 0], [1, 1], [0, 1]]], "reason": "Fenêtres"}
    stage.change("place", "/masking", everything)
    expect(veil).to_contain_text("Pas d’image")
    assert number_on(canvas) is None
    shows_live(tile(wall, "gare"))


def test_pictures_that_come_late_are_veiled_although_they_move(stage: Stage, wall: Page) -> None:
    stage.cameras["place"].stop()
    stage.cameras["place"].delay_s = 20.0
    stage.cameras["place"].start()
    expect(tile(wall, "place").locator(".veil")).to_contain_text("Image figée")
    eventually(lambda: 18.0 < age_s(tile(wall, "place")) < 25.0)
    assert wall.evaluate("window.lookedLive") == []


def test_a_clock_that_runs_ahead_hides_no_freeze(stage: Stage, wall: Page) -> None:
    stage.cameras["place"].stop()
    stage.cameras["place"].delay_s = -60.0
    stage.cameras["place"].start()
    shows_live(tile(wall, "place"))
    stage.cameras["place"].stop()
    expect(tile(wall, "place").locator(".veil")).to_contain_text("Image figée")


def test_pictures_come_back_after_the_connection_was_lost(stage: Stage, wall: Page) -> None:
    shows_live(tile(wall, "place"))
    opened = wall.expect_websocket(lambda socket: "/place/live" in socket.url)
    with opened:
        stage.end_views()
    shows_live(tile(wall, "place"))
    eventually(lambda: age_s(tile(wall, "place")) < STALE_AFTER_S)


def test_a_picture_that_cannot_be_decoded_is_got_over(stage: Stage, wall: Page) -> None:
    shows_live(tile(wall, "place"))
    stage.cameras["place"].stop()
    rubbish = Footage(640, 360, tuple(b"\x00\x00\x00\x01\x65" + b"\xff" * 400 for _ in range(5)))
    sound = stage.cameras["place"].footage
    stage.cameras["place"].footage = rubbish
    stage.cameras["place"].start()
    sent = len(stage.broker.records(FRAMES_MASKED))
    eventually(lambda: len(stage.broker.records(FRAMES_MASKED)) > sent + 6)
    stage.cameras["place"].stop()
    stage.cameras["place"].footage = sound
    stage.cameras["place"].start()
    shows_live(tile(wall, "place"))
    first = number_on(tile(wall, "place").locator("canvas"))
    eventually(lambda: number_on(tile(wall, "place").locator("canvas")) not in (first, None))


def test_a_camera_without_a_mask_decision_shows_nothing_and_says_why(
    stage: Stage, pattern_clip: Footage, enter: Enter
) -> None:
    stage.add_camera("gare", "Parvis de la gare", pattern_clip, masked=False).start()
    veil = tile(enter("operator"), "gare").locator(".veil")
    expect(veil).to_contain_text("Pas d’image")
    expect(veil).to_contain_text("Personne n’a décidé des masques")


def test_everything_on_the_wall_has_a_key(stage: Stage, wall: Page) -> None:
    stage.annotated("place", pattern_footage(1, first=500)).start()
    shows_live(tile(wall, "place"))
    wall.keyboard.press("2")
    expect(tile(wall, "place")).to_be_focused()
    wall.keyboard.press("ArrowLeft")
    expect(tile(wall, "gare")).to_be_focused()
    wall.keyboard.press("ArrowRight")
    wall.keyboard.press("a")
    expect(tile(wall, "place").get_by_role("button", name="Image annotée")).to_have_attribute("aria-pressed", "true")
    eventually(lambda: (number_on(tile(wall, "place").locator("canvas")) or 0) >= 500)
    wall.keyboard.press("a")
    eventually(lambda: 0 < (number_on(tile(wall, "place").locator("canvas")) or 0) < 500)
    wall.keyboard.press("Enter")
    expect(wall).to_have_url(re.compile(r"/live/place$"))
    expect(wall.locator(".single-page .live-picture")).to_have_attribute("data-freshness", "live")
    wall.keyboard.press("Escape")
    expect(wall).to_have_url(re.compile(r"/live$"))
    wall.keyboard.press("?")
    expect(wall.get_by_role("dialog")).to_contain_text("Touches du clavier")
    wall.keyboard.press("Escape")
    expect(wall.get_by_role("dialog")).to_have_count(0)


def test_ten_cameras_are_two_pages(stage: Stage, pattern_clip: Footage, enter: Enter) -> None:
    for number in range(10):
        stage.add_camera(f"camera-{number}", f"Caméra {number}", pattern_clip)
    page = enter("operator")
    expect(page.locator("[data-camera]")).to_have_count(9)
    page.keyboard.press("PageDown")
    expect(page.locator("[data-camera]")).to_have_count(1)
    expect(page.get_by_text("Page 2 sur 2")).to_be_visible()


def test_each_look_is_on_the_trail_with_its_end(stage: Stage, wall: Page) -> None:
    shows_live(tile(wall, "place"))
    wall.keyboard.press("s")
    rows: list[dict[str, Any]] = eventually(
        lambda: [row for row in stage.trail() if row["action"] == "live_ended" and row["camera"] == "place"]
    )
    assert rows[0]["user"] == "operator"
