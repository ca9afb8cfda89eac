"""Masks, zones and legal bases, by mouse and by keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FloatRect, Locator, Page, Route, expect
from tests.application import eventually

from .footage import Footage
from .stage import MASK, Stage

Enter = Callable[..., Page]


@pytest.fixture
def camera(stage: Stage, pattern_clip: Footage) -> str:
    stage.add_camera("place", "Place du Théâtre", pattern_clip).start()
    return "place"


def panel(page: Page) -> Locator:
    return page.get_by_role("tabpanel")


def corner(page: Page, number: int) -> Locator:
    return panel(page).get_by_role("button", name=re.compile(f"^Coin {number} sur"))


def drawing(page: Page) -> FloatRect:
    """Where the drawing is, wholly in view."""
    svg = panel(page).locator("svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    assert box is not None
    return box


def save(page: Page) -> None:
    panel(page).get_by_role("button", name="Enregistrer").click()


def polygons(stage: Stage, camera: str) -> Any:
    return stage.camera(camera)["masking"]["polygons"]


def test_a_mask_is_drawn_by_keys_alone(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    expect(panel(page).locator("svg image")).to_be_visible()
    corner(page, 3).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Insert")
    expect(corner(page, 4)).to_be_focused()
    page.keyboard.press("Tab")
    expect(corner(page, 5)).to_be_focused()
    page.keyboard.press("Delete")
    panel(page).get_by_role("textbox", name="Motif").fill("Entrée du numéro 12")
    save(page)
    expect(panel(page).get_by_role("status").filter(has_text="Enregistré.")).to_be_visible()
    [saved] = polygons(stage, camera)
    assert saved == [[0, 0], [0.4, 0], [0.402, 0.22], [0.201, 0.21]]
    assert stage.camera(camera)["masking"]["version"] == 2


def test_a_corner_is_dragged_where_the_pointer_is(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    expect(panel(page).locator("svg image")).to_be_visible()
    box = drawing(page)
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    page.mouse.up()
    save(page)
    [saved] = eventually(lambda: polygons(stage, camera) != MASK and polygons(stage, camera))
    assert saved[2] == pytest.approx([0.5, 0.5], abs=0.005)


def test_an_outline_is_drawn_point_by_point(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    expect(panel(page).locator("svg image")).to_be_visible()
    panel(page).get_by_role("button", name="Tracer à la souris").click()
    box = drawing(page)
    for x, y in ((0.6, 0.6), (0.9, 0.6), (0.9, 0.9)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.keyboard.press("Enter")
    expect(panel(page).get_by_role("group", name="Masque 2")).to_be_visible()
    save(page)
    eventually(lambda: len(polygons(stage, camera)) == 2)


def test_an_outline_that_crosses_itself_is_shown_and_not_saved(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    corner(page, 1).focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowDown")
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    expect(panel(page).locator(".crossing").first).to_be_visible()
    expect(panel(page).get_by_role("alert").filter(has_text="se croise")).to_be_visible()
    expect(panel(page).get_by_role("button", name="Enregistrer")).to_be_disabled()
    assert polygons(stage, camera) == MASK


def test_without_a_picture_masks_are_drawn_on_a_grid(stage: Stage, pattern_clip: Footage, enter: Enter) -> None:
    stage.add_camera("gare", "Parvis de la gare", pattern_clip, masked=False).start()
    page = enter("administrator", "/cameras/gare")
    expect(panel(page).locator("svg .grid")).to_be_visible()
    expect(panel(page)).to_contain_text("par sécurité aucune image n’est diffusée")
    panel(page).get_by_role("button", name="Ajouter un rectangle").click()
    expect(panel(page).get_by_text("Écrivez le motif")).to_be_visible()
    panel(page).get_by_role("textbox", name="Motif").fill("Fenêtres du premier étage")
    save(page)
    expect(panel(page).get_by_text("Décidé par administrator")).to_be_visible()
    assert stage.camera("gare")["masking"]["reason"] == "Fenêtres du premier étage"


def test_a_change_by_somebody_else_is_never_overwritten(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    corner(page, 3).focus()
    page.keyboard.press("ArrowRight")
    theirs = [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]
    page.route("**/events", lambda route: route.abort())
    stage.change(camera, "/masking", {"mode": "burn", "polygons": [theirs], "reason": "Autre façade"})
    save(page)
    expect(panel(page).get_by_role("alert").filter(has_text="Quelqu’un d’autre vient de changer")).to_be_visible()
    assert polygons(stage, camera) == [theirs]
    panel(page).get_by_role("button", name="Abandonner mes changements").click()
    expect(panel(page).get_by_role("textbox", name="Motif")).to_have_value("Autre façade")
    expect(corner(page, 3)).to_have_attribute("aria-label", re.compile("sur 3, 90"))


def test_what_is_drawn_while_saving_is_kept(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    add = panel(page).get_by_role("button", name="Ajouter un rectangle")
    masks = panel(page).locator(".shape-list li")
    add.click()

    def draw_one_more(route: Route) -> None:
        add.click()
        expect(masks).to_have_count(3)
        route.continue_()

    page.route("**/masking", draw_one_more, times=1)
    save(page)
    expect(panel(page)).to_contain_text("(version 2)")
    expect(masks).to_have_count(3)
    expect(panel(page).get_by_role("status").filter(has_text="Changements non enregistrés.")).to_be_visible()
    save(page)
    eventually(lambda: len(polygons(stage, camera)) == 3)


def test_a_zone_with_its_rule(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    page.get_by_role("tab", name="Zones").click()
    panel(page).get_by_role("button", name="Ajouter un rectangle").click()
    added = panel(page).get_by_role("group", name="Zone 2").last
    added.get_by_label("Nom de la zone").fill("Entrée du théâtre")
    fields = panel(page).locator(".section > fieldset").last
    expect(fields.get_by_label("Durée (secondes)")).to_have_count(0)
    fields.get_by_role("button", name="Ajouter la règle : Présence prolongée").click()
    fields.get_by_label("Durée (secondes)").fill("20")
    page.keyboard.press("Tab")
    fields.get_by_text("Seulement à certaines heures").click()
    fields.get_by_label("De", exact=True).fill("21:30")
    first = panel(page).locator(".section > fieldset").first
    first.get_by_label("Durée (secondes)").fill("15")
    page.keyboard.press("Tab")
    save(page)
    saved = eventually(lambda: len(stage.camera(camera)["zones"]) == 2 and stage.camera(camera))
    names = {zone["id"]: zone["name"] for zone in saved["zones"]}
    assert [
        (names[rule["geometry"]["zone"]], rule["parameters"]["threshold_s"], rule["version"]) for rule in saved["rules"]
    ] == [("Parvis", 15, 2), ("Entrée du théâtre", 20, 1)]
    night = {"start": "21:30", "end": "06:00", "timezone": "Europe/Paris"}
    assert [rule["parameters"]["schedule"] for rule in saved["rules"]] == [None, night]


def test_a_legal_basis(stage: Stage, camera: str, enter: Enter) -> None:
    page = enter("administrator", "/cameras/place")
    page.get_by_role("tab", name="Bases légales").click()
    panel(page).get_by_role("button", name="Ajouter une base légale").click()
    panel(page).get_by_label("Acte (numéro et date)").fill("Arrêté 2026-17 du 3 mars 2026")
    panel(page).get_by_label("Finalité").fill("Sécurité des personnes")
    save(page)
    expect(panel(page).get_by_role("status").filter(has_text="Enregistré.")).to_be_visible()
    [basis] = stage.camera(camera)["legal_bases"]
    assert basis["reference"] == "Arrêté 2026-17 du 3 mars 2026"


def test_a_new_camera(stage: Stage, enter: Enter) -> None:
    page = enter("administrator", "/new-camera")
    page.get_by_label("Nom technique").fill("gare-2")
    page.get_by_label("Nom", exact=True).fill("Gare, quai 2")
    page.get_by_label("Adresse du flux").fill("rtsp://user:secret@camera/stream")
    page.get_by_role("button", name="Ajouter").click()
    refusal = page.get_by_role("alert").filter(has_text="must not hold a user or a password")
    expect(refusal).to_be_visible()
    page.get_by_label("Adresse du flux").fill("rtsp://camera.example/stream")
    page.get_by_role("button", name="Ajouter").click()
    expect(page).to_have_url(re.compile(r"/cameras/gare-2$"))
    assert stage.camera("gare-2")["source"]["url"] == "rtsp://camera.example/stream"
