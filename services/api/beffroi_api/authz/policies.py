"""Who may do what with a camera, and why not. Pure functions: endpoints and services ask them and decide nothing else.

Whoever may not know that a camera exists gets the same answer as for one that does not: see `require`.
"""

from __future__ import annotations

from dataclasses import dataclass

from beffroi_api.authz.roles import ADMINISTERING, WATCHING, Identity, Role
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import NotAllowed, no_camera
from beffroi_common.contracts import Camera


@dataclass(frozen=True)
class Permission:
    """An answer.

    Attributes:
        is_granted: whether it may be done.
        reason: why not, for the person who asked.
        is_hidden: not even the camera's existence may be known.
    """

    is_granted: bool
    reason: str = ""
    is_hidden: bool = False


GRANTED = Permission(is_granted=True)
HIDDEN = Permission(is_granted=False, is_hidden=True)


def may_know(who: Identity, camera: Camera | None) -> Permission:
    """List a camera, with its health and the index of its recordings. None: there is no such camera."""
    return GRANTED if camera is not None and Scope.of(who).allows(camera) else HIDDEN


def may_watch(who: Identity, camera: Camera | None) -> Permission:
    """See its pictures of now: live and stills. Alerts and recordings are lists, which the role of the route and the
    scope of the query decide on.
    """
    return _with_role(who, camera, WATCHING)


def may_configure(who: Identity, camera: Camera | None) -> Permission:
    """Decide on its masks, zones and legal bases, change or remove it: for its own commune, whoever else it is shared
    with.
    """
    allowed = _with_role(who, camera, ADMINISTERING)
    if camera is None or not allowed.is_granted:
        return allowed
    return may_place(who, camera.commune)


def may_place(who: Identity, commune: str) -> Permission:
    """Make a camera in a commune, or hand one over to it."""
    if who.role not in ADMINISTERING:
        return _wrong_role(who, ADMINISTERING)
    if who.territory.has_commune(commune):
        return GRANTED
    return Permission(is_granted=False, reason=f"You do not administer the cameras of {commune}: ask who does.")


def may_see_source(who: Identity, camera: Camera) -> bool:
    """Read the address of its pictures."""
    return may_configure(who, camera).is_granted


def require(permission: Permission, camera: str) -> None:
    """Go on only where permission is granted.

    Raises:
        NotFound: the camera is out of scope, in the words for one that does not exist.
        NotAllowed: it may be known, but not this.
    """
    if permission.is_granted:
        return
    if permission.is_hidden:
        raise no_camera(camera)
    raise NotAllowed(permission.reason)


def _with_role(who: Identity, camera: Camera | None, roles: frozenset[Role]) -> Permission:
    known = may_know(who, camera)
    return known if not known.is_granted or who.role in roles else _wrong_role(who, roles)


def _wrong_role(who: Identity, roles: frozenset[Role]) -> Permission:
    allowed = ", ".join(sorted(roles))
    return Permission(
        is_granted=False, reason=f"You are {who.role}; this takes one of: {allowed}. Ask your administrator."
    )
