"""The object store by the `minio` client."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import ParseError

import urllib3
from minio.commonconfig import ENABLED, Filter
from minio.datatypes import Object
from minio.error import MinioException, S3Error
from minio.helpers import check_object_name, genheaders
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from beffroi_common.contracts import StoreName
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.runtime.foreign_clock import apart
from beffroi_common.runtime.metrics import STORE_FAILURES
from beffroi_common.runtime.settings import StoreSettings
from minio import Minio

from .errors import ClocksDisagree, ObjectChanged, ObjectMissing, RetentionError, StoreDenied, StoreUnavailable
from .interfaces import StoredObject

RULE_ID = "beffroi-retention"
DENIED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidTokenId",
    "AuthorizationHeaderMalformed",
    "RequestTimeTooSkewed",
}
MISSING = {"NoSuchKey", "NoSuchObject"}
CHANGED = {"PreconditionFailed", "ConditionalRequestConflict"}
CONNECTIONS = 40
"""Kept open: one for each thread of the api that reads recordings (its web framework has 40), far more than the
recorder's two. urllib3 keeps one by itself, closes every other after one request, and warns of it each time."""
FRESH = timedelta(minutes=10)
"""S3 refuses a request that was signed a quarter of an hour away from its own time, or more."""
RETRIES = 0
"""The caller has a backoff of its own: each try here would make it wait for another time-out. A connection that was
closed while idle is seen before it is used again, without a retry."""


class _DatedPool(urllib3.PoolManager):
    """Remembers what the server's clock said in its latest answer: the client shows no header of most answers."""

    date: datetime | None = None

    def urlopen(self, *arguments: Any, **named: Any) -> urllib3.BaseHTTPResponse:
        """See `urllib3.PoolManager`."""
        response = super().urlopen(*arguments, **named)
        self.date = _read_date(response.headers.get("Date"))
        return response


def _read_date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header or "").replace(tzinfo=UTC)  # HTTP's dates are GMT
    except (ValueError, OverflowError):
        return None


