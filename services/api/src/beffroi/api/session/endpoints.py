"""Sign-in, sign-out, who am I."""

from __future__ import annotations

from beffroi.api.access import API_PREFIX, COOKIE, AnyConsole, Identity, SignedIn, address_of, everyone
from beffroi.api.errors import SignInFailed, Throttled
from beffroi.api.parts import PartsOf
from beffroi.api.problems import problems
from fastapi import APIRouter, Depends, Request, Response

from .schemas import SessionView, SignIn

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", dependencies=[Depends(everyone)], responses=problems(SignInFailed, Throttled))
def sign_in(body: SignIn, request: Request, response: Response, parts: PartsOf) -> SessionView:
    """Sign in. The session is a cookie that scripts cannot read and other sites cannot send."""
    token, identity = parts.sessions.sign_in(body, address_of(request))
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(parts.settings.session.absolute_timeout_s),
        path=API_PREFIX,
        secure=parts.settings.secure_cookie or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return _view(identity)


@router.get("")
def who_am_i(who: AnyConsole) -> SessionView:
    """Who is signed in."""
    return _view(who)


@router.delete("", status_code=204)
def sign_out(who: SignedIn, response: Response, parts: PartsOf) -> None:
    """Sign out."""
    parts.sessions.sign_out(who)
    response.delete_cookie(COOKIE, path=API_PREFIX, httponly=True, samesite="strict")


def _view(identity: Identity) -> SessionView:
    return SessionView(
        user=identity.username, display_name=identity.display_name, role=identity.role, language=identity.language
    )
