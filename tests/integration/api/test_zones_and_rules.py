"""Zones and the rules that look at them: checked by the registry, versions given by the api, nothing lost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.application import Running, eventually

from beffroi_api.authz.scope import Scope
from beffroi_api.modules.cameras import repository
from beffroi_common.contracts import CameraStatus, Level
from beffroi_common.topics import CAMERAS, STATUS

from .conftest import Place

V1 = "/api/v1"
GATE = f"{V1}/cameras/gate"
ZONE = {
    "id": "crossroads",
    "name": "Crossroads",
    "kind": "sensitive",
    "shape": "polygon",
    "points": [[0, 0], [1, 0], [1, 1], [0, 1]],
}
RULE = {"id": "r", "rule": "loitering", "parameters": {"threshold_s": 20}, "geometry": {"zone": "crossroads"}}
FUTURE_ZONE = {"id": "rift", "name": "Rift", "kind": "rift", "shape": "ring", "points": [[0.5, 0.5]]}
FUTURE = {
    "id": "later",
    "rule": "teleportation",
    "version": 7,
    "parameters": {"at": [1.0, 2], "when": None, "": {"é": -0.0}},
    "geometry": {"gate": "rift"},
}
FUTURE_INPUT = {name: value for name, value in FUTURE.items() if name != "version"} | {
    "parameters": {"when": None, "": {"é": 0}, "at": [1, 2]}  # as a browser writes it
}
Make = Callable[..., dict[str, Any]]


def put(app: Running, zones: list[Any], rules: list[Any]) -> Any:
    return app.administrator.put(f"{GATE}/zones", json={"zones": zones, "rules": rules})


def saved(app: Running, zones: list[Any], rules: list[Any]) -> list[dict[str, Any]]:
    answer = put(app, zones, rules)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rules"]
    return found


def as_input(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as a console sends it back: without version, and without why it rests."""
    return {name: rule[name] for name in ("id", "rule", "parameters", "geometry")}


def let_another_release_save(app: Running, zones: list[Any], rules: list[Any]) -> None:
    """Put zones and rules into the database that this release would not save so."""
    with app.services.database.write(Scope.system("another release")) as session:
        row = repository.find(session, "gate", for_change=True)
        assert row is not None
        camera = repository.document(row)
        document = camera.model_dump() | {"zones": zones, "rules": rules, "version": camera.version + 1}
        repository.write(row, type(camera).model_validate(document))


def document(app: Running) -> dict[str, Any]:
    """The camera as the database has it."""
    with app.services.database.read(Scope.system("a test")) as session:
        row = repository.find(session, "gate")
        assert row is not None
        found: dict[str, Any] = json.loads(row.document)
        return found


def test_what_is_left_out_takes_its_default_and_is_kept(app: Running, make_camera: Make) -> None:
    make_camera()
    (rule,) = saved(app, [ZONE], [RULE])
    assert rule["version"] == 1
    assert rule["parameters"] == {"threshold_s": 20, "radius_height": 0.1, "gap_s": 3, "schedule": None}
    assert rule["rests"] is None


