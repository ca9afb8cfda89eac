"""What travels for sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from beffroi_api.authz.roles import Role
from beffroi_api.modules.users.credentials.secrets import Secret

GivenPassword = Annotated[Secret, Field(min_length=1, max_length=256)]
"""Bounded, so that hashing is."""

GivenCode = Annotated[Secret, Field(min_length=1, max_length=64)]
"""Of a second factor: six digits, or a recovery code."""


class SignIn(BaseModel):
    """User name and password, and a code where the account has a second factor."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    username: Annotated[str, StringConstraints(min_length=1, max_length=63, strip_whitespace=True, to_lower=True)]
    password: GivenPassword
    code: GivenCode | None = None


class SessionView(BaseModel):
    """Who is signed in."""

    user: str
    display_name: str
    role: Role
    language: str
    must_change_password: bool
    """Somebody else chose the password: nothing else is answered before it was changed (`/account/password`)."""
    must_set_second_factor: bool
    """The role needs one: nothing else is answered before it is set (`/account/second-factor`)."""
    other_sessions: int
    """How many times the same person is signed in elsewhere."""
