"""People own their accounts: a given password, a second factor, sessions elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyotp
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select
from tests.application import PASSWORD, SYSTEM

from beffroi_api.db.tables import UserRow
from beffroi_api.http.access import COOKIE

from .conftest import Console
from .stage import Stage
from .test_accessibility import faults

Enter = Callable[..., Page]
NEXT = "four words beside a canal"


def settled_faults(page: Page, axe: str) -> Any:
    """Once the announcement is gone of a button that was pending, which itself is gone already."""
    expect(page.locator("[data-live-announcer] [role=img]")).to_have_count(0)
    return faults(page, axe)


def test_a_given_password_is_changed_first(
    stage: Stage, console: Console, new_context: Callable[..., BrowserContext], axe: str
) -> None:
    with stage.services.database.write(SYSTEM) as session:
        (user,) = session.scalars(select(UserRow).where(UserRow.username == "operator")).all()
        user.password_given = True
    page = new_context().new_page()
    page.goto(console.url)
    page.get_by_label("Identifiant").fill("operator")
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choisissez votre mot de passe")).to_be_visible()
    assert settled_faults(page, axe) == []
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    for text, said in (("password1234", "Trop facile à deviner"), (NEXT, None)):
        page.get_by_label("Nouveau mot de passe", exact=True).fill(text)
        page.get_by_label("Nouveau mot de passe, encore une fois").fill(text)
        page.keyboard.press("Enter")
        if said is not None:
            expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()


def test_a_second_factor_is_set_and_asked_for(enter: Enter, axe: str) -> None:
    page = enter("operator")
    page.get_by_role("link", name="Mon compte").click()
    expect(page.get_by_role("heading", name="Mon compte", level=1)).to_be_visible()
    page.get_by_label("Votre mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Ajouter un deuxième facteur").click()
    expect(page.get_by_role("img", name="Code QR de la clé")).to_be_visible()
    assert settled_faults(page, axe) == []
    secret = page.locator("dd code").inner_text()
    page.get_by_label("Code affiché").fill(pyotp.TOTP(secret).at(datetime.now(UTC)))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Codes de secours")).to_be_visible()
    recovery = page.locator(".recovery-codes code").first.inner_text()
    page.get_by_role("button", name="Je les ai notés").click()
    expect(page.get_by_text("Il reste 10 codes de secours.")).to_be_visible()
    page.get_by_role("button", name="Se déconnecter").click()

    page.get_by_label("Identifiant").fill("operator")
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    assert settled_faults(page, axe) == []
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Ce code n’est pas bon")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(recovery)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation")).to_be_visible()


def test_sessions_elsewhere_are_seen_and_ended(enter: Enter) -> None:
    elsewhere, here = enter("operator"), enter("operator")
    here.get_by_role("link", name="Aussi connecté ailleurs : 1 session").click()
    expect(here.get_by_role("row")).to_have_count(3)
    here.get_by_role("button", name="Fermer toutes les autres").click()
    expect(here.get_by_role("row")).to_have_count(2)
    expect(here.get_by_role("link", name="Aussi connecté ailleurs")).to_have_count(0)
    elsewhere.reload()
    expect(elsewhere.get_by_role("heading", name="Connexion")).to_be_visible()


def test_the_cookie_is_this_hosts_alone(enter: Enter) -> None:
    page = enter("operator")
    (cookie,) = page.context.cookies()
    kept = (cookie["name"], cookie["path"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"])
    assert kept == (COOKIE, "/", True, True, "Strict")
    assert page.evaluate("document.cookie") == ""
