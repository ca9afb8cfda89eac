"""What a rule must say of itself before it is offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import Field

from beffroi_rules import registry, rules
from beffroi_rules.registry import Registry, RegistryError, fields
from beffroi_rules.rule import AnyRule, Parameters, State
from beffroi_rules.words import FieldWords, RuleWords

SOME: AnyRule = registry.load().rules["loitering"]
ROLE = SOME.roles[0]


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


class Choosing(Parameters):
    side: Side = Side.LEFT


class Undecided(Parameters):
    count: int = Field(ge=1)


class Expectant(State):
    count: int


def worded(rule: AnyRule, **parameters: FieldWords) -> AnyRule:
    return replace(rule, words={language: RuleWords("Nom", parameters) for language in ("fr", "en")})


WRONG: dict[str, tuple[Callable[[], list[AnyRule]], str]] = {
    "two with one name": (lambda: [SOME, SOME], "two rules have the name"),
    "one language only": (lambda: [replace(SOME, words={"fr": SOME.words["fr"]})], "no words in en for its name"),
    "a parameter without words": (
        lambda: [replace(SOME, words={**SOME.words, "fr": RuleWords("Nom", {})})],
        "no words in fr for parameter",
    ),
    "a choice without words": (
        lambda: [worded(replace(SOME, parameters=Choosing), side=FieldWords("Côté", options={"left": "gauche"}))],
        "no words in fr for right of parameter side",
    ),
    "a role without words": (lambda: [replace(SOME, roles=(replace(ROLE, words={}),))], "for role"),
    "a kind of zone without words": (
        lambda: [replace(SOME, roles=(replace(ROLE, kind=replace(ROLE.kind, words={})),))],
        "for zones of kind",
    ),
    "no role": (lambda: [replace(SOME, roles=())], "no role of geometry"),
    "two roles with one name": (lambda: [replace(SOME, roles=(ROLE, ROLE))], "two roles"),
    "a name that cannot be on the bus": (lambda: [replace(SOME, name="Red Light")], "is no term"),
    "a parameter without default": (lambda: [replace(SOME, parameters=Undecided)], "need a default"),
    "a state without beginning": (lambda: [replace(SOME, state=Expectant)], "state need a default"),
    "a kind that means something else elsewhere": (
        lambda: [SOME, replace(SOME, name="other", roles=(replace(ROLE, kind=replace(ROLE.kind, shape="line")),))],
        "says something else of zones",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_written_wrongly_is_not_offered(case: str) -> None:
    make, why = WRONG[case]
    with pytest.raises(RegistryError, match=why):
        Registry.of(make())


def test_a_choice_with_all_its_words_is_offered() -> None:
    said = FieldWords("Côté", options={"left": "gauche", "right": "droite"})
    Registry.of([worded(replace(SOME, parameters=Choosing), side=said)])


def test_fields_have_paths_through_what_may_be_left_open() -> None:
    assert {"schedule", "schedule.start", "schedule.timezone"} <= fields(SOME.parameters.model_json_schema()).keys()


def test_a_module_without_a_rule_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty_module_of_a_town.py").write_text('"""Nothing here."""\n')
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    with pytest.raises(RegistryError, match="has no RULE"):
        registry.load()
