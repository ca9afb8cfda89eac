"""Who is signed in, and for how long."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NoReturn

from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import Territory
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import SessionRow, UserRow
from beffroi_api.errors import SecondFactorNeeded, SignInFailed, Throttled
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_api.process.settings import SessionSettings
from beffroi_common.runtime.clock import Clock

from . import repository
from .attempts import repository as attempts
from .attempts.refusals import UNKNOWN, Refusals
from .attempts.throttle import Throttle
from .schemas import SignIn

TOKEN_BYTES = 32
MAX_TOKEN_CHARACTERS = 100
MAX_AGENT = 200
SCOPE = Scope.system("sessions are found before anybody is known")
TOUCH_EVERY = timedelta(seconds=30)
"""A session in use is written down at most so often: reading pages must not mean writing the database."""


class Step(StrEnum):
    """Where a sign-in is refused. The trail says it, and whoever signs in learns only that a code is missing."""

    PASSWORD = "password"  # noqa: S105 - the name of a step
    CODE_MISSING = "code_missing"
    CODE = "code"


@dataclass(frozen=True)
class Sessions:
    """Opaque tokens: the browser holds the token, the database its hash."""

    database: Database
    trail: Trail
    passwords: Passwords
    clock: Clock
    settings: SessionSettings
    territory_of: Callable[[str], Territory]
    """The territory of a user at present, asked with each request."""
    second_factors: SecondFactors | None = None
    """None: nobody signs in here who has one."""
    refusals: Refusals = field(init=False)

    def __post_init__(self) -> None:
        """Nobody was refused yet."""
        refusals = Refusals(self.database, self.trail, self.clock, self.settings.throttle_window_s)
        object.__setattr__(self, "refusals", refusals)

    def sign_in(self, who: SignIn, address: str, agent: str = "") -> tuple[str, Identity]:
        """Check name, password and second factor, and begin a session. Returns the token and whose it is.

        Raises:
            Throttled: too many wrong passwords lately.
            SecondFactorNeeded: name and password are right, and a code is missing. It counts as an attempt.
            SignInFailed: wrong name, password or code, or a disabled account; it never says which.
        """
        try:
            self.throttle.admit(who.username, address)
        except Throttled:
            self.refusals.note(who.username, address)
            raise
        with self.database.read(SCOPE) as session:
            user = users.by_name(session, who.username)
        usable = user if user is not None and user.disabled_at is None else None
        right = self.passwords.matches(usable.password_hash if usable else None, who.password.get_secret_value())
        code = who.code.get_secret_value() if who.code is not None else None
        begun = self._begin(usable, code, address, _kept(agent)) if usable is not None and right else Step.PASSWORD
        if isinstance(begun, Step):
            self._record_refusal(who.username if user is not None else UNKNOWN, address, begun)
        return begun

    def authenticate(self, token: str | None, address: str, *, is_use: bool) -> Identity | None:
        """Who holds this token, if the session is in force."""
        found = self._find(token)
        if found is None:
            return None
        row, user = found
        now = self.clock.now()
        if is_use and now - row.seen_at >= TOUCH_EVERY:
            with self.database.write(SCOPE) as session:
                repository.touch(session, row.id, now)
        return self._identity(user, row, address)

    def sign_out(self, who: Identity) -> None:
        """End the session."""
        with self.database.write(Scope.of(who)) as session:
            repository.end(session, who.session_id)
            self.trail.add(session, Entry.of(who, Action.SIGNED_OUT))

    def forget_ended(self) -> None:
        """Housekeeping: sessions and attempts that no longer count."""
        now = self.clock.now()
        with self.database.write(SCOPE) as session:
            repository.end_expired(session, created_before=now - self._absolute, seen_before=now - self._idle)
            self.throttle.forget_old(session)

    def mend_times(self) -> None:
        """Housekeeping, by a clock that is right: what a clock wrote that was ahead counts from now."""
        now = self.clock.now()
        with self.database.write(SCOPE) as session:
            repository.count_from(session, now)
            attempts.count_from(session, now)

    def _find(self, token: str | None) -> tuple[SessionRow, UserRow] | None:
        if not token or len(token) > MAX_TOKEN_CHARACTERS:
            return None
        with self.database.read(SCOPE) as session:
            found = repository.find(session, hash_token(token))
        if found is None:
            return None
        now, row = self.clock.now(), found[0]
        ended = now - row.created_at >= self._absolute or now - row.seen_at >= self._idle
        return None if ended else found

    @property
    def _idle(self) -> timedelta:
        return timedelta(seconds=self.settings.idle_timeout_s)

    @property
    def _absolute(self) -> timedelta:
        return timedelta(seconds=self.settings.absolute_timeout_s)

    @property
    def throttle(self) -> Throttle:
        """Counts guesses, also those of whoever is signed in already."""
        return Throttle(self.database, self.clock, self.settings)

    def _identity(self, user: UserRow, row: SessionRow, address: str) -> Identity:
        territory = self.territory_of(user.username)
        return Identity(
            username=user.username,
            display_name=user.display_name,
            role=Role(user.role),
            language=user.language,
            session_id=row.id,
            address=address,
            territory=territory,
            must_change_password=user.password_given,
            must_set_second_factor=user.second_factor is None and user.role in self.settings.second_factor_roles,
        )

    def _record_refusal(self, account: str, address: str, step: Step) -> NoReturn:
        """Write down at which step somebody was refused, and tell them without saying that."""
        if step is Step.CODE_MISSING:
            self.trail.record(Entry(account, address, Action.SECOND_FACTOR_ASKED))
            raise SecondFactorNeeded("Give the code that your authenticator shows, or a recovery code.")
        self.trail.record(Entry(account, address, Action.SIGN_IN_FAILED, details={"step": step.value}))
        raise SignInFailed("User name, password or code is wrong: try again, or ask your administrator.")

    def _begin(self, checked: UserRow, code: str | None, address: str, agent: str) -> tuple[str, Identity] | Step:
        """Begin a session, or say at which step it is refused.

        The check waits for its turn, and whoever sets a password or disables an account meanwhile ends the sessions
        that exist, not this one. So the account is looked at again, and held until the session is there to be ended.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self.database.write(SCOPE) as session:
            user = users.by_name(session, checked.username, for_change=True)
            if user is None or user.disabled_at is not None or user.password_hash != checked.password_hash:
                return Step.PASSWORD
            if user.second_factor is not None and code is None:
                return Step.CODE_MISSING
            if user.second_factor is not None and not self._has_second_factor(session, user, code or ""):
                return Step.CODE
            self._make_room(session, user)
            now = self.clock.now()
            row = repository.add(
                session, token_hash=hash_token(token), user_id=user.id, address=address, agent=agent, at=now
            )
            self.throttle.forgive(session, user.username, address)
            identity = self._identity(user, row, address)
            self.trail.add(session, Entry.of(identity, Action.SIGNED_IN))
        return token, identity

    def _has_second_factor(self, session: ScopedSession, user: UserRow, code: str) -> bool:
        return self.second_factors is not None and self.second_factors.take(session, user, code)

    def _make_room(self, session: ScopedSession, user: UserRow) -> None:
        """A person has a few sessions at most: the one that was used longest ago ends."""
        rows = sorted(repository.of_user(session, user.id), key=lambda row: row.seen_at, reverse=True)
        for row in rows[self.settings.most_per_person - 1 :]:
            repository.end(session, row.id)


def _kept(agent: str) -> str:
    """What is kept of what a browser says of itself: characters that can be seen."""
    return "".join(each for each in agent if each.isprintable())[:MAX_AGENT]


def hash_token(token: str) -> str:
    """What is kept of a token. It is 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
