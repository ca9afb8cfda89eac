"""Doubles of the real parts, for fast tests of what sits above them. They pass the same contract tests as the real."""

from .broker import MemoryBroker
from .bus import MemoryBus
from .clock import ManualClock
from .store import MemoryStore

__all__ = ["ManualClock", "MemoryBroker", "MemoryBus", "MemoryStore"]
