"""A rule in one file, in a folder of a town: drawn in the console, checked, run, alerting. Nothing else knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.application import eventually

from beffroi_common.bus import Record, StatusReporter
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.contracts import Camera, TrackedObject, Tracks
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.topics import CAMERAS, TRACKS
from beffroi_detector.rules.processor import TracksProcessor
from beffroi_rules import registry, rules
from beffroi_rules.fitting import Plans

from .footage import Footage
from .stage import V1, Stage, staged

Enter = Callable[..., Page]
TOWN = Path(__file__).parent / "town" / "beffroi_rules" / "rules"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The world of a town that has put its folder on Python's path."""
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(TOWN)])
    with staged(tmp_path, commune="Lille", event_heartbeat_s=1.0) as made:
        yield made


def published(stage: Stage) -> Camera:
    """The camera as the services hear of it, once they hear of its latest version."""
    eventually(lambda: stage.camera("parc")["published"])
    records = [record for record in stage.broker.records(CAMERAS) if record.key == "parc"]
    return Camera.decode(records[-1].value or b"")


def let_people_sit(stage: Stage, at: datetime, for_s: int) -> None:
    """Four persons on the lawn, as the detector counts them, five pictures a second."""
    clock = SystemClock()
    camera = published(stage)
    processor = TracksProcessor(
        cameras=lambda _: camera,
        producer=stage.producer,
        refusals=Refusals(stage.producer, "rules", [TRACKS], clock),
        status=StatusReporter(stage.producer, "rules", "1", clock),
        clock=clock,
        plans=Plans(registry.load()),
    )
    remembered: str | None = None
    for number in range(for_s * 5):
        tracks = Tracks(
            camera="parc",
            epoch=1,
            sequence=number,
            capture_time=at + timedelta(seconds=number / 5),
            width=640,
            height=480,
            objects=tuple(
                TrackedObject(track=f"p-{n}", label="person", box=(0.4, 0.3, 0.45, 0.45), confidence=0.9)
                for n in range(4)
            ),
        )
        record = Record(TRACKS.name, 0, number, "parc", tracks.encode(), 0)
        remembered = processor.process(record, remembered) or remembered


def panel(page: Page) -> Locator:
    return page.get_by_role("tabpanel")


def save(page: Page) -> None:
    panel(page).get_by_role("button", name="Enregistrer").click()
    expect(panel(page).get_by_role("status").filter(has_text="Enregistré.")).to_be_visible()


def test_a_rule_in_one_file(stage: Stage, pattern_clip: Footage, enter: Enter) -> None:
    stage.add_camera("parc", "Parc Barbieux", pattern_clip).start()
    page = enter("administrator", "/cameras/parc")

    # Drawn: the zone's kind, the rule's name, and a field for each parameter, of each sort, in French.
    page.get_by_role("tab", name="Zones").click()
    panel(page).get_by_role("button", name="Ajouter un rectangle").click()
    added = panel(page).locator(".section > fieldset").last
    added.get_by_label("Nature de la zone").select_option("Pelouse")
    added.get_by_role("button", name="Ajouter la règle : Pique-nique").click()
    form = added.get_by_role("group", name="Pique-nique")
    expect(form).to_contain_text("Autant de personnes à la fois.")
    form.get_by_label("Convives (personnes)").fill("4")
    form.get_by_label("Durée du repas (secondes)").fill("5")
    page.keyboard.press("Tab")
    form.get_by_label("Saison").select_option("Hiver")
    form.get_by_text("Avec nappe").click()
    form.get_by_text("Au plus", exact=True).click()
    form.get_by_label("Au plus (personnes)").fill("12")
    page.keyboard.press("Tab")
    save(page)

    # Checked and kept: with a version, complete.
    rule = next(each for each in stage.camera("parc")["rules"] if each["rule"] == "picnic")
    wanted = {"persons": 4, "threshold_s": 5, "blanket": True, "season": "winter", "most": 12}
    assert (rule["version"], rule["parameters"], rule["rests"]) == (1, wanted, None)
    wrong = rule | {"parameters": {"persons": 1}}
    body = {
        "zones": stage.camera("parc")["zones"],
        "rules": [{name: wrong[name] for name in ("id", "rule", "parameters", "geometry")}],
    }
    refused = stage.administrator.put(f"{V1}/cameras/parc/zones", json=body)
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["fields"]] == ["body.rules.0.parameters.persons"]

    # Allowed: its analytic can be named by a legal basis.
    page.get_by_role("tab", name="Bases légales").click()
    panel(page).get_by_role("button", name="Ajouter une base légale").click()
    panel(page).get_by_label("Analyse permise").select_option("Pique-nique")
    panel(page).get_by_label("Acte (numéro et date)").fill("Arrêté 2026-18")
    panel(page).get_by_label("Finalité").fill("Tranquillité des pelouses")
    save(page)
    assert [basis["analytic"] for basis in stage.camera("parc")["legal_bases"]] == ["crowd"]

    # Run by the detector, and alerting: a person reads its name.
    let_people_sit(stage, datetime.now(UTC) - timedelta(seconds=10), 8)
    page.goto(f"{stage.url}/alerts")
    expect(page.get_by_role("heading", name="Pique-nique – Parc Barbieux")).to_be_visible()
    expect(page.get_by_role("grid")).to_contain_text("Pique-nique")
