"""Recordings by camera and time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from beffroi.api.testing import eventually
from playwright.sync_api import Locator, Page, expect

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


def at(moment: datetime) -> str:
    return f"/playback?camera=place&at={moment.strftime('%Y-%m-%dT%H:%M:%SZ')}"


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
    page = enter("operator", at(began))
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d/\d\d/\d{4}"))
    expect(page.locator(".timeline-recorded")).to_have_count(2)
    expect(page.locator(".timeline-gap")).to_have_count(1)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    eventually(lambda: (number_on(video(page)) or 0) >= 80)  # 21 s and more lie in the gap: the third segment plays
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


def test_where_nothing_was_recorded_nothing_is_shown(began: datetime, enter: Enter) -> None:
    page = enter("operator", at(began + timedelta(seconds=100)))
    expect(page.get_by_text("Rien d’enregistré à partir de ce moment.")).to_be_visible()
