"""PostgreSQL's advisory locks that this application takes."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """Key of each: they share one space of numbers with whoever else uses the database, hence not 1, 2, 3."""

    AUDIT_CHAIN = 0x62656666
    """Around the end of the audit trail: each row names the one before."""
    MIGRATION = 0x62656667
    """Two processes that start at once migrate one after the other."""
    SIGN_IN_ATTEMPTS = 0x62656668
    """Around counting attempts and adding one."""
    NEWS = 0x62656669
    """Around adding news: the order of the numbers is the order of the commits."""