def test_a_version_grows_with_the_content_and_only_with_it(app: Running, make_camera: Make) -> None:
    make_camera()

    def version(zone: dict[str, Any], parameters: dict[str, Any]) -> int:
        (rule,) = saved(app, [zone], [RULE | {"parameters": parameters}])
        return int(rule["version"])

    narrow = ZONE | {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    assert [
        version(ZONE, {"threshold_s": 20}),
        version(ZONE, {"threshold_s": 20}),
        version(ZONE, {"threshold_s": 20, "gap_s": 3.0}),  # said in full, it is the same
        version(ZONE | {"name": "Square"}, {"threshold_s": 20}),
        version(ZONE, {"threshold_s": 25}),
        version(narrow, {"threshold_s": 25}),  # it looks elsewhere: an alert must tell the two apart
        version(narrow, {"threshold_s": 25}),
    ] == [1, 1, 1, 1, 2, 3, 3]


def test_a_default_that_a_release_adds_is_no_change(app: Running, make_camera: Make) -> None:
    make_camera()
    let_another_release_save(app, [ZONE], [RULE | {"version": 4}])
    (rule,) = saved(app, [ZONE], [RULE | {"parameters": {"threshold_s": 20, "radius_height": 0.1}}])
    assert rule["version"] == 4
    (rule,) = saved(app, [ZONE], [RULE | {"parameters": {"threshold_s": 20, "radius_height": 0.2}}])
    assert rule["version"] == 5


BAD_ZONE = ZONE | {"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}
WRONG: dict[str, tuple[list[Any], list[Any], list[str], str]] = {
    "an unknown rule": ([ZONE], [RULE | {"rule": "x"}], ["body.rules.0.rule"], "this release does not know a rule x"),
    "parameters out of bounds": (
        [ZONE],
        [RULE | {"parameters": {"threshold_s": 1, "gap_s": 99}}],
        ["body.rules.0.parameters.threshold_s", "body.rules.0.parameters.gap_s"],
        "greater than or equal to 5",
    ),
    "a role without a zone": ([ZONE], [RULE | {"geometry": {}}], ["body.rules.0.geometry.zone"], "choose a zone"),
    "a zone that is not there": ([], [RULE], ["body.rules.0.geometry.zone"], "choose a zone"),
    "an unknown kind of zone": ([ZONE | {"kind": "lawn"}], [], ["body.zones.0.kind"], "choose one of sensitive"),
    "another shape": ([ZONE | {"shape": "line"}], [], ["body.zones.0.shape"], "is a polygon"),
    "an outline that crosses itself": ([BAD_ZONE], [], ["body.zones.0.points"], "cross"),
    "a version of one's own": ([ZONE], [RULE | {"version": 9}], ["body.rules.0.version"], "not permitted"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said_field_by_field(app: Running, make_camera: Make, case: str) -> None:
    zones, rules, fields, words = WRONG[case]
    before = make_camera()["version"]
    answer = put(app, zones, rules)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["fields"]] == fields
    assert words in answer.json()["detail"]
    assert app.administrator.get(GATE).json()["version"] == before


CAMERA = {"name": "Gate", "commune": "Hellemmes", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 4}
OPEN = {"mode": "open", "reason": "nothing private is in view"}
SAVES: dict[str, tuple[str, Any]] = {
    "the camera": (GATE, CAMERA),
    "its source": (GATE, CAMERA | {"source": {"url": "pattern:320x192@5"}}),
    "masks": (f"{GATE}/masking", OPEN),
    "legal bases": (f"{GATE}/legal-bases", []),
    "zones": (f"{GATE}/zones", {"zones": [ZONE, FUTURE_ZONE], "rules": [FUTURE_INPUT]}),
}


@pytest.mark.parametrize("part", SAVES)
def test_what_a_later_release_saved_stays_as_it_is_whatever_is_saved(
    app: Running, make_camera: Make, part: str
) -> None:
    make_camera()
    let_another_release_save(app, [FUTURE_ZONE, ZONE], [FUTURE])
    before = document(app)
    address, body = SAVES[part]
    app.administrator.put(address, json=body).raise_for_status()
    after = document(app)
    assert after["version"] == before["version"] + 1
    assert json.dumps(after["rules"]) == json.dumps(before["rules"])
    assert sorted(map(json.dumps, after["zones"])) == sorted(map(json.dumps, before["zones"]))


def test_a_rule_of_a_later_release_rests_is_said_and_survives_other_changes(app: Running, make_camera: Make) -> None:
    make_camera()
    let_another_release_save(app, [FUTURE_ZONE, ZONE], [FUTURE])
    app.administrator.put(f"{GATE}/legal-bases", json=[]).raise_for_status()
    (shown,) = app.operator.get(GATE).json()["rules"]
    assert shown["rests"]["code"] == "rule_unknown"
    assert "teleportation" in shown["rests"]["message"]

    kept, added = saved(app, [FUTURE_ZONE | {"name": "Renamed"}, ZONE], [as_input(shown), RULE])
    assert {name: kept[name] for name in FUTURE} == FUTURE
    assert (added["rule"], added["rests"]) == ("loitering", None)

    changed = put(app, [FUTURE_ZONE, ZONE], [as_input(shown) | {"parameters": {}}])
    assert changed.status_code == 422, "nobody here can say whether the change fits"
    without_its_zone = put(app, [ZONE], [as_input(shown)])
    assert without_its_zone.status_code == 422
    assert saved(app, [ZONE], []) == [], "whoever takes it off means it"


def test_what_only_the_detector_knows_is_shown_beside_the_rule_while_it_may_be_believed(
    app: Running, place: Place, make_camera: Make
) -> None:
    make_camera()
    saved(app, [ZONE], [RULE, RULE | {"id": "other"}])
    status = CameraStatus(
        camera="gate",
        service="vision",
        level=Level.WARNING,
        code="rule_class_missing",
        message="rule r rests",
        at=place.clock.now(),
        resting_rules={"r": "rule_class_missing"},
    )
    place.around.bus.producer().send(STATUS, status.key, status, partition=0)
    eventually(lambda: [each["rests"] is None for each in app.operator.get(GATE).json()["rules"]] == [False, True])
    rests = app.operator.get(GATE).json()["rules"][0]["rests"]
    assert rests == {"code": "rule_class_missing", "message": "rule r rests", "fields": []}
    place.clock.advance(60)
    assert [each["rests"] for each in app.operator.get(GATE).json()["rules"]] == [None, None]


def test_a_camera_that_would_be_too_large_to_be_sent_is_not_kept(app: Running, make_camera: Make) -> None:
    make_camera()
    name, long_id = "\U00010400" * 200, "x" * 60  # no letter is longer in UTF-8
    points = [[each / 123456789, each / 987654321] for each in range(1, 65)]
    zones = [FUTURE_ZONE | {"id": f"{each}-{long_id}", "name": name, "points": points} for each in range(64)]
    geometry = {f"role_{each}_{long_id[:30]}": zones[0]["id"] for each in range(16)}
    rules = [FUTURE | {"id": str(each), "parameters": {"x": "y" * 4080}, "geometry": geometry} for each in range(32)]
    let_another_release_save(app, zones, rules)
    basis = {
        "analytic": "loitering",
        "purpose": f"a{name[2:]}z",
        "reference": f"a{name[2:]}z",
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2027-01-01T00:00:00Z",
    }
    app.administrator.put(f"{GATE}/legal-bases", json=[basis] * 16).raise_for_status()
    before = document(app)
    turns = [each * math.tau / 64 for each in range(64)]
    circle = [[0.5 + math.cos(turn) / 3, 0.5 + math.sin(turn) / 3] for turn in turns]
    refused = app.administrator.put(f"{GATE}/masking", json={"mode": "burn", "polygons": [circle] * 32})
    assert refused.status_code == 422
    assert f"and {CAMERAS.max_record_bytes} can be sent" in refused.json()["detail"]
    assert document(app) == before


def test_the_catalogue_says_all_there_is_to_know_of_a_rule(app: Running) -> None:
    for client in (app.administrator, app.operator, app.dpo):
        rules = {rule["name"]: rule for rule in client.get(f"{V1}/rules").json()}
        rule = rules["loitering"]
        assert (rule["analytic"], rule["classes"]) == ("loitering", ["person"])
        assert rule["parameters"]["properties"]["threshold_s"]["minimum"] == 5
        assert rule["words"]["fr"]["parameters"]["threshold_s"]["unit"] == "secondes"
        assert [(role["name"], role["kind"]["name"], role["kind"]["shape"]) for role in rule["roles"]] == [
            ("zone", "sensitive", "polygon")
        ]
