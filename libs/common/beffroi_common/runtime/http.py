"""The admin port of every service: /metrics, /healthz, /readyz. Never the public one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer, _SilentHandler

from .health import Health


def admin_server(health: Health, host: str, port: int) -> WSGIServer:
    """Bind the admin port.

    Raises:
        OSError: the port is taken.
    """
    server: WSGIServer = make_server(host, port, _app(health), ThreadingWSGIServer, handler_class=_SilentHandler)
    threading.Thread(target=server.serve_forever, name="internal-http", daemon=True).start()
    return server


def _app(health: Health) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    metrics: Any = make_wsgi_app()

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                answer: Iterable[bytes] = metrics(environ, start)
                return answer
            case "/healthz":
                return _answer(health.live(), start)
            case "/readyz":
                return _answer(health.ready(), start)
            case _:
                start("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics, /healthz and /readyz are here\n"]

    return app


def _answer(conditions: dict[str, bool], start: StartResponse) -> Iterable[bytes]:
    good = bool(conditions) and all(conditions.values())
    start("200 OK" if good else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps({"ok": good, "conditions": conditions}).encode()]
