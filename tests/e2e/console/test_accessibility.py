"""Every view against WCAG 2.2 AA as far as a program can judge it, and against strong zoom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from beffroi_common.contracts import Level

from .conftest import Console
from .footage import Footage, pattern_footage
from .stage import Stage

Enter = Callable[..., Page]

RUN = """async () => {
  const found = await axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  });
  return found.violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map(({ html, failureSummary }) =>
    `${html.slice(0, 160)} | ${failureSummary}`) }));
}"""

VIEWS = {
    "wall": ("/live", "[data-camera='place'] .live-picture[data-freshness='live']"),
    "one camera": ("/live/place", ".live-picture[data-freshness='live']"),
    "alerts": ("/alerts", ".alert-detail img"),
    "playback": ("/playback?camera=place", ".timeline"),
    "cameras": ("/cameras", "table"),
    "masks": ("/cameras/place", "svg.drawing image"),
    "masks without a picture": ("/cameras/gare", "svg.drawing .grid"),
    "new camera": ("/new-camera", "form"),
    "health": ("/health", "table"),
    "account": ("/account", "table tbody tr"),
}
"""Of the administrator."""

VIEWS_OF_THE_DPO = {"audit": ("/audit", "table")}


@pytest.fixture
def busy(stage: Stage, pattern_clip: Footage) -> Stage:
    """Something of everything on every view."""
    stage.add_camera("place", "Place du Théâtre", pattern_clip).start()
    stage.add_camera("gare", "Parvis de la gare", pattern_clip, masked=False)
    stage.record("place", datetime.now(UTC) - timedelta(minutes=3), pattern_footage(2))
    stage.say("place", "masker", Level.OK, "masked", "Masked.")
    stage.say("gare", "ingest", Level.WARNING, "low_frame_rate", "Four pictures a second.")
    stage.raise_alert("place", number=1)
    stage.raise_alert("place", ago_s=170, number=2, closed=True)
    return stage


def faults(page: Page, axe: str) -> Any:
    page.evaluate(axe)
    return page.evaluate(RUN)


def too_wide(page: Page) -> Any:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_every_view_is_accessible(busy: Stage, enter: Enter, console: Console, axe: str) -> None:
    found = {}
    for role, views in (("dpo", VIEWS_OF_THE_DPO), ("administrator", VIEWS)):
        page = enter(role)
        for view, (path, ready) in views.items():
            page.goto(console.url + path)
            expect(page.locator(ready).first).to_be_visible()
            found[view] = faults(page, axe)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found["help"] = faults(page, axe)
    assert {view: each for view, each in found.items() if each} == {}


def test_tabs_of_a_camera_are_accessible(busy: Stage, enter: Enter, axe: str) -> None:
    page = enter("administrator", "/cameras/place")
    for tab in ("Zones", "Bases légales", "Source"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Bases légales":
            page.get_by_role("button", name="Ajouter une base légale").click()
        assert faults(page, axe) == []


def test_the_sign_in_is_accessible(console: Console, new_context: Callable[..., BrowserContext], axe: str) -> None:
    page = new_context().new_page()
    page.goto(console.url)
    expect(page.get_by_label("Identifiant")).to_be_visible()
    assert faults(page, axe) == []


@pytest.mark.parametrize(("width", "height"), [(640, 360), (320, 640)], ids=["zoom 200 %", "zoom 400 %"])
def test_nothing_is_lost_when_strongly_enlarged(
    width: int, height: int, busy: Stage, enter: Enter, console: Console
) -> None:
    wide = {}
    for role, views in (("dpo", VIEWS_OF_THE_DPO), ("administrator", VIEWS)):
        page = enter(role, width=width, height=height)
        for view, (path, ready) in views.items():
            page.goto(console.url + path)
            expect(page.locator(ready).first).to_be_attached()
            wide[view] = too_wide(page)
    assert {view: pixels for view, pixels in wide.items() if pixels > 0} == {}


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_the_wall_fits_the_screen_without_scrolling(width: int, height: int, busy: Stage, enter: Enter) -> None:
    page = enter("operator", width=width, height=height)
    expect(page.locator(".live-picture[data-freshness='live']")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_the_skip_link_and_the_focus_are_visible(busy: Stage, enter: Enter) -> None:
    page = enter("operator")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Aller au contenu")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
