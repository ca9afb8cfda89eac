"""Who is signed in, and for how long."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import Territory
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import SessionRow, UserRow
from beffroi_api.errors import SecondFactorNeeded, SignInFailed
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_api.process.settings import SessionSettings
from beffroi_common.runtime.clock import Clock

from . import repository
from .attempts.throttle import Throttle
from .schemas import SignIn

TOKEN_BYTES = 32
MAX_TOKEN_CHARACTERS = 100
MAX_AGENT = 200
SCOPE = Scope.system("sessions are found before anybody is known")
UNKNOWN = "(unknown)"
TOUCH_EVERY = timedelta(seconds=30)
"""A session in use is written down at most so often: reading pages must not mean writing the database."""


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

    def sign_in(self, who: SignIn, address: str, agent: str = "") -> tuple[str, Identity]:
        """Check name, password and second factor, and begin a session. Returns the token and whose it is.

        Raises:
            Throttled: too many wrong passwords lately.
            SecondFactorNeeded: name and password are right, and a code is missing. It counts as an attempt.
            SignInFailed: wrong name, password or code, or a disabled account; it never says which.
        """
        self.throttle.admit(who.username, address)
        with self.database.read(SCOPE) as session:
            user = users.by_name(session, who.username)
        usable = user if user is not None and user.disabled_at is None else None
        right = self.passwords.matches(usable.password_hash if usable else None, who.password.get_secret_value())
        code = who.code.get_secret_value() if who.code is not None else None
        begun = self._begin(usable, code, address, _kept(agent)) if usable is not None and right else None
        if begun is None:
            self._record_failure(who.username, address, known=user is not None)
            raise SignInFailed("User name, password or code is wrong: try again, or ask your administrator.")
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
        )

    def _record_failure(self, account: str, address: str, *, known: bool) -> None:
        # What is no user's name may be a password typed into the wrong field: it is not kept in the trail.
        self.trail.record(Entry(account if known else UNKNOWN, address, Action.SIGN_IN_FAILED))

    def _begin(self, checked: UserRow, code: str | None, address: str, agent: str) -> tuple[str, Identity] | None:
        """Begin a session; None: the account is not any more what the password was checked against, or a wrong code.

        The check waits for its turn, and whoever sets a password or disables an account meanwhile ends the sessions
        that exist, not this one. So the account is looked at again, and held until the session is there to be ended.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self.database.write(SCOPE) as session:
            user = users.by_name(session, checked.username, for_change=True)
            if user is None or user.disabled_at is not None or user.password_hash != checked.password_hash:
                return None
            if user.second_factor is not None and not self._has_second_factor(session, user, code):
                return None
            self._make_room(session, user)
            now = self.clock.now()
            row = repository.add(
                session, token_hash=hash_token(token), user_id=user.id, address=address, agent=agent, at=now
            )
            self.throttle.forgive(session, user.username, address)
            identity = self._identity(user, row, address)
            self.trail.add(session, Entry.of(identity, Action.SIGNED_IN))
        return token, identity

    def _has_second_factor(self, session: ScopedSession, user: UserRow, code: str | None) -> bool:
        if code is None:
            raise SecondFactorNeeded("Give the code that your authenticator shows, or a recovery code.")
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
