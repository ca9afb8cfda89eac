"""The object store, through a narrow part of the S3 API, so that any S3 store fits.

StoreError
├── StoreUnavailable    away or overloaded: try again
├── StoreDenied         wrong key or missing right: a person must act
├── ObjectMissing       no such object
└── RetentionError      the bucket's lifecycle is not the promise made
"""

from .errors import ObjectMissing, RetentionError, StoreDenied, StoreError, StoreUnavailable
from .interfaces import ObjectStore, StoredObject

__all__ = [
    "ObjectMissing",
    "ObjectStore",
    "RetentionError",
    "StoreDenied",
    "StoreError",
    "StoreUnavailable",
    "StoredObject",
]
