"""Sign-in, sign-out, who am I."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from beffroi_api.authz.roles import Identity
from beffroi_api.errors import SignInFailed, Throttled
from beffroi_api.http.access import COOKIE, AnyConsole, SignedIn, address_of, everyone
from beffroi_api.http.admission import aside
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.problems import problems
from beffroi_api.services import ServicesOf

from .attempts.throttle import network_of
from .schemas import SessionView, SignIn

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", dependencies=[Depends(everyone)], responses=problems(SignInFailed, Throttled))
async def sign_in(body: SignIn, request: Request, response: Response, services: ServicesOf) -> SessionView:
    """Sign in. The session is a cookie that scripts cannot read and other sites cannot send."""
    address = address_of(request)
    token, identity = await aside(
        request, services.signing_in, network_of(address), services.sessions.sign_in, body, address
    )
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(services.settings.session.absolute_timeout_s),
        path=API_PREFIX,
        secure=services.settings.secure_cookie or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return _view(identity)


@router.get("")
def who_am_i(who: AnyConsole) -> SessionView:
    """Who is signed in."""
    return _view(who)


@router.delete("", status_code=204)
def sign_out(who: SignedIn, response: Response, services: ServicesOf) -> None:
    """Sign out."""
    services.sessions.sign_out(who)
    response.delete_cookie(COOKIE, path=API_PREFIX, httponly=True, samesite="strict")


def _view(identity: Identity) -> SessionView:
    return SessionView(
        user=identity.username, display_name=identity.display_name, role=identity.role, language=identity.language
    )
