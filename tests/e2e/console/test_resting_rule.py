"""A rule that cannot run: the console says which and why, on each page, and loses nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.application import eventually

from beffroi_common.contracts import Level
from beffroi_rules.fitting import RestReason

from .footage import Footage
from .stage import SQUARE, Stage, staged
from .test_accessibility import faults, too_wide

Enter = Callable[..., Page]

BOW_TIE = [[0.1, 0.1], [0.3, 0.3], [0.3, 0.1], [0.1, 0.3]]
LOITERING = {"radius_height": 0.1, "gap_s": 3, "schedule": None}

ZONE = {"id": "kiosque", "name": "Kiosque", "kind": "sensitive", "shape": "polygon", "points": SQUARE}
RULE = {
    "id": "second",
    "rule": "loitering",
    "version": 7,
    "parameters": LOITERING | {"threshold_s": 12.3456},
    "geometry": {"zone": "kiosque"},
}


@dataclass(frozen=True)
class Resting:
    """A rule beside the camera's other one, and what people read of it in each language."""

    reason: RestReason
    name: dict[str, str]
    why: dict[str, str]
    remedy: dict[str, str]
    zone: dict[str, Any] = field(default_factory=lambda: ZONE)
    rule: dict[str, Any] = field(default_factory=lambda: RULE)


NAME = {"fr": "Présence prolongée – Kiosque", "en": "Loitering – Kiosque"}
CASES = {
    "unknown": Resting(
        RestReason.UNKNOWN,
        {"fr": "teleportation – Faille", "en": "teleportation – Faille"},
        {"fr": "la version installée ne la connaît pas", "en": "the installed release does not know it"},
        {"fr": "reprendra avec la version qui la connaît", "en": "goes on with the release that knows it"},
        {"id": "rift", "name": "Faille", "kind": "rift", "shape": "ring", "points": [[0.5, 0.5]]},
        RULE | {"rule": "teleportation", "parameters": {"at": [1, 2.5], "when": None}, "geometry": {"gate": "rift"}},
    ),
    "parameters": Resting(
        RestReason.PARAMETERS,
        NAME,
        {
            "fr": "ses réglages ne conviennent pas. À corriger : Durée (secondes).",
            "en": "its settings do not fit. To correct: Duration (seconds).",
        },
        {"fr": "Corrigez, puis enregistrez.", "en": "Correct it, then save."},
        rule=RULE | {"parameters": LOITERING | {"threshold_s": 2}},
    ),
    "another kind of zone": Resting(
        RestReason.GEOMETRY,
        NAME,
        {
            "fr": "sa zone ne convient pas. À corriger : Zone surveillée (Lieu sensible).",
            "en": "its zone does not fit. To correct: Watched zone (Sensitive place).",
        },
        {"fr": "choisissez une autre zone", "en": "choose another zone"},
        zone=ZONE | {"kind": "lawn"},
    ),
    "an outline that crosses itself": Resting(
        RestReason.GEOMETRY,
        NAME,
        {"fr": "sa zone ne convient pas.", "en": "its zone does not fit."},
        {"fr": "Corrigez la nature ou le contour", "en": "Correct the kind or the outline"},
        zone=ZONE | {"points": BOW_TIE},
    ),
    "classes": Resting(
        RestReason.CLASSES,
        NAME,
        {
            "fr": "le modèle de détection ne sait pas reconnaître ce qu’elle cherche",
            "en": "the detection model cannot recognise what it looks for",
        },
        {"fr": "il faut un autre modèle de détection", "en": "another detection model is needed"},
    ),
}
LINE = {"fr": "Règle inactive : {}", "en": "Resting rule: {}"}
LANGUAGES = {"fr": "Français", "en": "English"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A world where what a service said once is believed to the end of a test."""
    with staged(tmp_path, commune="Lille", event_heartbeat_s=1.0, stale_after_s=3600.0) as made:
        yield made


@pytest.fixture(params=CASES)
def resting(request: pytest.FixtureRequest, stage: Stage, pattern_clip: Footage) -> Resting:
    """A camera in service with a rule that runs and one that rests."""
    case = CASES[request.param]
    stage.add_camera("parc", "Parc Barbieux", pattern_clip).start()
    stage.let_another_release_save("parc", case.zone, case.rule)
    message = "rule second rests: as a service says it. The other rules go on."
    service = "vision" if case.reason is RestReason.CLASSES else "rules"
    stage.say("parc", service, Level.WARNING, case.reason.value, message, {"second": case.reason.value})
    eventually(lambda: rests(stage) == [None, case.reason.value])
    return case


def rests(stage: Stage) -> list[str | None]:
    """Why each rule of the camera rests, as the api has it."""
    return [each["rests"] and each["rests"]["code"] for each in stage.camera("parc")["rules"]]


def choose(page: Page, language: str) -> None:
    page.get_by_role("radio", name=LANGUAGES[language]).click()
    expect(page.locator("html")).to_have_attribute("lang", language)


def card(page: Page, name: str) -> Locator:
    """The card of one rule, within that of its zone: named as a line says it."""
    rule, zone = name.split(" – ")
    return page.get_by_role("tabpanel").get_by_role("group", name=zone).get_by_role("group", name=rule)


def foreign(where: Locator) -> list[str]:
    """Texts in another language than the page's."""
    return [text for text in where.locator("[lang]").all_inner_texts() if text]


def test_whoever_opens_the_camera_reads_which_rule_rests_and_why(resting: Resting, enter: Enter, axe: str) -> None:
    page = enter("administrator", "/cameras/parc")
    for language in LANGUAGES:
        choose(page, language)
        expect(page.locator("main").get_by_text(LINE[language].format(resting.name[language]))).to_be_visible()
        page.get_by_role("tab", name="Zones").click()
        shown = card(page, resting.name[language])
        expect(shown).to_contain_text(resting.why[language])
        expect(shown).to_contain_text(resting.remedy[language])
        expect(shown).to_have_accessible_description(shown.locator(".note").inner_text().replace("\n\n", " "))
        assert foreign(shown) == []
        assert faults(page, axe) == []
    assert page.locator("fieldset .note-problem").count() == 1, "the other rule runs"


def test_the_other_rule_can_be_changed_and_the_resting_one_stays(stage: Stage, resting: Resting, enter: Enter) -> None:
    page = enter("administrator", "/cameras/parc")
    page.get_by_role("tab", name="Zones").click()
    form = card(page, "Présence prolongée – Parvis")
    form.get_by_label("Durée (secondes)").fill("45")
    page.keyboard.press("Tab")
    walk_through(card(page, resting.name["fr"]))
    page.get_by_role("tabpanel").get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("tabpanel").get_by_role("status").filter(has_text="Enregistré.")).to_be_visible()

    other, kept = stage.document("parc")["rules"]
    assert (other["parameters"]["threshold_s"], other["version"]) == (45, 2)
    assert kept == resting.rule
    assert stage.document("parc")["zones"][1] == resting.zone
    assert rests(stage) == [None, resting.reason.value]
    expect(card(page, resting.name["fr"])).to_contain_text(resting.why["fr"])


