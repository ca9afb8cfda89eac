"""Whether somebody has the second factor of an account."""

from __future__ import annotations

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import UserRow
from beffroi_common.runtime.clock import Clock

from . import repository
from .codes import DIGITS, Safe, bare, step_of


class SecondFactors:
    """Checks codes; each is taken once."""

    def __init__(self, safe: Safe, clock: Clock) -> None:
        self.safe = safe
        self._clock = clock

    def take(self, session: ScopedSession, user: UserRow, code: str) -> bool:
        """Whether a code is right, and used up by this. The person's row is held for a change by whoever asks."""
        given = bare(code)
        if len(given) != DIGITS:
            return repository.use_recovery_code(session, user.id, self.safe.recovery_hash(given))
        secret = self.safe.opened(user.second_factor) if user.second_factor else None
        if secret is None:
            return False
        step = step_of(secret, given, self._clock.now(), user.second_factor_step)
        if step is None:
            return False
        user.second_factor_step = step
        session.flush()
        return True
