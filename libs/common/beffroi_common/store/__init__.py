"""The object store, through a narrow part of the S3 API, so that any S3 store fits.

RetryLater
└── StoreUnavailable    away or overloaded: try again
    ├── ObjectChanged   somebody else stored or removed the object: look again
    └── ClocksDisagree  its clock and ours are apart: a person must set one
Fatal
├── StoreDenied         wrong key or missing right: a person must act
└── RetentionError      the bucket's lifecycle is not the promise made
ObjectMissing           no such object
"""

from .errors import ClocksDisagree, ObjectChanged, ObjectMissing, RetentionError, StoreDenied, StoreUnavailable
from .interfaces import ObjectStore, StoredObject

__all__ = [
    "ClocksDisagree",
    "ObjectChanged",
    "ObjectMissing",
    "ObjectStore",
    "RetentionError",
    "StoreDenied",
    "StoreUnavailable",
    "StoredObject",
]
