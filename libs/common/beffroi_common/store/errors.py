"""The ways in which the object store says no."""

from __future__ import annotations


class StoreError(Exception):
    """Root of all errors of the object store."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state of the store
    """It does not answer, or says that it cannot at present. Trying again may help."""


class StoreDenied(StoreError):  # noqa: N818
    """It knows us not or allows us not. Trying again does not help: a person must check key and policy."""


class ObjectMissing(StoreError):  # noqa: N818
    """There is no such object."""


class RetentionError(StoreError):
    """The bucket's rules are not the promise made on retention: nothing may be stored in it."""
