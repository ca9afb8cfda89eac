"""What travels for sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints

from beffroi_api.authz.roles import Role


class SignIn(BaseModel):
    """User name and password. Bounded, so that hashing is."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    username: Annotated[str, StringConstraints(min_length=1, max_length=63, strip_whitespace=True, to_lower=True)]
    password: Annotated[SecretStr, StringConstraints(min_length=1, max_length=256)]


class SessionView(BaseModel):
    """Who is signed in."""

    user: str
    display_name: str
    role: Role
    language: str
