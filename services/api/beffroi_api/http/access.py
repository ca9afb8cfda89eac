"""Who may use which endpoint. Each declares its roles, and the application refuses to start where one does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection

from beffroi_api.authz.roles import ADMINISTERING, AUDITING, SIGNED_IN, WATCHING, Identity, Role
from beffroi_api.errors import NotAllowed, NotSignedIn, PasswordChangeNeeded, SecondFactorRequired
from beffroi_api.http.paths import API_PREFIX

COOKIE = "__Host-beffroi_session"
"""Browsers take a cookie of such a name from this very host alone, and only if it is Secure and for the path /. They
count http on the machine itself as secure, so there is one way for all."""
MAX_ADDRESS = 64
"""Longer than any; what a proxy says may be longer."""


class Authenticator(Protocol):
    """Knows people by their session, and records who was denied."""

    def authenticate(self, token: str | None, address: str, *, is_use: bool = True) -> Identity | None:
        """Who holds this session token, if it is in force. Asking counts as its use, unless `is_use` is false."""

    def record_denial(self, identity: Identity, method: str, path: str) -> None:
        """Add a row about a denied attempt to the audit trail."""


class Requires:
    """A dependency that lets only these roles pass, and records in the audit trail who was denied.

    `is_use=False` is for what a console reads again by itself, each few seconds or with each piece of news: that shows
    no person in front of it, so it does not keep an idle session in force. `is_account=True` is for the little that is
    answered while somebody still has the password that another person chose, and `is_enrolment=True` for what sets a
    second factor, which is answered while their role needs one that they have not.
    """

    def __init__(self, *roles: Role, is_use: bool = True, is_account: bool = False, is_enrolment: bool = False) -> None:
        self.roles = frozenset(roles)
        self._is_use = is_use
        self._is_account = is_account
        self._is_enrolment = is_enrolment

    def __call__(self, connection: HTTPConnection) -> Identity:
        """Authenticate the caller.

        Raises:
            NotSignedIn: no session, or it ended.
            PasswordChangeNeeded: the password is one that somebody else chose.
            SecondFactorRequired: the role needs a second factor that is not set.
            NotAllowed: the role is not one of these; a row in the audit trail says so.
        """
        authenticator: Authenticator = connection.app.state.services
        token, address = connection.cookies.get(COOKIE), address_of(connection)
        identity = authenticator.authenticate(token, address, is_use=self._is_use)
        if identity is None:
            raise NotSignedIn("Your session has ended or you never signed in: sign in again.")
        if identity.must_change_password and not self._is_account:
            raise PasswordChangeNeeded("Somebody else chose your password: choose one of your own first.")
        if identity.must_set_second_factor and not (self._is_account or self._is_enrolment):
            raise SecondFactorRequired(f"As {identity.role} you need a second factor: set one first.")
        if identity.role not in self.roles:
            authenticator.record_denial(identity, connection.scope.get("method", "WEBSOCKET"), connection.scope["path"])
            allowed = ", ".join(sorted(self.roles))
            raise NotAllowed(f"You are {identity.role}; this takes one of: {allowed}. Ask your administrator.")
        return identity


class Everyone:
    """Marks an endpoint as open to people who are not signed in."""

    def __call__(self) -> None:
        """Let pass."""


everyone = Everyone()
watchers = Requires(*WATCHING)
administrators = Requires(*ADMINISTERING)
auditors = Requires(*AUDITING)
anyone_signed_in = Requires(*SIGNED_IN)
watching_consoles = Requires(*WATCHING, is_use=False)
any_console = Requires(*SIGNED_IN, is_use=False)
own_account = Requires(*SIGNED_IN, is_account=True)
own_console = Requires(*SIGNED_IN, is_use=False, is_account=True)

enrolling = Requires(*SIGNED_IN, is_enrolment=True)

Watcher = Annotated[Identity, Depends(watchers)]
Administrator = Annotated[Identity, Depends(administrators)]
Auditor = Annotated[Identity, Depends(auditors)]
SignedIn = Annotated[Identity, Depends(anyone_signed_in)]
WatchingConsole = Annotated[Identity, Depends(watching_consoles)]
AnyConsole = Annotated[Identity, Depends(any_console)]
OwnAccount = Annotated[Identity, Depends(own_account)]
OwnConsole = Annotated[Identity, Depends(own_console)]
Enrolling = Annotated[Identity, Depends(enrolling)]


def address_of(connection: HTTPConnection) -> str:
    """Network address of the caller, as far as the proxies in between are trusted (uvicorn's job)."""
    return connection.client.host[:MAX_ADDRESS] if connection.client else "unknown"


@dataclass(frozen=True)
class Rule:
    """One line of the authorisation table: a route and who may use it; no roles: everyone."""

    methods: frozenset[str]
    path: str
    roles: frozenset[Role]


def table(app: FastAPI) -> list[Rule]:
    """The authorisation table of all routes under the api's prefix.

    Raises:
        TypeError: a route does not declare who may use it, or does so twice.
    """
    rules = []
    for route in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(route, "dependant", None)
        path = route.path or ""
        if not path.startswith(API_PREFIX) or dependant is None:
            continue
        declared = list(_declared(dependant))
        if len(declared) != 1:
            raise TypeError(f"{path} must declare once who may use it, not {len(declared)} times (see http/access.py)")
        roles = declared[0].roles if isinstance(declared[0], Requires) else frozenset[Role]()
        rules.append(Rule(frozenset(route.methods or {"WEBSOCKET"}), path, roles))
    return rules


def _declared(dependant: Dependant) -> Iterable[Requires | Everyone]:
    if isinstance(dependant.call, Requires | Everyone):
        yield dependant.call
    for each in dependant.dependencies:
        yield from _declared(each)
