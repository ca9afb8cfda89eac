"""How long the broker is waited for when it is away: what waits for it meanwhile is not lost."""

from __future__ import annotations

FLUSH_TIMEOUT_S = 5.0
"""Longest wait for the broker for one small message; longer is "retry later"."""
