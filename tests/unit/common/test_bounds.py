"""Nothing that comes in is as large as anybody likes: not in a contract, not at the api's door, not in a rule."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from tests.unit.common.test_contracts import batch

from beffroi_api.http.app import create_app
from beffroi_api.http.paths import API_PREFIX
from beffroi_common.contracts import AccessUnit, CameraStatus, Contract, FrameBatch, InvalidMessageError, ServiceStatus
from beffroi_common.contracts.base import (
    LATEST,
    MAX_INT32,
    MAX_INT64,
    MAX_SIDE,
    JsonObject,
    ObjectName,
    Prose,
    Said,
    ShortText,
    UtcTime,
)
from beffroi_common.contracts.frames import LATEST_NS
from beffroi_common.contracts.pattern_address import PatternAddress
from beffroi_common.recordings.heads import Head
from beffroi_common.topics import every_topic
from beffroi_rules.registry import load
from beffroi_testing.bounds import unbounded, unbounded_value


def contracts() -> list[type[Contract]]:
    plain = [topic.contract for topic in every_topic() if isinstance(topic.contract, type)]
    return list(dict.fromkeys([Head, CameraStatus, ServiceStatus, *(each for each in plain if each is not FrameBatch)]))  # type: ignore[list-item]


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.__name__)
def test_every_value_of_a_contract_has_a_bound(contract: type[Contract]) -> None:
    assert list(unbounded(contract)) == []


@pytest.mark.parametrize("rule", load().rules.values(), ids=lambda rule: rule.name)
def test_every_parameter_of_a_rule_has_a_bound(rule: Any) -> None:
    assert list(unbounded(rule.parameters)) == []


def what_comes_in() -> Iterator[tuple[str, Any]]:
    for route in iter_route_contexts(create_app(None, None).routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None or not (route.path or "").startswith(API_PREFIX):
            continue
        for needed in with_all_that_it_needs(dependant):
            for kind in ("path", "query", "header", "cookie", "body"):
                for each in getattr(needed, f"{kind}_params"):
                    yield f"{route.path} {kind}.{each.alias}", Annotated[each.field_info.annotation, each.field_info]


def with_all_that_it_needs(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from with_all_that_it_needs(each)


def test_everything_that_the_api_takes_has_a_bound() -> None:
    found = list(what_comes_in())
    assert len(found) > 20
    assert [each for place, kind in found for each in unbounded_value(kind, place)] == []


class Wide(BaseModel):
    number: int
    half: float = Field(ge=0)
    text: str
    open_pattern: Annotated[str, StringConstraints(pattern="^[a-z]+$")]
    many: list[Annotated[int, Field(ge=0, le=1)]]
    deep: Annotated[dict[str, Annotated[int, Field(ge=0, le=1)]], Field(max_length=1)]
    at: datetime
    data: bytes


def test_what_has_no_bound_is_found() -> None:
    found = {each.split(":")[0] for each in unbounded(Wide)}
    wide = ("number", "half", "text", "open_pattern", "many", "deep[]", "at", "data")
    assert found == {f"Wide.{each}" for each in wide}


UNIT = AccessUnit(pts=0, dts=0, capture_time_ns=1, key=True, data=b"x")
AFTER = replace(UNIT, pts=3000, dts=3000)

REFUSED: dict[str, dict[str, Any]] = {
    "a sequence that no counter holds": {"sequence": 2**64 - 1},
    "one too many": {"sequence": MAX_INT32 + 1},
    "an epoch beyond 64 bits": {"epoch": MAX_INT64 + 1},
    "a mask version beyond 32 bits": {"mask_version": MAX_INT32 + 1},
    "a source version beyond 32 bits": {"source_version": 2**32 - 1},
    "wider than decoders take": {"width": MAX_SIDE + 2},
    "a clock that overflows an encoder": {"time_base": Fraction(1, 4_294_967_295)},
    "a clock slower than a second": {"time_base": Fraction(2)},
    "a clock of odd terms": {"time_base": Fraction(10_000_018, 10_000_019)},
    "equal times": {"units": (UNIT, UNIT)},
    "shown at once": {"units": (UNIT, replace(AFTER, pts=0))},
    "equal when recorded": {"units": (UNIT, replace(UNIT, pts=1, dts=1)), "time_base": Fraction(1, 10_000_000)},
    "back in time": {"units": (AFTER, UNIT)},
    "a minute between": {"units": (UNIT, replace(UNIT, pts=90_000 * 61, dts=90_000 * 61))},
    "shown much later": {"units": (replace(UNIT, pts=90_000 * 61),)},
    "further than a file can say": {"units": (replace(UNIT, pts=2**62, dts=2**62),)},
    "captured after the end of time": {"units": (replace(UNIT, capture_time_ns=LATEST_NS),)},
    "captured before its beginning": {"units": (replace(UNIT, capture_time_ns=-1),)},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_a_frame_batch_that_one_reader_cannot_hold_is_refused_at_the_door(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError, match="FrameBatch"):
        batch(**changes)


ODD_NAMES = {
    "nothing": "",
    "spaces": " \t ",
    "U+0000": "Ga\0te",
    "direction marks alone": "\u202e\u200f",
    "a direction mark within": "Gate\u202e1",
    "a joiner": "Ga\u200dte",
    "two lines": "Gate\nYard",
    "a blank letter": "\u3164",
    "a mark without a letter": "\u0301",
    "half a character": "\ud800",
    "long once composed": "\u0958" * 200,
    "long": "x" * 201,
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ShortText).validate_python(name)


@given(st.text())
def test_a_name_that_is_taken_is_composed_and_seen(name: str) -> None:
    try:
        taken = TypeAdapter(ShortText).validate_python(name)
    except ValidationError:
        return
    assert taken == unicodedata.normalize("NFC", taken)
    assert 1 <= len(taken) <= 200
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in taken)


def test_equal_names_are_equal() -> None:
    assert TypeAdapter(ShortText).validate_python("Caf\u0065\u0301") == "Caf\u00e9"


@given(st.text(max_size=500) | st.text(alphabet=st.characters(), max_size=5))
def test_what_a_program_says_is_never_refused_for_what_it_quotes(text: str) -> None:
    assert "\0" not in TypeAdapter(Said).validate_python(text)


def test_prose_has_lines_and_nothing_unseen() -> None:
    assert TypeAdapter(Prose).validate_python("one\ntwo") == "one\ntwo"
    with pytest.raises(ValidationError):
        TypeAdapter(Prose).validate_python("one\u202etwo")


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "/a", "a/", "a//b", "a\0b", "a b", "a?b", "x" * 501, "é"])
def test_a_name_that_no_store_takes_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ObjectName).validate_python(name)


@pytest.mark.parametrize("parameters", [{"a": "\0"}, {"a\u202e": 1}, {"a": [{"b": "\ud800"}]}])
def test_an_object_that_no_database_keeps_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonObject).validate_python(parameters)


@pytest.mark.parametrize("at", ["1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2100-01-01T00:30:00+00:15"])
def test_an_instant_that_no_reader_holds_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match=f"between the years 1970 and {LATEST.year}"):
        TypeAdapter(UtcTime).validate_python(at)


@pytest.mark.parametrize(
    "url",
    ["pattern:8194x4098@1", "pattern:9998x9998@99", "pattern:3842x2160@10", "pattern:640x360@61", "pattern:٦٤٠x360@1"],
)
def test_a_test_pattern_that_costs_too_much_is_refused_by_whoever_reads_it(url: str) -> None:
    with pytest.raises(ValueError, match="test pattern"):
        PatternAddress.read(url)
