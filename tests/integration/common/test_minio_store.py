"""The real MinIO: what it refuses is said so that a person can act, and no key is ever shown."""

from __future__ import annotations

import socket
from uuid import uuid4

import pytest
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.versioningconfig import VersioningConfig

from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import RetentionError, StoreDenied, StoreUnavailable
from beffroi_common.store.minio import MinioStore
from beffroi_local.minio import ObjectServer
from minio import Minio


@pytest.fixture
def settings(minio: ObjectServer) -> StoreSettings:
    return StoreSettings(
        endpoint=minio.endpoint,
        access_key=minio.access_key,
        secret_key=minio.secret_key,
        secure=False,
        bucket=f"test-{uuid4().hex}",
        timeout_s=10.0,
    )


@pytest.fixture
def client(minio: ObjectServer) -> Minio:
    return Minio(endpoint=minio.endpoint, access_key=minio.access_key, secret_key=minio.secret_key, secure=False)


def lifecycle(prefix: str = "", days: int = 14) -> LifecycleConfig:
    rule = Rule(status=ENABLED, rule_filter=Filter(prefix=prefix), rule_id="r", expiration=Expiration(days=days))
    return LifecycleConfig(rules=[rule])


def test_a_wrong_key_is_told_without_the_key(settings: StoreSettings) -> None:
    wrong = settings.model_copy(update={"secret_key": type(settings.secret_key)("hunter2-hunter2")})
    with pytest.raises(StoreDenied, match="check access key, secret key") as refused:
        MinioStore("recordings", wrong).make_bucket(14)
    assert "hunter2" not in str(refused.value)
    assert settings.access_key not in str(refused.value)


def test_a_store_that_is_away_is_told(settings: StoreSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        away = MinioStore("recordings", settings.model_copy(update={"endpoint": nobody}))
        with pytest.raises(StoreUnavailable, match=f"{nobody} does not answer"):
            away.read("a")


def test_a_bucket_without_a_rule_is_refused(settings: StoreSettings, client: Minio) -> None:
    client.make_bucket(bucket_name=settings.bucket)
    with pytest.raises(RetentionError, match="no lifecycle rule: add one that expires every object after 14 days"):
        MinioStore("recordings", settings).make_bucket(14)


def test_a_rule_for_some_objects_only_is_refused(settings: StoreSettings, client: Minio) -> None:
    client.make_bucket(bucket_name=settings.bucket)
    client.set_bucket_lifecycle(bucket_name=settings.bucket, config=lifecycle(prefix="segments/"))
    with pytest.raises(RetentionError, match="not after 14"):
        MinioStore("recordings", settings).make_bucket(14)


def test_a_rule_that_destroys_some_objects_earlier_is_refused(settings: StoreSettings, client: Minio) -> None:
    client.make_bucket(bucket_name=settings.bucket)
    hasty = Rule(status=ENABLED, rule_filter=Filter(prefix="segments/"), rule_id="hasty", expiration=Expiration(days=1))
    config = LifecycleConfig(rules=[*lifecycle().rules, hasty])
    client.set_bucket_lifecycle(bucket_name=settings.bucket, config=config)
    with pytest.raises(RetentionError, match="its rule hasty expires some of its objects after a time of their own"):
        MinioStore("recordings", settings).make_bucket(14)


def test_a_bucket_that_keeps_versions_is_refused(settings: StoreSettings, client: Minio) -> None:
    client.make_bucket(bucket_name=settings.bucket)
    client.set_bucket_lifecycle(bucket_name=settings.bucket, config=lifecycle())
    client.set_bucket_versioning(bucket_name=settings.bucket, config=VersioningConfig(status=ENABLED))
    with pytest.raises(RetentionError, match="old versions would outlive the retention"):
        MinioStore("recordings", settings).make_bucket(14)


def test_a_bucket_with_object_lock_is_refused(settings: StoreSettings, client: Minio) -> None:
    client.make_bucket(bucket_name=settings.bucket, object_lock=True)
    with pytest.raises(RetentionError, match="object lock"):
        MinioStore("recordings", settings).make_bucket(14)