class MinioStore:
    """See `ObjectStore`."""

    def __init__(self, name: StoreName, settings: StoreSettings, clock: Clock | None = None) -> None:
        """Make a client; nothing connects yet.

        Args:
            name: what recordings call the store.
            settings: where it is, and which bucket.
            clock: ours; requests are signed with the system's.
        """
        self._clock = clock or SystemClock()
        self._name = name
        self._bucket = settings.bucket
        self._region = settings.region
        self._endpoint = settings.endpoint
        self._http = _DatedPool(
            maxsize=CONNECTIONS,
            timeout=urllib3.Timeout(connect=settings.timeout_s, read=settings.timeout_s),
            retries=urllib3.Retry(total=RETRIES),
            cert_reqs="CERT_REQUIRED",
        )
        self._client = Minio(
            endpoint=settings.endpoint,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            secure=settings.secure,
            region=settings.region,
            http_client=self._http,
        )

    @property
    def name(self) -> StoreName:
        """See `ObjectStore.name`."""
        return self._name

    def now(self) -> datetime:
        """See `ObjectStore.now`."""
        with self._translated_errors("now"), suppress(S3Error):  # a refusal says what time it is, too
            self._client.bucket_exists(bucket_name=self._bucket)
        date = self._http.date
        if date is None:
            raise StoreUnavailable(
                f"the object store at {self._endpoint} does not say what time it is (HTTP's Date): "
                "is it reached through a proxy that takes it out?"
            )
        return date

    def make_bucket(self, retention_days: int) -> None:
        """See `ObjectStore.make_bucket`."""
        with self._translated_errors("make_bucket"):
            if not self._client.bucket_exists(bucket_name=self._bucket):
                self._make(retention_days)
        self.check_retention(retention_days)

    def _make(self, retention_days: int) -> None:
        self._client.make_bucket(bucket_name=self._bucket, location=self._region)
        rule = Rule(
            status=ENABLED, rule_filter=Filter(prefix=""), rule_id=RULE_ID, expiration=Expiration(days=retention_days)
        )
        self._client.set_bucket_lifecycle(bucket_name=self._bucket, config=LifecycleConfig(rules=[rule]))

    def check_retention(self, retention_days: int) -> None:
        """See `ObjectStore.check_retention`."""
        with self._translated_errors("check_retention"):
            lifecycle = self._client.get_bucket_lifecycle(bucket_name=self._bucket)
            versioning = self._client.get_bucket_versioning(bucket_name=self._bucket).status
            replicated = _absent_as_none(self._client.get_bucket_replication, self._bucket)
            locked = _absent_as_none(self._client.get_object_lock_config, self._bucket)
        wrong = list(_wrong_rules(lifecycle, retention_days))
        if versioning not in ("Off", None):
            wrong.append(f"versioning is {versioning}: old versions would outlive the retention; make a bucket without")
        if replicated is not None:
            wrong.append("it is replicated: copies would outlive the retention; remove the replication")
        if locked is not None:
            wrong.append("it has object lock: objects could not be destroyed in time; make a bucket without")
        if wrong:
            raise RetentionError(f"bucket {self._bucket}: {'; '.join(wrong)}")

    def put(
        self, name: str, file: Path, content_type: str, metadata: Mapping[str, str], *, replaces: str | None = None
    ) -> None:
        """See `ObjectStore.put`.

        In one request, whatever the size (S3 takes 5 GiB): parts of an upload that was broken off are pictures that no
        listing shows and no retention covers. The client's own way to do so would hold the whole file in memory.
        """
        headers = genheaders(dict(metadata), None, None, None, legal_hold=False) | {"Content-Type": content_type}
        headers |= {"If-None-Match": "*"} if replaces is None else {"If-Match": f'"{replaces}"'}
        try:
            with self._translated_errors("put"), _mapped(file) as content:
                if not self._client._put_object(self._bucket, name, content, headers).etag:
                    raise self._not_a_store()
        except ObjectMissing:
            raise ObjectChanged(f"the object that was to be replaced in bucket {self._bucket} is gone") from None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `ObjectStore.read`."""
        with self._translated_errors("read"):
            _see_that_it_can_be(name)
            response = self._client.get_object(
                bucket_name=self._bucket, object_name=name, offset=offset, length=length or 0
            )
            try:
                self._require_object(response, ranged=bool(offset or length))
                return response.read()
            finally:
                response.close()
                response.release_conn()

    def stream(self, name: str, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`."""
        with self._translated_errors("stream"):
            _see_that_it_can_be(name)
            response = self._client.get_object(bucket_name=self._bucket, object_name=name, offset=offset, length=length)
            try:
                self._require_object(response, ranged=bool(offset or length))
                yield from response.stream(chunk_bytes)
            finally:
                response.close()
                response.release_conn()

    def stat(self, name: str) -> StoredObject | None:
        """See `ObjectStore.stat`."""
        try:
            with self._translated_errors("stat"):
                _see_that_it_can_be(name)
                found = self._client.stat_object(bucket_name=self._bucket, object_name=name)
                if not found.etag or found.last_modified is None:
                    raise self._not_a_store()
        except ObjectMissing:
            return None
        marker = "x-amz-meta-"
        headers = {key.lower(): value for key, value in (found.metadata or {}).items()}
        metadata = {key.removeprefix(marker): value for key, value in headers.items() if key.startswith(marker)}
        return _stored(name, found, metadata)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        with self._translated_errors("list"):
            for found in self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
                yield _stored(str(found.object_name), found, {})

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        with self._translated_errors("remove"):
            self._client.remove_object(bucket_name=self._bucket, object_name=name)

    @contextmanager
    def _translated_errors(self, operation: str) -> Iterator[None]:
        """Turn the client's errors into ours; neither names a key."""
        try:
            yield
        except S3Error as error:
            if error.code in MISSING:
                raise ObjectMissing(f"no such object in bucket {self._bucket}") from None
            if error.code in CHANGED:
                raise ObjectChanged(f"somebody else stored this object in bucket {self._bucket}") from None
            STORE_FAILURES.labels(operation=operation).inc()
            raise self._explained(error) from None
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            STORE_FAILURES.labels(operation=operation).inc()
            raise StoreUnavailable(
                f"the object store at {self._endpoint} does not answer ({type(error).__name__}): "
                "is it running and reachable?"
            ) from None
        except (ParseError, ValueError):
            STORE_FAILURES.labels(operation=operation).inc()
            raise self._not_a_store() from None

    def _not_a_store(self) -> StoreUnavailable:
        """A proxy with a page of its own, or another service on that port, may well answer that all went well."""
        return StoreUnavailable(
            f"what answers at {self._endpoint} does not speak as an object store: is a proxy in front of it?"
        )

    def _require_object(self, response: urllib3.BaseHTTPResponse, *, ranged: bool) -> None:
        """See that this is an object, and the part of it that was asked for."""
        if "ETag" not in response.headers or (ranged and response.status != HTTPStatus.PARTIAL_CONTENT):
            raise self._not_a_store()

    def _explained(self, error: S3Error) -> StoreDenied | RetentionError | StoreUnavailable:
        if error.code in DENIED:
            # A request that is not fresh by the store's clock is refused, and to some questions without a reason.
            ahead = (self._http.date or self._clock.now()) - self._clock.now()
            if abs(ahead) > FRESH:
                return ClocksDisagree(apart("object store", ahead))
            return StoreDenied(
                f"the object store at {self._endpoint} refused our key ({error.code}): check access key, secret key "
                f"and the rights on bucket {self._bucket}"
            )
        if error.code == "NoSuchLifecycleConfiguration":
            return RetentionError(f"bucket {self._bucket} has no lifecycle rule: add one that expires objects in time")
        return StoreUnavailable(f"the object store at {self._endpoint} could not ({error.code}: {error.message})")


