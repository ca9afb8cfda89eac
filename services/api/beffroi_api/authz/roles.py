"""What a person is for, and who somebody is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from beffroi_api.authz.territory import Territory


class Role(StrEnum):
    """What a person is for. Least privilege: who administers or audits does not thereby see more."""

    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    DPO = "dpo"


WATCHING = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
ADMINISTERING = frozenset({Role.ADMINISTRATOR})
AUDITING = frozenset({Role.DPO})
"""The trail is about those who configure, too: they do not read it alone."""
SIGNED_IN = frozenset(Role)


@dataclass(frozen=True)
class Identity:
    """Who is asking, and which cameras they may know of."""

    username: str
    display_name: str
    role: Role
    language: str
    session_id: int
    address: str
    territory: Territory
    must_change_password: bool = False
    """Somebody else chose it."""
    must_set_second_factor: bool = False
    """Their role needs one, and they have none."""
