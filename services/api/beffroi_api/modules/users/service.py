"""Adding people, disabling them, setting their password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import UserRow
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_common.runtime.clock import Clock

from . import repository
from .credentials.passwords import Passwords
from .credentials.strength import is_guessable
from .schemas import NewPassword, NewUser
from .second_factor.repository import replace_recovery_codes

LOCAL = "local"
"""Address in the audit trail of what is done on the machine itself."""


class UserError(Exception):
    """It cannot be done; says why."""


@dataclass(frozen=True)
class Users:
    """The accounts. `by` is who acts, for the audit trail."""

    database: Database
    trail: Trail
    passwords: Passwords
    clock: Clock
    by: str
    end_sessions: Callable[[ScopedSession, int], None]
    """Of one person, within the transaction that makes them invalid."""

    def add(self, new: NewUser) -> None:
        """Add a person.

        Raises:
            UserError: the name is taken, or the password one that guessers try.
        """
        _require_strong(new.password.get_secret_value(), new.username, new.display_name)
        password_hash = self.passwords.hash(new.password.get_secret_value())
        with self.database.write(self._scope) as session:
            if repository.by_name(session, new.username) is not None:
                raise UserError(f"there is a user {new.username} already: use `set-password`, or another name")
            repository.add(
                session,
                username=new.username,
                display_name=new.display_name,
                role=new.role.value,
                language=new.language,
                password_hash=password_hash,
                password_given=not new.is_own_password,
                at=self.clock.now(),
            )
            self.trail.add(session, self._entry(Action.USER_ADDED, new.username, role=new.role.value))

    def set_password(self, new: NewPassword) -> None:
        """Set a password, and let the account in again; its open sessions end.

        Raises:
            UserError: there is no such user, or the password is one that guessers try.
        """
        _require_strong(new.password.get_secret_value(), new.username)
        password_hash = self.passwords.hash(new.password.get_secret_value())
        with self.database.write(self._scope) as session:
            user = repository.by_name(session, new.username, for_change=True)
            if user is None:
                raise UserError(f"there is no user {new.username}: add it first")
            user.password_hash, user.password_given, user.disabled_at = password_hash, True, None
            self.end_sessions(session, user.id)
            self.trail.add(session, self._entry(Action.PASSWORD_SET, new.username))

    def remove_second_factor(self, username: str) -> None:
        """Let a person in by the password alone, who lost the second factor; their open sessions end.

        Raises:
            UserError: there is no such user.
        """
        with self.database.write(self._scope) as session:
            user = repository.by_name(session, username, for_change=True)
            if user is None:
                raise UserError(f"there is no user {username}")
            repository.forget_second_factor(user)
            replace_recovery_codes(session, user.id, ())
            self.end_sessions(session, user.id)
            self.trail.add(session, self._entry(Action.SECOND_FACTOR_REMOVED, username))

    def disable(self, username: str) -> None:
        """Keep a person out from now on; their open sessions end.

        Raises:
            UserError: there is no such user.
        """
        with self.database.write(self._scope) as session:
            user = repository.by_name(session, username, for_change=True)
            if user is None:
                raise UserError(f"there is no user {username}")
            user.disabled_at = self.clock.now()
            self.end_sessions(session, user.id)
            self.trail.add(session, self._entry(Action.USER_DISABLED, username))

    def every(self) -> list[UserRow]:
        """All people by name."""
        with self.database.read(self._scope) as session:
            return repository.every(session)

    @property
    def _scope(self) -> Scope:
        return Scope.system("accounts are kept by commands on the machine itself")

    def _entry(self, action: Action, subject: str, **details: str) -> Entry:
        return Entry(self.by, LOCAL, action, subject=subject, details=details)


def _require_strong(password: str, *about: str) -> None:
    if is_guessable(password, about):
        raise UserError(
            "guessers try such a password early: take one that is no word, name, date or row of keys with something "
            "added"
        )