def _see_that_it_can_be(name: str) -> None:
    """The client refuses to ask for names that are paths elsewhere: no object has one."""
    try:
        check_object_name(name)
    except ValueError as reason:
        raise ObjectMissing(str(reason)) from None


@contextmanager
def _mapped(file: Path) -> Iterator[bytes]:
    """A file's content, read from the disk as it is sent."""
    if file.stat().st_size == 0:
        yield b""  # what cannot be mapped
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield cast("bytes", content)


_EPOCH = datetime.fromtimestamp(0, tz=UTC)


def _stored(name: str, found: Object, metadata: Mapping[str, str]) -> StoredObject:
    return StoredObject(name, found.size or 0, found.last_modified or _EPOCH, metadata, found.etag or "")


_ABSENT = {"ReplicationConfigurationNotFoundError", "ObjectLockConfigurationNotFoundError", "NotImplemented"}


def _absent_as_none(ask: object, bucket: str) -> object | None:
    try:
        return ask(bucket_name=bucket)  # type: ignore[operator,no-any-return]
    except S3Error as error:
        if error.code in _ABSENT:
            return None
        raise


def _wrong_rules(lifecycle: LifecycleConfig | None, retention_days: int) -> Iterator[str]:
    rules = lifecycle.rules if lifecycle is not None else []
    if not rules:
        yield f"it has no lifecycle rule: add one that expires every object after {retention_days} days"
    whole = [rule for rule in rules if rule.status == ENABLED and not _restricted(rule)]
    days = {rule.expiration.days for rule in whole if rule.expiration is not None}
    if rules and days != {retention_days}:
        yield (
            f"its rules expire every object after {', '.join(sorted(map(str, days))) or 'no number of'} days, "
            f"not after {retention_days}: correct the rule {RULE_ID}"
        )

    for rule in rules:
        if rule.status == ENABLED and _restricted(rule) and rule.expiration is not None:
            yield f"its rule {rule.rule_id} expires some of its objects after a time of their own: remove it"


def _restricted(rule: Rule) -> bool:
    """Whether a rule looks at some objects only."""
    restriction = rule.rule_filter
    return restriction is not None and bool(restriction.prefix or restriction.tag or restriction.and_operator)
