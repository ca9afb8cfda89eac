"""The OpenAPI document of the api, with roles and common problems for every endpoint."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from beffroi_api.errors import ApiError, Busy, ForeignOrigin, Invalid, NotAllowed, NotSignedIn, TooLarge
from beffroi_api.http import access
from beffroi_api.http.problems import MEDIA_TYPE, Problem
from beffroi_api.modules.events.schemas import News
from beffroi_api.modules.live.schemas import LiveHeader, LiveState

ALSO_DESCRIBED = (Problem, News, LiveHeader, LiveState)
"""Travel by WebSocket, by events or inside problems: no endpoint names them."""

UNSAFE = {"post", "put", "delete", "patch"}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` give the full document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document["components"]["schemas"]
    _, extra = models_json_schema(
        [(model, "serialization") for model in ALSO_DESCRIBED], ref_template="#/components/schemas/{model}"
    )
    for name, schema in extra["$defs"].items():
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": access.COOKIE},
    }
    _add_rules(document, app)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _add_rules(document: dict[str, Any], app: FastAPI) -> None:
    for rule in access.table(app):
        for method in rule.methods & {"GET", "POST", "PUT", "DELETE", "PATCH"}:
            operation = document["paths"][rule.path][method.lower()]
            operation["x-roles"] = sorted(role.value for role in rule.roles) or ["everyone"]
            if rule.roles:
                operation["security"] = [{"session": []}]
            for error in _common(rule, method.lower()):
                _add_problem(operation["responses"], error)


def _common(rule: access.Rule, method: str) -> list[type[ApiError]]:
    common: list[type[ApiError]] = [Invalid, Busy]
    if rule.roles:
        common += [NotSignedIn, NotAllowed]
    if method in UNSAFE:
        common += [ForeignOrigin, TooLarge]
    return common


def _add_problem(responses: dict[str, Any], error: type[ApiError]) -> None:
    text = f"{error.title} (`{error.code}`)"
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found = responses.get(str(error.status))
    if found is None or found["description"] == "Validation Error":
        responses[str(error.status)] = {"description": text, "content": content}
    elif text not in found["description"]:
        found["description"] = f"{found['description']}; {text}"
