"""Alerts as they come, taken by one person."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.application import eventually

from .footage import Footage
from .stage import Stage

Enter = Callable[..., Page]


@pytest.fixture
def camera(stage: Stage, pattern_clip: Footage) -> str:
    stage.add_camera("place", "Place du Théâtre", pattern_clip).start()
    return "place"


def marked(detail: Locator) -> tuple[float, ...]:
    """The mark on the still: left, top, right, bottom as fractions of the picture."""
    picture, mark = detail.get_by_role("img").bounding_box(), detail.locator(".still-mark-dark").bounding_box()
    assert picture is not None
    assert mark is not None
    left, top = mark["x"] - picture["x"], mark["y"] - picture["y"]
    width, height = picture["width"], picture["height"]
    return (left / width, top / height, (left + mark["width"]) / width, (top + mark["height"]) / height)


def test_an_alert_is_heard_seen_and_taken_by_keys(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("operator")
    expect(page.locator("[data-camera='place'] .live-picture")).to_have_attribute("data-freshness", "live")
    stage.raise_alert(camera)
    said = page.get_by_role("status").filter(has_text="Nouvelle alerte : Présence prolongée, Place du Théâtre, Parvis")
    expect(said).to_have_count(1)
    expect(page.locator("[data-camera='place'] .tile")).to_have_attribute("data-urgent", "true")
    expect(page.get_by_role("link", name=re.compile("Alertes"))).to_contain_text("1")
    page.keyboard.press("l")
    detail = page.locator(".alert-detail")
    expect(detail.get_by_role("img")).to_be_visible()
    assert marked(detail) == pytest.approx((0.4, 0.4, 0.5, 0.8), abs=0.02)  # where `raise_alert` says the person is
    expect(detail.locator("figcaption")).to_have_text(re.compile(r"^Image prise le \d\d/\d\d/\d{4} \d\d:\d\d:\d\d$"))
    expect(detail).to_contain_text("Arrêté 2026-17")
    page.keyboard.press("v")
    expect(detail).to_contain_text(re.compile(r"Acquittée\s+par operator, \d\d:\d\d:\d\d"))
    expect(page.locator(".alerts-list")).to_contain_text("Aucune alerte.")
    expect(page.locator(".count")).to_have_count(0)


def test_who_comes_second_is_told_who_was_first(stage: Stage, camera: str, enter: Enter) -> None:
    alert = stage.raise_alert(camera)
    page = enter("operator", "/alerts")
    expect(page.locator(".alert-detail")).to_be_visible()

    def be_faster(route: Route) -> None:
        stage.acknowledge(alert)
        route.continue_()

    page.route("**/acknowledgement", be_faster)
    page.keyboard.press("v")
    detail = page.locator(".alert-detail")
    expect(detail).to_contain_text("Quelqu’un d’autre a déjà acquitté cette alerte.")
    expect(detail).to_contain_text(re.compile(r"Acquittée\s+par administrator"))


def test_what_is_selected_stays_while_others_come_and_go(stage: Stage, camera: str, enter: Enter) -> None:
    first = stage.raise_alert(camera, ago_s=9, number=1)
    page = enter("operator", "/alerts")
    expect(page.locator(".alert-detail")).to_be_visible()
    stage.raise_alert(camera, number=2)
    expect(page.locator(".alert-row")).to_have_count(2)
    stage.acknowledge(first)
    expect(page.locator(".alert-row")).to_have_count(1)
    expect(page.locator(".alert-detail")).to_contain_text("par administrator")
    expect(page.get_by_role("button", name="Acquitter")).to_have_count(0)


def test_one_that_ended_needs_a_look_but_no_hand(stage: Stage, camera: str, enter: Enter) -> None:
    stage.raise_alert(camera, ago_s=60, closed=True)
    page = enter("operator", "/alerts")
    row = page.locator(".alert-row").first
    expect(row).to_have_attribute("data-urgency", "look")
    expect(page.locator(".alert-detail")).to_contain_text("terminée : la personne est partie")
    expect(page.locator(".count")).to_have_count(0)


def test_arrows_go_from_alert_to_alert_and_letters_to_its_pictures(stage: Stage, camera: str, enter: Enter) -> None:
    older = stage.raise_alert(camera, ago_s=30, number=1)
    stage.raise_alert(camera, ago_s=5, number=2)
    page = enter("operator", "/alerts")
    expect(page.locator(".alert-row")).to_have_count(2)
    expect(page.locator(".alert-detail")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(older.id))
    page.keyboard.press("d")
    expect(page).to_have_url(re.compile(r"/live/place$"))
    page.go_back()
    expect(page.locator(".alert-detail")).to_be_visible()
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"/playback\?camera=place&at="))


def test_when_the_news_are_cut_off_the_console_says_so(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("operator", "/alerts")
    expect(page.get_by_text("Aucune alerte.")).to_be_visible()
    page.route("**/events", lambda route: route.abort())
    cut_off = page.get_by_role("alert").filter(has_text="les alertes n’arrivent plus")

    def is_said() -> bool:
        stage.end_news()  # once is not enough where the page does not listen yet
        return cut_off.is_visible()

    eventually(is_said)
    stage.raise_alert(camera)
    page.unroute("**/events")
    expect(page.locator(".alert-row")).to_have_count(1)
    expect(page.get_by_text("les alertes n’arrivent plus")).to_have_count(0)


def test_a_quiet_line_is_told_from_a_dead_one(stage: Stage, enter: Enter) -> None:
    page = enter("operator", "/alerts")
    heard = """() => new Promise((resolve) =>
      new EventSource('/api/v1/events').addEventListener('heartbeat', () => resolve(true)))"""
    assert page.evaluate(heard)
