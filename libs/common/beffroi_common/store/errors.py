"""The ways in which the object store says no; see `beffroi_common.errors` for the branches."""

from __future__ import annotations

from beffroi_common.errors import Fatal, RetryLater


class StoreUnavailable(RetryLater):
    """It does not answer, or says that it cannot at present. Trying again may help."""


class ObjectChanged(StoreUnavailable):
    """Somebody else stored or removed an object since it was looked at: look again."""


class ClocksDisagree(StoreUnavailable):
    """Its clock and ours are apart. What is due, and whether a request is fresh, cannot be told until one is set."""


class StoreDenied(Fatal):
    """It knows us not or allows us not. Trying again does not help: a person must check key and policy."""


class ObjectMissing(Exception):  # noqa: N818 - an answer, of no branch: it says nothing of a record
    """There is no such object."""


class RetentionError(Fatal):
    """The bucket's rules are not the promise made on retention: nothing may be stored in it."""
