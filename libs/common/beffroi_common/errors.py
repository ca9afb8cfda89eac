"""What goes wrong with a record, in three branches.

    RetryLater      transient: wait, then the same again; nothing is committed meanwhile
    InvalidRecord   it can never be handled: it goes to the dead letters with its reason, and is committed
    Fatal           nobody here can help: the process ends and starts again from what is committed

Each branch asks for another answer, so the three have no root in common: whoever caught it would answer all of them
alike. Whoever raises chooses the branch; the loop of the bus answers the first two, and nobody answers `Fatal` by its
own name. Where something can be done about one kind of it, that kind is caught: ingest and the api make a new producer
after a `DeliveryError`. An error of no branch that comes of one record has a place of its own: `bus.crashes`.
"""

from __future__ import annotations


class RetryLater(Exception):  # noqa: N818 - it is an answer, not a fault
    """Transient: the same is tried again after a while."""


class InvalidRecord(Exception):  # noqa: N818
    """It can never be handled. The text is the reason that the dead letter gives."""


class Fatal(Exception):  # noqa: N818
    """The process must end: trying again in it does not help."""


def is_unforeseen(error: Exception) -> bool:
    """Whether an error is of no branch, and none of the machine: it came of the very thing that was worked on."""
    return not isinstance(error, RetryLater | InvalidRecord | Fatal | OSError | MemoryError)