def walk_through(shown: Locator) -> None:
    """Pass through every field, as with the Tab key."""
    for each in shown.get_by_role("textbox").all():
        each.focus()
        each.blur()


def test_who_only_watches_learns_it_too(resting: Resting, enter: Enter, axe: str) -> None:
    page = enter("operator")
    for language in LANGUAGES:
        choose(page, language)
        line = LINE[language].format(resting.name[language])
        tile = page.get_by_role("row", name=f"Parc Barbieux. {line}")
        expect(tile.get_by_text(line)).to_be_visible()
        assert faults(page, axe) == []

        page.get_by_role("link", name="Santé" if language == "fr" else "Health").click()
        table = page.get_by_role("table", name="Règles inactives" if language == "fr" else "Resting rules")
        row = table.get_by_role("row", name="Parc Barbieux")
        expect(row).to_contain_text(resting.name[language])
        expect(row).to_contain_text(resting.why[language])
        assert foreign(table) == []
        assert faults(page, axe) == []
        page.get_by_role("link", name="Mur" if language == "fr" else "Wall").click()


@pytest.mark.parametrize("resting", ["parameters"], indirect=True)
def test_what_rests_is_readable_when_strongly_enlarged(resting: Resting, enter: Enter) -> None:
    page = enter("operator", width=320, height=640)
    for path in ("/live", "/health"):
        page.goto(page.url.split("/live")[0] + path)
        expect(page.get_by_text(resting.name["fr"])).to_be_attached()
        assert too_wide(page) <= 0


@pytest.mark.parametrize("resting", ["parameters"], indirect=True)
def test_a_corrected_rule_runs(stage: Stage, resting: Resting, enter: Enter) -> None:
    stage.say("parc", "rules", Level.OK, "watching", "The rules look at this camera.")
    page = enter("administrator", "/cameras/parc")
    page.get_by_role("tab", name="Zones").click()
    shown = card(page, resting.name["fr"])
    expect(shown.get_by_label("Durée (secondes)")).to_have_value("2")
    shown.get_by_label("Durée (secondes)").fill("5")
    page.keyboard.press("Tab")
    page.get_by_role("tabpanel").get_by_role("button", name="Enregistrer").click()
    expect(shown.locator(".note-problem")).to_have_count(0)
    assert rests(stage) == [None, None]
    assert stage.document("parc")["rules"][1]["version"] == 8
