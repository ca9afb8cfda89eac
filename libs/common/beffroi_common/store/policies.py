"""Who may do what in the object store, as policies of S3. Whoever is not named has no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beffroi_common.topics import Service

READ_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket")
"""To list is to be told that an object is missing, and not that one may not know."""

READ_OBJECTS = ("s3:GetObject",)

KEEP_BUCKET = (
    *READ_BUCKET,
    "s3:CreateBucket",
    "s3:GetLifecycleConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetReplicationConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    "s3:ListBucketMultipartUploads",
)
"""The recorder makes the bucket and refuses one that would keep more or longer than was promised."""

KEEP_OBJECTS = (
    *READ_OBJECTS,
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)

ACTIONS: Mapping[Service, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Service.API: (READ_BUCKET, READ_OBJECTS),
    Service.RECORDER: (KEEP_BUCKET, KEEP_OBJECTS),
}
"""For each service with a key: what it may do to the bucket, and to the objects in it."""


def policy(service: Service, bucket: str) -> dict[str, Any]:
    """The policy of a service's key, as S3 takes it."""
    of_bucket, of_objects = ACTIONS[service]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(of_bucket), "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": sorted(of_objects), "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        ],
    }
