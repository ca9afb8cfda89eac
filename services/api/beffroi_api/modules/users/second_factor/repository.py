"""Recovery codes in the database."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import RecoveryCodeRow


def replace_recovery_codes(session: ScopedSession, user_id: int, hashes: Iterable[str]) -> None:
    """Keep these, and none of before."""
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id))
    for each in hashes:
        session.add(RecoveryCodeRow(user_id=user_id, code_hash=each))
    session.flush()


def use_recovery_code(session: ScopedSession, user_id: int, code_hash: str) -> bool:
    """Whether it was there; it is not any more."""
    query = (
        select(RecoveryCodeRow)
        .where(RecoveryCodeRow.user_id == user_id, RecoveryCodeRow.code_hash == code_hash)
        .with_for_update()
    )
    row = session.scalars(query).first()
    if row is None:
        return False
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.id == row.id))
    return True


def count_recovery_codes(session: ScopedSession, user_id: int) -> int:
    """How many are left."""
    return session.scalar(select(func.count()).where(RecoveryCodeRow.user_id == user_id)) or 0
