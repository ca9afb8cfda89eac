"""Recordings by camera and time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.application import eventually

from .conftest import Console
from .footage import FPS, Footage, pattern_footage
from .pixels import number_on
from .stage import Stage

Enter = Callable[..., Page]


@pytest.fixture
def began(stage: Stage, pattern_clip: Footage) -> datetime:
    """Two segments that follow each other, a gap of twenty seconds, and a third; pictures 0 to 119."""
    stage.add_camera("place", "Place du Théâtre", pattern_clip)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    for number, after_s in enumerate((0, 4, 28)):
        stage.record("place", start + timedelta(seconds=after_s), pattern_footage(4, first=number * 40))
    return start


def at(moment: datetime, camera: str = "place") -> str:
    return f"/playback?camera={camera}&at={moment.strftime('%Y-%m-%dT%H:%M:%SZ')}"


def video(page: Page) -> Locator:
    return page.locator("video:not([hidden])")


def chosen(page: Page) -> datetime:
    """The moment in the address."""
    return datetime.fromisoformat(parse_qs(urlsplit(page.url).query)["at"][0])


def clock(page: Page) -> datetime:
    return datetime.fromisoformat(page.locator(".screen-caption time").get_attribute("datetime") or "")


def test_an_address_leads_to_a_moment_and_shows_its_picture(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=2)))
    expect(video(page)).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Lire")).to_be_visible()

    def agrees() -> bool:
        number = number_on(video(page))
        told = (clock(page) - began).total_seconds() * FPS
        return number is not None and number >= 20 and abs(number - told) <= 3

    eventually(agrees)


def test_playing_goes_on_over_segments_and_says_what_it_skips(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=2)))
    eventually(lambda: 40 <= (number_on(video(page)) or 0) < 80)
    expect(page.locator(".screen-caption")).to_contain_text("Rien d’enregistré de")
    eventually(lambda: (number_on(video(page)) or 0) >= 80)
    assert clock(page) >= began + timedelta(seconds=28)


def test_the_timeline_works_by_keys(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=2)))
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d/\d\d/\d{4}"))
    expect(page.locator(".timeline-recorded")).to_have_count(2)
    expect(page.locator(".timeline-gap")).to_have_count(1)
    slider.focus()
    page.keyboard.press(" ")  # what plays on would be beyond the third segment before all keys are pressed
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    eventually(lambda: (number_on(video(page)) or 0) >= 80)  # what lies in the gap leads to the third segment
    page.keyboard.press("PageDown")
    eventually(lambda: timedelta(minutes=-5) < chosen(page) - began < timedelta(minutes=-4))
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("rien d’enregistré"))


def test_alerts_are_marks_to_go_to(stage: Stage, began: datetime, enter: Enter) -> None:
    ago_s = (datetime.now(UTC) - began).total_seconds() - 12
    stage.raise_alert("place", ago_s=ago_s)
    page = enter("operator", at(began - timedelta(minutes=1)))
    expect(page.locator(".timeline-alert")).to_have_count(1)
    page.keyboard.press("n")
    eventually(lambda: 20 <= (number_on(video(page)) or 0) < 60)
    page.get_by_role("button", name=re.compile("Présence prolongée")).click()
    expect(video(page)).to_be_visible()


def test_a_destroyed_recording_is_said_to_be_gone(stage: Stage, began: datetime, enter: Enter) -> None:
    for name in stage.recorded("place"):
        stage.store.remove(name)
    page = enter("operator", at(began))
    expect(page.locator(".veil")).to_contain_text("n’existe plus")


def test_the_same_mark_can_be_gone_to_again(stage: Stage, began: datetime, enter: Enter) -> None:
    starts_at = began + timedelta(seconds=40)
    stage.record("place", starts_at, pattern_footage(20))
    stage.raise_alert("place", ago_s=(datetime.now(UTC) - starts_at).total_seconds() - 10)
    page = enter("operator", at(starts_at))
    mark = page.get_by_role("button", name=re.compile("Présence prolongée"))
    mark.click()
    eventually(lambda: (number_on(video(page)) or 0) >= 40)
    mark.click()
    eventually(lambda: (number_on(video(page)) or 99) < 30)
    eventually(lambda: (number_on(video(page)) or 0) >= 40)
    page.keyboard.press("b")
    eventually(lambda: (number_on(video(page)) or 99) < 30)


def test_at_the_newest_recording_playing_waits_for_the_next(stage: Stage, began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=30)))
    eventually(lambda: page.evaluate("document.querySelector('video')?.ended"))
    stage.record("place", began + timedelta(seconds=32), pattern_footage(4, first=160))
    eventually(lambda: (number_on(video(page)) or 0) >= 160)


def test_the_timeline_is_dragged_without_a_look_at_what_lies_between(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began))
    page.keyboard.press(" ")
    slider = page.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None

    def drag() -> None:
        page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 5)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40, steps=5)

    def share() -> float:
        first, last, now = (float(slider.get_attribute(f"aria-value{each}") or 0) for each in ("min", "max", "now"))
        return (now - first) / (last - first)

    drag()
    eventually(lambda: share() == pytest.approx(0.5, abs=0.01))
    assert chosen(page) == began
    slider.dispatch_event("pointercancel")
    eventually(lambda: share() > 0.9)
    page.mouse.up()
    drag()
    assert chosen(page) == began
    page.mouse.up()
    eventually(lambda: timedelta(minutes=-29) < chosen(page) - began < timedelta(minutes=-25))


def test_a_segment_that_failed_is_tried_again_when_sought(began: datetime, enter: Enter, console: Console) -> None:
    page = enter("operator", "/health")
    page.route("**/video", lambda route: route.abort())
    page.goto(console.url + at(began))
    expect(page.locator(".veil")).to_contain_text("Le serveur ne répond pas")
    page.unroute("**/video")
    page.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".veil")).to_have_count(0)
    eventually(lambda: (number_on(video(page)) or 0) >= 10)


def test_who_writes_a_date_is_not_disturbed_by_what_plays(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=1)))
    day = page.get_by_role("spinbutton").first
    day.press("ArrowUp")
    written = day.inner_text()
    eventually(lambda: clock(page) - began > timedelta(seconds=5))
    expect(day).to_be_focused()
    expect(day).to_have_text(written)


def test_where_nothing_was_recorded_nothing_is_shown(stage: Stage, pattern_clip: Footage, enter: Enter) -> None:
    stage.add_camera("gare", "Parvis de la gare", pattern_clip)
    page = enter("operator", at(datetime.now(UTC) - timedelta(seconds=95), "gare"))
    expect(page.get_by_text("Rien d’enregistré à partir de ce moment.")).to_be_visible()


def test_of_the_last_minute_it_is_said_that_it_will_come(stage: Stage, began: datetime, enter: Enter) -> None:
    recent = datetime.now(UTC) - timedelta(seconds=30)
    page = enter("operator", at(recent))
    expect(page.get_by_text("la dernière minute arrive bientôt")).to_be_visible()
    stage.record("place", recent, pattern_footage(4, first=160))
    eventually(lambda: (number_on(video(page)) or 0) >= 160)
