"""The document that is checked in is the one the code gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beffroi_api.commands import openapi

ROOT = Path(__file__).parents[3]


def refs(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(refs(each) for each in value.values()))
    return set().union(*(refs(each) for each in value)) if isinstance(value, list) else set()


def test_checked_in() -> None:
    checked_in = (ROOT / openapi.CHECKED_IN).read_text(encoding="utf-8")
    assert checked_in == openapi.text(), "run: make generated"


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(openapi.text())


def test_every_reference_leads_somewhere(document: Any) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert refs(document) <= known


def test_every_endpoint_tells_roles_and_problems(document: Any) -> None:
    for operations in document["paths"].values():
        for method, operation in operations.items():
            assert operation["x-roles"]
            assert "422" in operation["responses"]
            if operation["x-roles"] != ["everyone"]:
                assert {"401", "403"} <= set(operation["responses"])
            if method != "get":
                assert "foreign_origin" in operation["responses"]["403"]["description"]
