"""One's own account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Request

from beffroi_api.authz.roles import Identity
from beffroi_api.errors import GuessablePassword, NotFound, SecondFactorWrong, Throttled, WrongPassword
from beffroi_api.http.access import Enrolling, OwnAccount, SignedIn
from beffroi_api.http.admission import aside
from beffroi_api.http.problems import problems
from beffroi_api.modules.session.attempts.throttle import network_of
from beffroi_api.services import Services, ServicesOf

from .schemas import (
    OwnSession,
    PasswordChange,
    PendingSecondFactor,
    Reauthentication,
    RecoveryCodes,
    SecondFactorConfirmation,
    SecondFactorRemoval,
    SecondFactorView,
)

router = APIRouter(prefix="/account", tags=["account"])

Answer = TypeVar("Answer")

OwnSessionId = Annotated[int, Path(ge=1, lt=2**53)]


@router.put("/password", status_code=204, responses=problems(WrongPassword, GuessablePassword, Throttled))
async def change_password(body: PasswordChange, request: Request, who: OwnAccount, services: ServicesOf) -> None:
    """Change one's password. All other sessions end."""
    current, new = body.current.get_secret_value(), body.new.get_secret_value()
    await _aside(request, services, who, services.account.change_password, current, new)


@router.get("/sessions")
def list_sessions(who: SignedIn, services: ServicesOf) -> list[OwnSession]:
    """Where one is signed in."""
    return services.account.sessions(who)


@router.delete("/sessions", status_code=204)
def end_other_sessions(who: SignedIn, services: ServicesOf) -> None:
    """End all of one's sessions but this one."""
    services.account.end_other_sessions(who)


@router.delete("/sessions/{session}", status_code=204, responses=problems(NotFound))
def end_session(session: OwnSessionId, who: SignedIn, services: ServicesOf) -> None:
    """End one of one's sessions."""
    services.account.end_session(who, session)


@router.get("/second-factor")
def get_second_factor(who: Enrolling, services: ServicesOf) -> SecondFactorView:
    """Whether one has a second factor."""
    return services.account.second_factor(who)


@router.post("/second-factor", responses=problems(WrongPassword, Throttled))
async def begin_second_factor(
    body: Reauthentication, request: Request, who: Enrolling, services: ServicesOf
) -> PendingSecondFactor:
    """Begin to set a second factor (TOTP, RFC 6238)."""
    password = body.password.get_secret_value()
    return await _aside(request, services, who, services.account.begin_second_factor, password)


@router.put("/second-factor", responses=problems(SecondFactorWrong, Throttled))
def confirm_second_factor(body: SecondFactorConfirmation, who: Enrolling, services: ServicesOf) -> RecoveryCodes:
    """Set it: a code shows that an authenticator has it. The recovery codes are shown this once."""
    pending, code = body.pending.get_secret_value(), body.code.get_secret_value()
    return RecoveryCodes(codes=services.account.confirm_second_factor(who, pending, code))


@router.post("/second-factor/removal", status_code=204, responses=problems(WrongPassword, SecondFactorWrong, Throttled))
async def remove_second_factor(
    body: SecondFactorRemoval, request: Request, who: SignedIn, services: ServicesOf
) -> None:
    """Take it away."""
    password, code = body.password.get_secret_value(), body.code.get_secret_value()
    await _aside(request, services, who, services.account.remove_second_factor, password, code)


async def _aside(
    request: Request, services: Services, who: Identity, do: Callable[..., Answer], *secrets: str
) -> Answer:
    """What hashes passwords takes turns with those who sign in."""
    return await aside(request, services.signing_in, network_of(who.address), do, who, *secrets)
