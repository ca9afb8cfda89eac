"""Who may enter, what each role is shown, and in which language."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.application import PASSWORD

from .conftest import Console
from .stage import Stage

Enter = Callable[..., Page]


def test_a_wrong_password_is_said_and_nothing_is_shown(
    console: Console, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context().new_page()
    page.goto(f"{console.url}/alerts")
    page.get_by_label("Identifiant").fill("operator")
    page.get_by_label("Mot de passe").fill("not this one")
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("alert").filter(has_text="Identifiant ou mot de passe incorrect.")).to_be_visible()
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alertes", level=1)).to_be_visible()


VIEWS = {
    "operator": ["Mur", "Alertes", "Relecture", "Santé"],
    "administrator": ["Mur", "Alertes", "Relecture", "Caméras", "Santé"],
    "dpo": ["Santé", "Journal"],
}


@pytest.mark.parametrize("role", list(VIEWS))
def test_each_role_has_its_views(role: str, enter: Enter) -> None:
    page = enter(role)
    names = [link.inner_text().split()[0] for link in page.get_by_role("navigation").get_by_role("link").all()]
    assert names == VIEWS[role]


def test_the_dpo_reads_the_trail_and_sees_no_picture(stage: Stage, enter: Enter) -> None:
    enter("operator")
    page = enter("dpo", "/live")
    expect(page).to_have_url(re.compile(r"/audit$"))
    expect(page.get_by_role("row").filter(has_text="operator").filter(has_text="connexion").first).to_be_visible()
    page.get_by_label("Utilisateur").fill("dpo")
    page.get_by_role("button", name="Filtrer").click()
    expect(page.get_by_role("row").filter(has_text="operator")).to_have_count(0)
    assert page.locator("canvas, video, img").count() == 0


def test_the_dpo_is_refused_nothing_they_did_not_ask_for(stage: Stage, enter: Enter) -> None:
    page = enter("dpo")
    expect(page.get_by_role("row").filter(has_text="connexion").first).to_be_visible()
    page.wait_for_timeout(1_000)
    assert [row for row in stage.trail() if row["action"] == "denied"] == []
    expect(page.locator(".banner")).to_have_count(0)


def test_the_language_changes_everything_and_is_remembered(enter: Enter) -> None:
    page = enter("operator")
    assert page.locator("html").get_attribute("lang") == "fr"
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("link", name="Wall")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_title(re.compile("Wall of pictures"))
    page.reload()
    expect(page.get_by_role("link", name="Wall")).to_be_visible()


def test_signing_out_shows_nothing_more(enter: Enter) -> None:
    page = enter("operator")
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Mot de passe")).to_be_visible()


def test_a_sign_out_that_failed_is_said_and_can_be_tried_again(enter: Enter) -> None:
    page = enter("operator")
    page.route("**/api/v1/session", lambda route: route.abort())
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("alert").filter(has_text="Vous êtes toujours connecté")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()
    page.unroute("**/api/v1/session")
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Mot de passe")).to_be_visible()


def test_single_keys_can_be_turned_off(enter: Enter) -> None:
    page = enter("operator")
    page.keyboard.press("?")
    page.get_by_role("switch").focus()
    page.keyboard.press(" ")
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile(r"/live$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
