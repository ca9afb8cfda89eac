"""What travels for one's own account."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from beffroi_api.modules.session.schemas import GivenCode, GivenPassword
from beffroi_api.modules.users.credentials.secrets import Secret
from beffroi_common.contracts.base import UtcTime


class _Secret(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PasswordChange(_Secret):
    """One's password and the next one."""

    current: GivenPassword
    new: GivenPassword


class OwnSession(BaseModel):
    """A place where one is signed in."""

    id: int
    address: str
    agent: str
    """What the browser says it is."""
    created_at: UtcTime
    seen_at: UtcTime
    is_this_one: bool


class SecondFactorView(BaseModel):
    """Whether a second factor is asked for, and how many recovery codes are left."""

    is_set: bool
    recovery_codes: int


class Reauthentication(_Secret):
    """One's password again: who sits down at somebody's open console must not take the account over."""

    password: GivenPassword


class PendingSecondFactor(BaseModel):
    """What an authenticator takes. It counts once a code of it was given."""

    secret: str
    uri: str
    qr: str
    """Address of an image."""
    pending: str
    """To be sent back with the code."""


class SecondFactorConfirmation(_Secret):
    """A code of the authenticator that took the secret."""

    pending: Annotated[Secret, Field(max_length=2000)]
    code: GivenCode


class SecondFactorRemoval(_Secret):
    """Password and a code: neither alone takes the other away."""

    password: GivenPassword
    code: GivenCode


class RecoveryCodes(BaseModel):
    """Shown once."""

    codes: list[Annotated[str, StringConstraints(max_length=40)]]
