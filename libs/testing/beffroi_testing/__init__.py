"""Doubles of the real parts, for fast tests of what sits above them. They pass the same contract tests as the real."""

from .bus import MemoryBroker, MemoryBus
from .clock import ManualClock
from .store import MemoryStore

__all__ = ["ManualClock", "MemoryBroker", "MemoryBus", "MemoryStore"]
