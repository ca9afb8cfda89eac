"""What is asked of a person's account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints

from beffroi_api.authz.roles import Role
from beffroi_common.contracts.base import ShortText

from .credentials.passwords import MAX_LENGTH, MIN_LENGTH
from .credentials.secrets import Secret


def _lower(name: object) -> object:
    return name.strip().lower() if isinstance(name, str) else name


def _long_enough(password: SecretStr) -> SecretStr:
    if not MIN_LENGTH <= len(password.get_secret_value()) <= MAX_LENGTH:
        raise ValueError(f"it must have at least {MIN_LENGTH} characters, and {MAX_LENGTH} at most")
    return password


Username = Annotated[str, BeforeValidator(_lower), StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Password = Annotated[Secret, AfterValidator(_long_enough)]


class NewUser(BaseModel):
    """A person to be added."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: Username
    display_name: ShortText
    role: Role
    password: Password
    language: Literal["fr", "en"] = "fr"
    is_own_password: bool = False
    """Whose account it is chose it, and need not change it."""


class NewPassword(BaseModel):
    """A password to be set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: Username
    password: Password
