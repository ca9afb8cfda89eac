"""What people do with their own account."""

from __future__ import annotations

from dataclasses import dataclass

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import UserRow
from beffroi_api.errors import (
    GuessablePassword,
    Invalid,
    NotFound,
    NotSignedIn,
    SecondFactorWrong,
    Throttled,
    WrongPassword,
)
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.session import repository as sessions
from beffroi_api.modules.session.attempts.refusals import Refusals
from beffroi_api.modules.session.attempts.throttle import Throttle
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.credentials.passwords import MIN_LENGTH, Passwords
from beffroi_api.modules.users.credentials.strength import is_guessable
from beffroi_api.modules.users.second_factor import codes, repository
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_common.runtime.clock import Clock

from .schemas import OwnSession, PendingSecondFactor, SecondFactorView


@dataclass(frozen=True)
class Account:
    """One's own account. Whoever changes it gives the password again, and guesses of it count as at sign-in."""

    database: Database
    trail: Trail
    passwords: Passwords
    clock: Clock
    throttle: Throttle
    second_factors: SecondFactors
    refusals: Refusals

    def change_password(self, who: Identity, current: str, new: str) -> None:
        """Change one's password. All other sessions end.

        Raises:
            WrongPassword: the current one is another.
            GuessablePassword: the new one is known, expected or too short.
            Throttled: too many guesses.
        """
        checked = self._authenticated(who, current)
        if new == current:
            raise Invalid("The new password is the one you have: choose another.")
        if len(new) < MIN_LENGTH or is_guessable(new, (checked.username, checked.display_name)):
            raise GuessablePassword(
                f"Guessers try such a password early: take one of at least {MIN_LENGTH} characters that is no word, "
                "name, date or row of keys with something added. Four words that do not belong together are good."
            )
        password_hash = self.passwords.hash(new)
        with self.database.write(Scope.of(who)) as session:
            user = self._held(session, who, checked)
            user.password_hash, user.password_given = password_hash, False
            # Beside a code the password alone forgives nothing: it could be changed between guesses of the code.
            self._settled(session, who, Action.PASSWORD_CHANGED, forgives=user.second_factor is None)

    def sessions(self, who: Identity) -> list[OwnSession]:
        """Where one is signed in, newest first."""
        with self.database.read(Scope.of(who)) as session:
            user = users.by_name(session, who.username)
            rows = sessions.of_user(session, user.id) if user else []
        return [
            OwnSession(
                id=row.id,
                address=row.address,
                agent=row.agent,
                created_at=row.created_at,
                seen_at=row.seen_at,
                is_this_one=row.id == who.session_id,
            )
            for row in rows
        ]

    def end_session(self, who: Identity, session_id: int) -> None:
        """End one of one's sessions.

        Raises:
            NotFound: one has no such session.
        """
        with self.database.write(Scope.of(who)) as session:
            user = users.by_name(session, who.username, for_change=True)
            if user is None or session_id not in [row.id for row in sessions.of_user(session, user.id)]:
                raise NotFound("You have no such session: it may have ended. Load the list again.")
            sessions.end(session, session_id)
            self.trail.add(session, Entry.of(who, Action.SESSIONS_ENDED, ended=1))

    def end_other_sessions(self, who: Identity) -> None:
        """End all of one's sessions but this one."""
        with self.database.write(Scope.of(who)) as session:
            user = users.by_name(session, who.username, for_change=True)
            ended = sessions.end_others_of(session, user.id, who.session_id) if user else 0
            if ended:
                self.trail.add(session, Entry.of(who, Action.SESSIONS_ENDED, ended=ended))

    def second_factor(self, who: Identity) -> SecondFactorView:
        """Whether one has a second factor."""
        with self.database.read(Scope.of(who)) as session:
            user = users.by_name(session, who.username)
            left = repository.count_recovery_codes(session, user.id) if user else 0
            return SecondFactorView(is_set=user is not None and user.second_factor is not None, recovery_codes=left)

    def begin_second_factor(self, who: Identity, password: str) -> PendingSecondFactor:
        """Make a secret. Nothing is kept of it until a code of it was given.

        Raises:
            WrongPassword: it is another.
            Invalid: there is a second factor already.
        """
        user = self._authenticated(who, password)
        if user.second_factor is not None:
            raise Invalid("You have a second factor already: take it away first.")
        with self.database.write(Scope.of(who)) as session:
            self.throttle.forgive(session, who.username, who.address)
        secret = codes.new_secret()
        address = codes.uri(secret, who.username)
        return PendingSecondFactor(
            secret=secret,
            uri=address,
            qr=codes.qr_code(address),
            pending=self.second_factors.safe.pending(who.username, secret, self.clock.now()),
        )

    def confirm_second_factor(self, who: Identity, pending: str, code: str) -> list[str]:
        """Ask for the second factor from now on. All other sessions end. Returns the recovery codes, this once.

        Raises:
            SecondFactorWrong: the code is not of this secret, or that waited too long.
        """
        self._admit(who)
        now, safe = self.clock.now(), self.second_factors.safe
        secret = safe.confirmed(who.username, pending, now)
        step = None if secret is None else codes.step_of(secret, codes.bare(code), now, None)
        if secret is None or step is None:
            self.trail.record(Entry.of(who, Action.SECOND_FACTOR_WRONG))
            raise SecondFactorWrong("That code is not right, or it took too long: begin again.")
        recovery = codes.new_recovery_codes()
        with self.database.write(Scope.of(who)) as session:
            user = self._held(session, who, None)
            if user.second_factor is not None:
                raise Invalid("You have a second factor already: take it away first.")
            user.second_factor, user.second_factor_step = safe.closed(secret), step
            repository.replace_recovery_codes(session, user.id, map(safe.recovery_hash, recovery))
            self._settled(session, who, Action.SECOND_FACTOR_SET)
        return recovery

    def remove_second_factor(self, who: Identity, password: str, code: str) -> None:
        """Ask for the password alone again. All other sessions end.

        Raises:
            WrongPassword: it is another.
            SecondFactorWrong: the code is not right, or was used.
        """
        checked = self._authenticated(who, password)
        with self.database.write(Scope.of(who)) as session:
            user = self._held(session, who, checked)
            is_right = self.second_factors.take(session, user, code)
            if is_right:
                users.forget_second_factor(user)
                repository.replace_recovery_codes(session, user.id, ())
                self._settled(session, who, Action.SECOND_FACTOR_REMOVED)
            else:
                self.trail.add(session, Entry.of(who, Action.SECOND_FACTOR_WRONG))
        if not is_right:
            raise SecondFactorWrong("That code is not right, or was used already: wait for the next one.")

    def _admit(self, who: Identity) -> None:
        try:
            self.throttle.admit(who.username, who.address)
        except Throttled:
            self.refusals.note(who.username, who.address)
            raise

    def _authenticated(self, who: Identity, password: str) -> UserRow:
        """The account of whoever gives its password."""
        self._admit(who)
        with self.database.read(Scope.of(who)) as session:
            user = users.by_name(session, who.username)
        if user is None or not self.passwords.matches(user.password_hash, password):
            self.trail.record(Entry.of(who, Action.PASSWORD_WRONG))
            raise WrongPassword("That is not your password: try again.")
        return user

    def _held(self, session: ScopedSession, who: Identity, checked: UserRow | None) -> UserRow:
        """The account, held for a change, if it still is what was looked at and the session still is in force."""
        user = users.by_name(session, who.username, for_change=True)
        is_same = user is not None and (checked is None or user.password_hash == checked.password_hash)
        if user is None or not is_same or user.disabled_at is not None or not sessions.hold(session, who.session_id):
            raise NotSignedIn("Your session has ended: sign in again.")
        return user

    def _settled(self, session: ScopedSession, who: Identity, action: Action, *, forgives: bool = True) -> None:
        user = users.by_name(session, who.username)
        if user is not None:
            sessions.end_others_of(session, user.id, who.session_id)
        if forgives:
            self.throttle.forgive(session, who.username, who.address)
        self.trail.add(session, Entry.of(who, action))
