"""The application: all routes, one error tree, one lifespan that owns every client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from beffroi_api.http import access, console, document, problems
from beffroi_api.http.admission import AdmissionMiddleware
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.security import SecurityMiddleware
from beffroi_api.modules.account.endpoints import router as account
from beffroi_api.modules.alerts.endpoints import router as alerts
from beffroi_api.modules.audit.endpoints import router as audit
from beffroi_api.modules.cameras.endpoints import router as cameras
from beffroi_api.modules.events.endpoints import router as events
from beffroi_api.modules.health.endpoints import router as health
from beffroi_api.modules.live.endpoints import router as stills
from beffroi_api.modules.live.endpoints import views
from beffroi_api.modules.meta.endpoints import router as meta
from beffroi_api.modules.recordings.endpoints import router as recordings
from beffroi_api.modules.rules.endpoints import router as rules
from beffroi_api.modules.session.endpoints import router as session
from beffroi_api.process.services import ProcessServices
from beffroi_api.process.settings import ProcessSettings
from beffroi_api.services import Services
from beffroi_api.settings import ApiSettings

ROUTERS = (meta, session, account, rules, cameras, stills, views, alerts, recordings, events, health, audit)


class SecuredApp(FastAPI):
    """Puts `SecurityMiddleware` outermost, as starlette's own answer to a bug would otherwise lack its headers; then
    admission.
    """

    def __init__(self, settings: ProcessSettings | None, **fields: Any) -> None:
        self._settings = settings
        super().__init__(**fields)

    def build_middleware_stack(self) -> ASGIApp:
        """See starlette."""
        inner = super().build_middleware_stack()
        if self._settings is None:
            return inner
        admitted = AdmissionMiddleware(inner)
        return SecurityMiddleware(admitted, self._settings.max_body_bytes, self._settings.public_origin)


def create_app(
    settings: ApiSettings | None, build: Callable[[], Services] | None, console_folder: Path = console.BUILT
) -> FastAPI:
    """Put the application together: all routes, live views among them, and the console.

    Args:
        settings: its own.
        build: called when it starts, never before.
        console_folder: the console's files.

    Without settings and parts it cannot serve, only be described (`beffroi_api.commands.openapi`).

    Raises:
        TypeError: an endpoint does not declare who may use it.
    """

    return _assemble(settings, build, ROUTERS, console.router(console_folder))


def create_live_app(settings: ProcessSettings, build: Callable[[], ProcessServices]) -> FastAPI:
    """Put an application together that serves live views and nothing else. `build` is called when it starts."""
    return _assemble(settings, build, (views,))


def _assemble(
    settings: ProcessSettings | None,
    build: Callable[[], ProcessServices] | None,
    routers: Sequence[APIRouter],
    *others: APIRouter,
) -> FastAPI:
    """An application of these routers below the api's prefix, and of others beside it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if build is None:
            raise RuntimeError("this application is for its description only")
        services = build()
        app.state.services = services
        try:
            await run_in_threadpool(services.start)
            yield
        finally:
            services.end_streams()
            await run_in_threadpool(services.close)

    app = SecuredApp(
        settings,
        title="Beffroi",
        version=version("beffroi-api"),
        description="Municipal video protection: what the console and scripts ask.",
        lifespan=lifespan,
        docs_url=None,  # they load scripts from elsewhere; the document is services/api/openapi.json
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    api = APIRouter(prefix=API_PREFIX)
    for router in routers:
        api.include_router(router)
    for router in (api, *others):
        app.include_router(router)
    problems.install(app)
    document.install(app)
    access.table(app)
    return app
