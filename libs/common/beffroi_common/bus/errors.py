"""The ways in which the bus says no."""

from __future__ import annotations


class BusError(Exception):
    """Root of all errors of the bus."""


class RetryLater(BusError):  # noqa: N818 - it is an answer, not a fault
    """Transient: the same record is handed again after a while, and nothing is committed meanwhile."""


class InvalidRecord(BusError):  # noqa: N818
    """The message can never be handled: it goes to the dead letters with this reason."""


class TooLarge(InvalidRecord):
    """A message is larger than its topic allows."""


class DeliveryError(BusError):
    """The broker refused a message for good, or for longer than the delivery time-out."""
