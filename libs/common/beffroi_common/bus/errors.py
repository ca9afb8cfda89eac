"""The ways in which the bus says no; see `beffroi_common.errors` for the three branches."""

from __future__ import annotations

from beffroi_common.errors import Fatal, InvalidRecord


class TooLarge(InvalidRecord):
    """A message is larger than its topic allows."""


class DeliveryError(Fatal):
    """The broker refused a message for good, or for longer than the delivery time-out: its producer is of no use."""
