"""Renders the error tree as problem+json, and describes it in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from beffroi_api.db.database import AWAY
from beffroi_api.errors import ApiError, Invalid

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:beffroi:problem:"

MOST_FIELDS = 20
MOST_OF_A_NAME = 200
"""What is said of a request is not many times as long as the request."""

Responses = dict[int | str, dict[str, Any]]


class FieldProblem(BaseModel):
    """One field that is wrong, and why. Never its value: it could be a secret."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457: `title` is French, then English; `detail` says what to do, `code` is for programs and translations."""

    type: str = Field(examples=[TYPE_PREFIX + "not_found"])
    title: str
    status: int
    detail: str
    code: str
    fields: list[FieldProblem] = Field(default_factory=list)
    acknowledged_by: str | None = None
    acknowledged_at: str | None = None


def problems(*errors: type[ApiError]) -> Responses:
    """Describe which errors an endpoint answers with, for its `responses`."""
    described: Responses = {}
    for error in errors:
        entry = described.setdefault(error.status, {"description": ""})
        text = f"{error.title} (`{error.code}`)"
        entry["description"] = f"{entry['description']}; {text}" if entry["description"] else text
        entry["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return described


def render(error: ApiError) -> JSONResponse:
    """One error as it goes out."""
    body = {
        "type": TYPE_PREFIX + error.code,
        "title": _titled(error.french, error.title),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.extra,
    }
    return JSONResponse(body, status_code=error.status, headers=error.headers, media_type=MEDIA_TYPE)


def _titled(french: str, english: str) -> str:
    """For whoever reads an answer without the console: French first, English beside it."""
    return f"{french} / {english}"


async def answer(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or refuse a live view, before any endpoint has it."""
    response = render(error)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


def install(app: FastAPI) -> None:
    """Let every error leave `app` as a problem."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WebSocketRequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_exception)
    for away in AWAY:
        app.add_exception_handler(away, _database_away)
    app.add_exception_handler(DataError, _no_text)
    app.add_exception_handler(Exception, _bug)


async def _api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for it
    return render(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError | WebSocketRequestValidationError)  # noqa: S101 - registered for it
    fields = [
        {"field": ".".join(map(str, item["loc"]))[:MOST_OF_A_NAME], "message": item["msg"]}
        for item in list(error.errors())[:MOST_FIELDS]
    ]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in fields)
    return render(Invalid(detail, fields=fields))


async def _http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    body = {
        "type": "about:blank",
        "title": _titled("La demande ne convient pas", str(error.detail)),
        "status": error.status_code,
        "detail": f"{error.detail}: see the document of this api.",
        "code": "not_found" if error.status_code == 404 else "http_error",
    }
    return JSONResponse(body, status_code=error.status_code, headers=error.headers, media_type=MEDIA_TYPE)


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    log.error("database away", path=request.scope["path"], reason=type(getattr(error, "orig", error)).__name__)
    body = {
        "type": TYPE_PREFIX + "database_away",
        "title": _titled("La base de données ne répond pas", "The database does not answer"),
        "status": 503,
        "detail": "The database does not answer: try again in a moment; if it lasts, tell who runs the service.",
        "code": "database_away",
    }
    return JSONResponse(body, status_code=503, media_type=MEDIA_TYPE)


async def _no_text(_request: Request, _error: Exception) -> JSONResponse:
    return render(Invalid("A text holds a character that no database keeps (U+0000): remove it."))


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    return render(ApiError("This is a fault of the api, and its log says which. Try again."))
