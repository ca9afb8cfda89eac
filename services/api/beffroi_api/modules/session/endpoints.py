"""Sign-in, sign-out, who am I."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from beffroi_api.authz.roles import Identity
from beffroi_api.errors import SecondFactorNeeded, SignInFailed, Throttled
from beffroi_api.http.access import COOKIE, OwnAccount, OwnConsole, address_of, everyone
from beffroi_api.http.admission import aside
from beffroi_api.http.problems import problems
from beffroi_api.services import Services, ServicesOf

from .attempts.throttle import network_of
from .schemas import SessionView, SignIn

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", dependencies=[Depends(everyone)], responses=problems(SignInFailed, SecondFactorNeeded, Throttled))
async def sign_in(body: SignIn, request: Request, response: Response, services: ServicesOf) -> SessionView:
    """Sign in. The session is a cookie that scripts cannot read and other sites cannot send."""
    address, agent = address_of(request), request.headers.get("user-agent", "")
    token, identity = await aside(
        request, services.signing_in, network_of(address), services.sessions.sign_in, body, address, agent
    )
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(services.settings.session.absolute_timeout_s),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return await run_in_threadpool(_view, identity, services)


@router.get("")
def who_am_i(who: OwnConsole, services: ServicesOf) -> SessionView:
    """Who is signed in."""
    return _view(who, services)


@router.delete("", status_code=204)
def sign_out(who: OwnAccount, response: Response, services: ServicesOf) -> None:
    """Sign out."""
    services.sessions.sign_out(who)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def _view(identity: Identity, services: Services) -> SessionView:
    return SessionView(
        user=identity.username,
        display_name=identity.display_name,
        role=identity.role,
        language=identity.language,
        must_change_password=identity.must_change_password,
        must_set_second_factor=identity.must_set_second_factor,
        other_sessions=len(services.account.sessions(identity)) - 1,
    )
