"""What every request goes through: bounded bodies, own origin, strict headers, one count.

Plain ASGI, so that streams stay streams.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from beffroi_api.errors import ApiError, ForeignOrigin
from beffroi_api.http import bodies
from beffroi_api.http.bodies import SAFE
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.problems import answer
from beffroi_common.runtime.metrics import HTTP_REQUESTS

CSRF_HEADER = "x-beffroi-request"
"""Another site's form cannot set this header, and its script may not."""

METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"}
"""What is counted by its name."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, nothing inline."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS_S = 31_536_000
"""A year; sent by https only."""


class SecurityMiddleware:
    """Wraps the application, from outside of what answers a bug."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, public_origin: str | None) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._public_origin = public_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _with_headers(scope, send)
        try:
            _refuse_foreign(HTTPConnection(scope), self._public_origin)
            async with bodies.whole(scope, receive, self._max_body_bytes) as whole:
                await self._app(scope, whole, send)
        except ApiError as error:  # of the application's own none comes out here
            await answer(error, scope, receive, send)


def _refuse_foreign(connection: HTTPConnection, public_origin: str | None) -> None:
    """A change, or a live view, must be meant: asked for by this console, or by a script that is no browser's."""
    is_websocket = connection.scope["type"] == "websocket"
    if not is_websocket and connection.scope["method"] in SAFE:
        return
    origin = connection.headers.get("origin")
    if origin is not None and not _is_own(origin, connection.headers.get("host", ""), public_origin):
        raise ForeignOrigin("The request comes from another site. If this is the right address, set public_origin.")
    if not is_websocket and connection.headers.get(CSRF_HEADER) != "1":
        raise ForeignOrigin("Requests that change something need the header X-Beffroi-Request: 1.")


def _is_own(origin: str, host: str, public_origin: str | None) -> bool:
    if public_origin is not None:
        return origin == public_origin
    return origin in (f"http://{host}", f"https://{host}")


def _with_headers(scope: Scope, send: Send) -> Send:
    in_api = str(scope["path"]).startswith(API_PREFIX)

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            headers.update(HEADERS)
            if in_api:
                headers["Cache-Control"] = "no-store"  # pictures and names stay in no cache
            if scope["scheme"] in ("https", "wss"):
                headers["Strict-Transport-Security"] = f"max-age={HSTS_S}"
            message = {**message, "headers": headers.raw}
            _count(scope, int(message["status"]))
        await send(message)

    return sending


def _count(scope: Scope, status: int) -> None:
    # The endpoint's name, not the address: a metric must not grow with what people ask for.
    route = getattr(scope.get("endpoint"), "__name__", "other")
    HTTP_REQUESTS.labels(route=route, method=_counted(scope.get("method", "WEBSOCKET")), status=str(status)).inc()


def _counted(method: str) -> str:
    """Of methods anybody can make up as many as he likes, and each would be a series for ever."""
    return method if method in METHODS else "other"
