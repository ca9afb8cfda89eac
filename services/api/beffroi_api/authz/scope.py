"""Who asks, and for which cameras. Whatever reads rows or hands out events and pictures takes a `Scope`."""

from __future__ import annotations

from dataclasses import dataclass

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_common.contracts import Camera

SYSTEM = "(system)"
"""Who acts where no person does; no user can have this name."""


@dataclass(frozen=True)
class Scope:
    """On whose behalf something is done, and what they may know of.

    Attributes:
        actor: user name, or `SYSTEM`.
        territory: the cameras in scope.
        reason: why the system acts; empty for a person.
    """

    actor: str
    territory: Territory
    reason: str = ""

    @classmethod
    def of(cls, who: Identity) -> Scope:
        """The scope of somebody who is signed in."""
        return cls(who.username, who.territory)

    @classmethod
    def system(cls, reason: str) -> Scope:
        """The scope of what no person asks for: it covers every camera. A test lists all places that use it."""
        return cls(SYSTEM, EVERYWHERE, reason)

    def allows(self, camera: Camera) -> bool:
        """Whether `camera` is in scope as it is configured at present."""
        return self.covers(camera.id, camera.commune)

    def covers(self, camera: str, commune: str | None) -> bool:
        """Whether a camera of that commune is in scope; see `Territory.holds`."""
        return self.territory.holds(camera, commune)
