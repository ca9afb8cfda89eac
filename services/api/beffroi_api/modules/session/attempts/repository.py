"""Attempts to sign in, in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update

from beffroi_api.db.locks import AdvisoryLock
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import SignInFailureRow


def lock_attempts(session: ScopedSession) -> None:
    """Wait to be the only one that adds attempts, until the transaction ends."""
    session.lock(AdvisoryLock.SIGN_IN_ATTEMPTS)


def add_attempt(session: ScopedSession, *, account: str, network: str, at: datetime) -> None:
    """Remember an attempt: a failure until `forgive` takes it back."""
    session.add(SignInFailureRow(account=account, address=network, at=at))


def attempts(session: ScopedSession, *, since: datetime, account: str | None = None, network: str | None = None) -> int:
    """Attempts that failed or are under way: on an account, from a network, or on the one from the other."""
    query = select(func.count()).where(SignInFailureRow.at > since)
    if account is not None:
        query = query.where(SignInFailureRow.account == account)
    if network is not None:
        query = query.where(SignInFailureRow.address == network)
    return session.scalar(query) or 0


def count_from(session: ScopedSession, now: datetime) -> None:
    """Attempts of a time that is still to come, by a clock that has been put back since, count as made now: they would
    keep whoever made them out until it came.
    """
    session.execute(update(SignInFailureRow).where(SignInFailureRow.at > now).values(at=now))


def forget_attempts(session: ScopedSession, *, before: datetime) -> None:
    """Attempts that no longer count."""
    session.execute(delete(SignInFailureRow).where(SignInFailureRow.at <= before))


def forgive(session: ScopedSession, *, account: str, network: str) -> None:
    """The right password was given: this attempt was none, and what was mistyped before no longer counts."""
    session.execute(
        delete(SignInFailureRow).where(SignInFailureRow.account == account, SignInFailureRow.address == network)
    )
