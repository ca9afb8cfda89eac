"""The store and the broker when they are away: what waits for them meanwhile is not lost."""

from __future__ import annotations

from beffroi_common.bus import RetryLater

FLUSH_TIMEOUT_S = 5.0
"""Patience with the broker for one small message; longer is "retry later"."""


class StoreAway(RetryLater):
    """The object store does not answer. What is on the bus and on the local disk stays there meanwhile."""
